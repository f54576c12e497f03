"""What `test` left in the folders of runs: read, checked, and numbered alike, so that runs can be pooled."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from errors import InputError
from scoring.evaluation import ClipTable

KNOWN = ("clip", "action", "group", "score", "difficulty")
METRICS = ("dataset", "headline", "synthetic", "collapsed", "rows", "calibrated")


@dataclass(frozen=True)
class RunResult:
    """What `test` left in a run's folder.

    Attributes:
        folder: the run's folder.
        metrics: metrics.json.
        columns: predictions.parquet, by column, one entry a clip, sorted by clip; None where unknown.
        model: the `model` part of config.yaml; None where that is missing.
    """

    folder: Path
    metrics: dict[str, Any]
    columns: dict[str, list[Any]]
    model: Any

    @property
    def clips(self) -> list[str]:
        """Names of the clips."""
        return self.columns["clip"]

    @property
    def predictors(self) -> list[str]:
        """Names of the predictors, those under test first."""
        return [name for name in self.columns if name not in KNOWN]

    @property
    def trivial(self) -> set[str]:
        """Names of the trivial predictors."""
        return {row["name"] for row in self.metrics["rows"] if row["trivial"]}

    @property
    def uncalibrated(self) -> set[str]:
        """Names of the scorers whose scale is the model's own."""
        return {name for name, calibrated in self.metrics["calibrated"].items() if not calibrated}

    def rho(self, predictor: str) -> float | None:
        """The headline rho on this run's test part."""
        return next((row["rho"] for row in self.metrics["rows"] if row["name"] == predictor), None)


def read_result(folder: Path) -> RunResult:
    """What `test` wrote into a run's folder.

    Raises:
        InputError: no such run, not tested yet, or its files are broken.
    """
    test = folder / "test"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder; give folders such as runs/aqa7/version_0")
    if not (test / "metrics.json").is_file() or not (test / "predictions.parquet").is_file():
        raise InputError(
            f"{folder}: has not been tested; first: python run.py test --config {folder / 'config.yaml'} "
            f"--ckpt_path {folder / 'checkpoints' / 'best.ckpt'}"
        )
    try:
        metrics = json.loads((test / "metrics.json").read_bytes())
        table = pq.read_table(test / "predictions.parquet").sort_by("clip")
        columns = table.to_pydict()
        config = load_yaml((folder / "config.yaml").read_bytes()) if (folder / "config.yaml").is_file() else {}
        model = config.get("model")
        absent = [name for name in METRICS if name not in metrics] + [name for name in KNOWN if name not in columns]
    except (ValueError, TypeError, AttributeError, yaml.YAMLError, pa.ArrowException) as error:
        raise InputError(f"{test}: cannot be read ({error}); run `test` again") from error
    if absent:
        raise InputError(f"{test}: {absent[0]!r} is missing, another version wrote it; run `test` again")
    return RunResult(folder, metrics, columns, model)


def load_yaml(content: str | bytes) -> Any:
    """What YAML says, plain types alone; by the parser in C where there is one, which is ten times as fast."""
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def folds_of(results: Sequence[RunResult]) -> list[list[int]]:
    """Indices of the runs, those on the same clips (seeds of a fold) together.

    Raises:
        InputError: the runs do not belong into one table.
    """
    first = results[0]
    seen: dict[Path, Path] = {}
    for result in results:
        if (place := result.folder.resolve()) in seen:
            raise InputError(f"{result.folder}: given twice; give every run once")
        seen[place] = result.folder
        for what in ("dataset", "headline"):
            if result.metrics[what] != first.metrics[what]:
                raise InputError(
                    f"{first.folder} and {result.folder} are of different datasets ({first.metrics['dataset']} and "
                    f"{result.metrics['dataset']}); pool runs of one dataset"
                )
        if None not in (result.model, first.model) and result.model != first.model:
            raise InputError(
                f"{first.folder} and {result.folder} are of different models (see config.yaml there); pool one model "
                "at a time"
            )
    folds: dict[tuple[str, ...], list[int]] = {}
    for index, result in enumerate(results):
        folds.setdefault(tuple(result.clips), []).append(index)
    owner: dict[str, int] = {}
    for clips, runs in folds.items():
        for clip in clips:
            if owner.setdefault(clip, runs[0]) != runs[0]:
                raise InputError(
                    f"clip {clip!r} is in the test parts of {results[owner[clip]].folder} and {results[runs[0]].folder}"
                    ", which differ otherwise; give the folds of one split, or runs on the same clips"
                )
        for index in runs:
            for what in ("action", "score"):
                if results[index].columns[what] != results[runs[0]].columns[what]:
                    raise InputError(
                        f"{results[runs[0]].folder} and {results[index].folder} were tested with different labels "
                        f"({what}) for the same clips; test them again with the same ones"
                    )
    return list(folds.values())


def tables_of(results: Sequence[RunResult]) -> tuple[list[ClipTable], list[str]]:
    """One table a run, with clips, actions and groups numbered alike; and the names of the actions."""
    numbers: dict[str, dict[Any, int]] = {}
    for what in ("clip", "action", "group"):
        values = {value for result in results for value in result.columns[what] if value is not None}
        numbers[what] = {value: number for number, value in enumerate(sorted(values))}

    def numbered(result: RunResult, what: str) -> torch.Tensor:
        return torch.tensor([numbers[what].get(value, -1) for value in result.columns[what]])

    def floats(values: list[float | None]) -> torch.Tensor:
        return torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float64)

    tables = [
        ClipTable(
            clip=numbered(result, "clip"),
            action=numbered(result, "action"),
            group=numbered(result, "group"),
            score=floats(result.columns["score"]),
            difficulty=floats(result.columns["difficulty"]),
            predictions={name: floats(result.columns[name]) for name in result.predictors},
        )
        for result in results
    ]
    return tables, list(numbers["action"])
