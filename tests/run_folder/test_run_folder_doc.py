"""docs/run-folder.md names every file of a run, and every key and column in it: compared with what a run leaves."""

import json
import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import run
from run_folder.checkpoint_io import load_checkpoint
from run_folder.history import read_metrics
from run_folder.trial import Record
from tests.conftest import REPO
from tests.datasets import FAST, options
from trials.run_evaluation import evaluate_runs

SECTIONS = re.split(r"^#+ ", (REPO / "docs" / "run-folder.md").read_text(), flags=re.MULTILINE)
FILES = "The folder of a run"
NOT_OF_EVERY_RUN = {"test/attention.npy", "stop", "wandb.json", "wandb/"}
SCORERS = ["reference", "vote", "ridge"]


def rows(title: str, table: int = 0) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    (own,) = (part for part in SECTIONS if part.startswith(f"{title}\n"))
    lines = re.findall(r"(?:^\|.*\n)+", own, flags=re.MULTILINE)[table].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(title: str, table: int = 0) -> list[str]:
    """What the first column of a section's table names."""
    return [name for cells in rows(title, table) for name in re.findall(r"`([^`]+)`", cells[0])]


def types(title: str, **placeholders: list[str]) -> dict[str, str]:
    """Names and types of a table of columns, `<what>` replaced by every name of a kind."""
    found: dict[str, str] = {}
    for cells in rows(title):
        for name in re.findall(r"`([^`]+)`", cells[0]):
            found |= dict.fromkeys(placeholders.get(name.strip("<>"), [name]), cells[1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the demo, fitted, validated, tested, predicted with, and evaluated as one of an ablation."""
    place = tmp_path_factory.mktemp("runs")
    own = place / "run"
    words = [*options("demo.yaml", place), *FAST, f"--trainer.logger.folder={own}", "--model.encoder.channels=8"]
    assert run.main(["fit", *words]) == 0
    for command in ("validate", "test", "predict"):
        assert run.main([command, *words, f"--ckpt_path={own / 'checkpoints' / 'best.ckpt'}"]) == 0
    Record("an ablation", "ablation", {"variant": "a"}, ("--config=demo.yaml",), "finished", seconds=1.0).write(own)
    assert evaluate_runs([own]) == [None]
    return own


def content(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / name).read_text())


def test_every_file_is_told_and_no_other(folder: Path) -> None:
    told = set(names(FILES)) - NOT_OF_EVERY_RUN
    told |= {name.replace("test/", "validate/") for name in told}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == told


def test_who_writes_and_who_reads_is_there() -> None:
    told = [name for _, _, writer, _, reader in rows(FILES) for name in re.findall(r"`(\w+\.[\w.]+)`", writer + reader)]
    assert len(told) > 25
    for name in told:
        assert resolve_name(name if (REPO / name.partition(".")[0]).is_dir() else f"run_folder.{name}")


@pytest.mark.parametrize("name", ["config.yaml", "versions.json", "test/metrics.json", "trial.json", "cost.json"])
def test_keys(name: str, folder: Path) -> None:
    assert sorted(names(name)) == sorted(content(folder, name))


def test_keys_of_parts(folder: Path) -> None:
    metrics, (pair, *_) = content(folder, "test/metrics.json"), content(folder, "test/pairs.json")["pairs"]
    assert names("test/metrics.json", 1) == list(metrics["rows"][0])
    (about,) = (cells[1] for cells in rows("test/metrics.json") if cells[0] == "`actions`")
    assert re.findall(r"`(\w+)`", about) == list(metrics["actions"][0])
    assert names("test/pairs.json") == list(pair)
    for name in ("best", "last"):
        assert set(names("checkpoints")) <= load_checkpoint(folder / "checkpoints" / f"{name}.ckpt").keys()


def test_columns(folder: Path) -> None:
    evaluated = content(folder, "test/metrics.json")["rows"]
    predictors = [row["name"] for row in evaluated]
    for part, own in (("test", predictors), ("validate", predictors), ("predict", SCORERS)):
        table = pq.read_schema(folder / part / "predictions.parquet")
        assert {column.name: str(column.type).replace("double", "float64") for column in table} == types(
            "predictions.parquet", predictor=own
        )
    told = types("robustness.parquet", scorer=SCORERS)
    table = pq.read_schema(folder / "robustness.parquet")
    assert table.names == list(told)
    for column in table:
        assert told[column.name] in ("", str(column.type).replace("double", "float64"))


def test_columns_of_metrics(folder: Path) -> None:
    ranked = [row["name"] for row in content(folder, "test/metrics.json")["rows"] if row["rho"] is not None]
    told = {
        name.replace(f"<{what}>", one)
        for name in names("metrics.csv")
        for what, all_of_them in (("scorer", SCORERS), ("predictor", ranked))
        for one in all_of_them
        if "<" not in name or f"<{what}>" in name
    }
    written = {name.replace("validate/", "test/") for name in read_metrics(folder)[0]}
    assert json.dumps(sorted(written)) == json.dumps(sorted(told))
