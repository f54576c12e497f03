import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from experiments import speed21_differences

METRICS = {
    "dataset": "Speed21",
    "headline": "pooled",
    "collapsed": False,
    "synthetic": False,
    "calibrated": {},
    "rows": [],
}


def predictions_of(folder: Path, scorer: str, noise: float) -> None:
    """Two seeds and two folds of twelve clips, six groups."""
    generator = torch.Generator().manual_seed(len(str(folder)))
    for seed in range(2):
        for fold in range(2):
            score = torch.arange(12.0)
            said = score + noise * torch.randn(12, generator=generator)
            table = {
                "clip": [f"{fold}_{i}" for i in range(12)],
                "action": ["climb"] * 12,
                "group": [f"g{fold}{i // 4}" for i in range(12)],
                "difficulty": [None] * 12,
                "score": score.tolist(),
                scorer: said.tolist(),
            }
            test = folder / f"seed_{seed}_fold_{fold}" / "test"
            test.mkdir(parents=True)
            (test / "metrics.json").write_text(json.dumps(METRICS))
            pq.write_table(pa.table(table), test / "predictions.parquet")


def test_a_table_for_either_kind_of_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folds in speed21_differences.FOLDS:
        for _, folder, scorer in speed21_differences.OTHERS:
            predictions_of(tmp_path / folds / folder, scorer, 0)
        predictions_of(tmp_path / folds / "baselines" / "core", "regression", 0)
        predictions_of(tmp_path / folds / "baselines" / "tpt", "regression", 1e4)
    assert speed21_differences.main(["--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("| core | 1.000 |") == 2
    core, tpt = (line for line in said.splitlines()[:6] if line.startswith(("| core", "| tpt")))
    assert core.count("+0.000 [+0.00, +0.00]") == 4
    assert tpt.count("-") > 4


def test_runs_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert speed21_differences.main(["--runs", str(tmp_path)]) == 2
    assert "no tested runs" in capsys.readouterr().err
