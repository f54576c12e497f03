"""`python run.py pool`, on runs that `fit` and `test` made and on copies of them with something wrong."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import rankdata

import run
from commands.pool import pooled_evaluation
from errors import InputError
from run_folder.pooled_runs import folds_of
from run_folder.results import read_result
from scoring.evaluation import Row
from tests.datasets import FAST, options
from tests.scoring.build import scipy_rho


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs fold_0 and fold_1 of the tiny SPEED21, and seed_1, another seed of fold 0."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("fold_0", []), ("fold_1", ["--data.fold=1"]), ("seed_1", ["--seed_everything=1"])):
        words = [*options("speed21.yaml", folder), *FAST, f"--trainer.logger.folder={folder / name}", *more]
        assert run.main(["fit", *words, "--config", "mlp.yaml"]) == 0
        best = folder / name / "checkpoints" / "best.ckpt"
        assert run.main(["test", *words, "--config", "mlp.yaml", f"--ckpt_path={best}"]) == 0
    return folder


@pytest.fixture
def copies(runs: Path, tmp_path: Path) -> Path:
    for name in ("fold_0", "fold_1", "seed_1"):
        shutil.copytree(runs / name, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path


def rewrite(folder: Path, **changes: Any) -> None:
    """Change metrics.json of a run."""
    path = folder / "test" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def predictions(folder: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pq.read_table(folder / "test" / "predictions.parquet").to_pydict()
    return columns


def store(folder: Path, columns: dict[str, list[Any]]) -> None:
    pq.write_table(pa.table(columns), folder / "test" / "predictions.parquet")


def row(of: list[Row], name: str) -> Row:
    return next(row for row in of if row.name == name)


def test_groups_are_written_by_name(runs: Path) -> None:
    columns = predictions(runs / "fold_0")
    assert columns["group"] == [clip.split("_")[0] for clip in columns["clip"]]


def test_folds_are_pooled(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [runs / "fold_0", runs / "fold_1"]
    assert run.main(["pool", *map(str, folders)]) == 0
    said = capsys.readouterr().out
    results = [read_result(folder) for folder in folders]
    evaluation = pooled_evaluation(results, folds_of(results), results[0].uncalibrated)
    columns = [predictions(folder) for folder in folders]
    score = columns[0]["score"] + columns[1]["score"]
    for name in ("vote", "ridge", "ridge on raw coordinates"):
        assert row(evaluation.rows, name).rho == pytest.approx(scipy_rho(columns[0][name] + columns[1][name], score))
    places = [value for column in columns for value in rankdata(column["reference"]) / len(column["reference"])]
    assert evaluation.clips == len(score)
    assert evaluation.groups == len(set(columns[0]["group"]) | set(columns[1]["group"]))
    # places shifted by 1 / (2 n) have the same ranks where folds are equally large
    if len(columns[0]["score"]) == len(columns[1]["score"]):
        assert row(evaluation.rows, "reference").rho == pytest.approx(scipy_rho(places, score))
    assert row(evaluation.rows, "reference").relative_l2 is None
    assert row(evaluation.rows, "ridge").relative_l2 is not None
    mean = sum(result.rho("ridge") or 0 for result in results) / 2
    assert re.search(rf"ridge +│ +{row(evaluation.rows, 'ridge').rho:.3f} .*{mean:.3f} │ +value", said)
    assert re.search(r"reference .* rank │", said)
    assert "2 runs, 2 test parts" in said


def test_everything_by_rank(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["pool", str(runs / "fold_0"), str(runs / "fold_1"), "--rank-normalise"]) == 0
    said = capsys.readouterr().out
    assert " value │" not in said
    assert len(re.findall(r" rank │", said)) == 8


def test_seeds_of_a_fold_are_averaged(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [runs / name for name in ("fold_0", "fold_1", "seed_1")]
    assert run.main(["pool", *map(str, folders)]) == 0
    said = capsys.readouterr().out
    assert "3 runs, 2 test parts" in said
    assert "averaged, clip by clip" in said
    results = [read_result(folder) for folder in folders]
    assert folds_of(results) == [[0, 2], [1]]
    evaluation = pooled_evaluation(results, folds_of(results), results[0].uncalibrated)
    first, other, again = (predictions(folder) for folder in folders)
    assert first["clip"] == again["clip"]
    mean = [(a + b) / 2 for a, b in zip(first["ridge"], again["ridge"], strict=True)]
    assert row(evaluation.rows, "ridge").rho == pytest.approx(
        scipy_rho(mean + other["ridge"], first["score"] + other["score"])
    )


def test_one_model_per_sport(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("fold_0", "fold_1"):
        columns = predictions(copies / name)
        columns["action"] = [name] * len(columns["clip"])
        store(copies / name, columns)
        rewrite(copies / name, headline="fisher")
    results = [read_result(copies / name) for name in ("fold_0", "fold_1")]
    evaluation = pooled_evaluation(results, folds_of(results), results[0].uncalibrated)
    assert [(action.action, action.clips) for action in evaluation.actions] == [
        (name, len(predictions(copies / name)["clip"])) for name in ("fold_0", "fold_1")
    ]
    assert evaluation.headline == "fisher"
    for action, result in zip(evaluation.actions, results, strict=True):
        assert action.rho == pytest.approx(result.rho("reference"))
    assert run.main(["pool", str(copies / "fold_0"), str(copies / "fold_1")]) == 0
    assert "action by action" in capsys.readouterr().out


def test_collapsed_runs_are_counted_and_named(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(copies / "fold_1", collapsed=True)
    assert run.main(["pool", str(copies / "fold_0"), str(copies / "fold_1")]) == 0
    said = capsys.readouterr().out
    assert "1 of 2 runs collapsed" in said
    assert str(copies / "fold_1") in said


def test_predictors_that_a_run_lacks_are_left_out_and_named(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = predictions(copies / "fold_1")
    del columns["mean by fps"]
    store(copies / "fold_1", columns)
    assert run.main(["pool", str(copies / "fold_0"), str(copies / "fold_1")]) == 0
    assert "not in the table: mean by fps" in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *folders: Path) -> str:
    capsys.readouterr()
    assert run.main(["pool", *map(str, folders)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


def test_wrong_runs_are_refused_in_one_line(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = copies / "fold_0", copies / "fold_1"
    assert "no such run" in refused(capsys, one, copies / "nowhere")
    assert "given twice" in refused(capsys, one, copies / "fold_1" / ".." / "fold_0")

    shutil.copytree(other, copies / "untested")
    (copies / "untested" / "test" / "metrics.json").unlink()
    assert "run.py test" in refused(capsys, one, copies / "untested")

    rewrite(other, dataset="AQA7")
    assert "different datasets (Speed21 and AQA7)" in refused(capsys, one, other)
    rewrite(other, dataset="Speed21")

    config = other / "config.yaml"
    before = config.read_text()
    config.write_text(before.replace("margin: 1.35", "margin: 0.7"))
    assert "different models" in refused(capsys, one, other)
    config.write_text(before)


def test_clips_in_two_runs_are_refused(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = copies / "fold_0", copies / "fold_1"
    mixed = predictions(other)
    stolen = predictions(one)["clip"][0]
    store(other, {**mixed, "clip": [stolen, *mixed["clip"][1:]]})
    assert f"clip '{stolen}' is in the test parts of" in refused(capsys, one, other)


def test_different_labels_are_refused(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, seed = copies / "fold_0", copies / "seed_1"
    columns = predictions(seed)
    store(seed, {**columns, "score": [value + 1 for value in columns["score"]]})
    assert "different labels (score)" in refused(capsys, one, seed)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.parquet"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"PAR1"])
def test_broken_files_are_refused(copies: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes) -> None:
    (copies / "fold_0" / "test" / name).write_bytes(content)
    assert str(copies / "fold_0" / "test") in refused(capsys, copies / "fold_0")


def test_a_run_that_is_missing_a_column_is_refused(copies: Path) -> None:
    columns = predictions(copies / "fold_0")
    del columns["group"]
    store(copies / "fold_0", columns)
    with pytest.raises(InputError, match="'group' is missing"):
        read_result(copies / "fold_0")
