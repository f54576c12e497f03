"""Regression against exemplars in two real gloo processes does what one does."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import torch

from tests.two_processes import TWO, largest_difference, launch

CORE = ["--config", "core.yaml", "--data.exemplar_pairs.pairs_per_epoch=320", "--model.head.hidden=16"]


def test_two_processes_train_and_test_as_one(tmp_path: Path) -> None:
    for name, more in {"one": ["--data.batch_size=64"], "two": ["--data.batch_size=32", *TWO]}.items():
        words = [*CORE, f"--data.root={tmp_path / 'data'}", f"--trainer.logger.save_dir={tmp_path / name}", *more]
        words += ["--trainer.max_epochs=2", "--trainer.precision=64-true"]
        for command in ("fit", "test"):
            done = launch(command, *words)
            assert done.returncode == 0, done.stderr[-2000:]
    runs = [tmp_path / name / "demo" / "version_0" for name in ("one", "two")]
    weights = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in runs]
    difference = largest_difference(*weights)
    print(f"weights after 10 steps differ by {difference:.1e} at most")
    assert difference < 1e-9
    one, two = (pq.read_table(run / "test" / "predictions.parquet") for run in runs)
    assert one["clip"].equals(two["clip"])
    for own, other in zip(one["regression"].to_pylist(), two["regression"].to_pylist(), strict=True):
        assert abs(own - other) < 1e-6
    rows = [json.loads((run / "test" / "metrics.json").read_text())["rows"][0] for run in runs]
    assert rows[0]["name"] == "regression"
    assert abs(rows[0]["rho"] - rows[1]["rho"]) < 1e-9
