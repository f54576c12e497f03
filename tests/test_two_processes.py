"""Two real gloo processes on the CPU do what one does."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import REPO

OPTIONS = shlex.split("""
    --config demo.yaml --data.clips 61 --data.pairs.pairs_per_epoch 640 --trainer.max_epochs 2
    --trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.enable_model_summary
    false --trainer.log_every_n_steps 1
""")
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]


def run(command: str, folder: Path, data: Path, *more: str) -> None:
    arguments = [command, *OPTIONS, f"--data.root={data}", f"--trainer.logger.save_dir={folder}", *more]
    done = subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=REPO,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def numbers(row: dict[str, Any]) -> list[float]:
    """What a row of metrics.json holds, intervals laid flat; -9 for what is undefined."""
    flat = [end for value in row.values() for end in (value if isinstance(value, list) else [value])]
    return [-9.0 if value is None else float(value) for value in flat if not isinstance(value, str)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Runs of one and of two processes with the same global batch of 64."""
    folder = tmp_path_factory.mktemp("ddp")
    run("fit", folder / "one", folder / "data", "--data.batch_size=64")
    run("fit", folder / "two", folder / "data", "--data.batch_size=32", *TWO)
    return folder / "one" / "demo" / "version_0", folder / "two" / "demo" / "version_0", folder / "data"


def test_training_agrees(runs: tuple[Path, Path, Path]) -> None:
    weights = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in runs[:2]]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-4, atol=1e-5)
    assert len({len((run / "metrics.csv").read_text().splitlines()) for run in runs[:2]}) == 1  # only rank 0 wrote
    assert not (runs[1].parent / "version_1").exists()


def test_testing_agrees_and_counts_every_clip_once(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    whole, _, data = runs
    checkpoint = whole / "checkpoints" / "best.ckpt"
    found = []
    for more in ([], TWO):
        run("test", tmp_path, data, f"--ckpt_path={checkpoint}", *more)
        found.append(
            (
                json.loads((whole / "test" / "metrics.json").read_text()),
                pq.read_table(whole / "test" / "predictions.parquet").to_pydict(),
            )
        )
    (metrics, predictions), (metrics_of_two, predictions_of_two) = found
    assert metrics["clips"] == 13  # does not divide by two
    assert predictions_of_two["clip"] == predictions["clip"]
    for row, other in zip(metrics["rows"], metrics_of_two["rows"], strict=True):
        assert numbers(other) == pytest.approx(numbers(row), abs=1e-6)
