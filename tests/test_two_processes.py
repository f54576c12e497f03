"""Two real gloo processes on the CPU do what one does: the same pairs, gradients, test results."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.two_processes import TWO, callback, largest_difference, launch, seen

STEPS = 10  # an epoch


def run(command: str, *more: str) -> None:
    done = launch(command, *more)
    assert done.returncode == 0, done.stderr[-2000:]


def numbers(row: dict[str, Any]) -> list[float]:
    """What a row of metrics.json holds, intervals laid flat; -9 for what is undefined."""
    flat = [end for value in row.values() for end in (value if isinstance(value, list) else [value])]
    return [-9.0 if value is None else float(value) for value in flat if not isinstance(value, str)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `one` and `two`, runs of so many processes with the same global batch of 64, and their `data`."""
    folder = tmp_path_factory.mktemp("ddp")
    for name, more in {"one": ["--data.batch_size=64"], "two": ["--data.batch_size=32", *TWO]}.items():
        recorder = callback("tests.recorder.Recorder", folder=str(folder / f"seen_{name}"))
        options = [f"--data.root={folder / 'data'}", f"--trainer.logger.save_dir={folder / name}", recorder]
        run("fit", *options, "--trainer.max_epochs=2", *more)
    return folder


def test_the_pairs_of_an_epoch_are_those_of_one_process(runs: Path) -> None:
    (one,), two = seen(runs / "seen_one", 1), seen(runs / "seen_two", 2)
    assert list(one["batches"]) == list(range(2 * STEPS))
    for step, whole in one["batches"].items():
        shares = [process["batches"][step] for process in two]
        assert [len(share) for share in shares] == [32, 32]
        assert sorted(torch.cat(shares).tolist()) == sorted(whole.tolist())
    epochs = [torch.cat([one["batches"][e * STEPS + i] for i in range(STEPS)]) for e in range(2)]
    assert len(epochs[0].unique(dim=0)) > 600  # they differ from each other, and from epoch to epoch
    assert len(torch.cat(epochs).unique(dim=0)) > 1200


def test_the_gradients_of_the_first_step_agree(runs: Path) -> None:
    (one,), two = seen(runs / "seen_one", 1), seen(runs / "seen_two", 2)
    assert max(float(value.abs().max()) for value in one["gradients"].values()) > 1e-3
    differences = [largest_difference(one["gradients"], process["gradients"]) for process in two]
    print(f"first step, float32: gradients differ by {max(differences):.1e} at most")
    assert max(differences) < 1e-6


def test_training_agrees(runs: Path) -> None:
    folders = [runs / name / "demo" / "version_0" for name in ("one", "two")]
    weights = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in folders]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-4, atol=1e-5)
    assert len({len((run / "metrics.csv").read_text().splitlines()) for run in folders}) == 1  # only rank 0 wrote
    assert not (folders[1].parent / "version_1").exists()


def test_testing_agrees_and_counts_every_clip_once(runs: Path, tmp_path: Path) -> None:
    whole = runs / "one" / "demo" / "version_0"
    options = [f"--data.root={runs / 'data'}", f"--trainer.logger.save_dir={tmp_path}"]
    found = []
    for more in ([], TWO):
        run("test", *options, f"--ckpt_path={whole / 'checkpoints' / 'best.ckpt'}", *more)
        found.append(
            (
                json.loads((whole / "test" / "metrics.json").read_text()),
                pq.read_table(whole / "test" / "predictions.parquet").to_pydict(),
            )
        )
    (metrics, predictions), (metrics_of_two, predictions_of_two) = found
    assert metrics["clips"] == 13  # does not divide by two
    assert predictions_of_two["clip"] == predictions["clip"]
    pairs = [
        zip(numbers(a), numbers(b), strict=True) for a, b in zip(metrics["rows"], metrics_of_two["rows"], strict=True)
    ]
    difference = max(abs(a - b) for row in pairs for a, b in row)
    print(f"test, float32: numbers of the table differ by {difference:.1e} at most")
    assert difference < 1e-6
