"""Two real gloo processes train and test a head as one does."""

import json
from pathlib import Path

import pytest
import torch

import run as program
from tests.test_two_processes import numbers
from tests.two_processes import OPTIONS as DEMO
from tests.two_processes import TWO, launch

# In float64, where the order of additions moves nothing that counts; 20 steps.
OPTIONS = [
    "--config=core.yaml", "--trainer.precision=64-true", "--data.exemplar_pairs.pairs_per_epoch=320",
    "--trainer.max_epochs=2",
]  # fmt: skip


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    weights, tables, clips = [], [], []
    for name, more in {"one": ["--data.batch_size=32"], "two": ["--data.batch_size=16", *TWO]}.items():
        run = tmp_path / name
        options = [*OPTIONS, f"--data.root={tmp_path / 'data'}", f"--trainer.logger.folder={run}", *more]
        for command in ("fit", "test"):
            last = [f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"] if command == "test" else []
            if name == "one":
                assert program.main([command, *DEMO, *options, *last]) == 0
            else:
                done = launch(command, *options, *last)
                assert done.returncode == 0, done.stderr[-2000:]
        checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
        assert checkpoint["global_step"] == 20
        weights.append(checkpoint["state_dict"])
        metrics = json.loads((run / "test" / "metrics.json").read_text())
        assert metrics["rows"][0]["name"] == "regression"
        tables.append([number for row in metrics["rows"] for number in numbers(row)])
        clips.append(metrics["clips"])
    assert clips[0] == clips[1] == 13  # does not divide by two
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-9)
    assert tables[1] == pytest.approx(tables[0], abs=1e-9)
