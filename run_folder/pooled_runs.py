"""Results of several runs, numbered alike, so that they can be pooled: which are of one fold, and their tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from errors import InputError
from run_folder.layout import CONFIG
from run_folder.origin import read_config
from run_folder.results import Columns, RunResult, predictors
from scoring.evaluation import ClipTable


def folds_of(results: Sequence[RunResult]) -> list[list[int]]:
    """Indices of the runs, those on the same clips (seeds of a fold) together.

    Raises:
        InputError: the runs do not belong into one table.
    """
    first, *others = results
    seen: dict[Path, Path] = {}
    model = _model(first.folder)
    for result in results:
        if (place := result.folder.resolve()) in seen:
            raise InputError(f"{result.folder}: given twice; give every run once")
        seen[place] = result.folder
    for result in others:
        for what in ("dataset", "headline"):
            if result.metrics[what] != first.metrics[what]:
                raise InputError(
                    f"{first.folder} and {result.folder} are of different datasets ({first.metrics['dataset']} and "
                    f"{result.metrics['dataset']}); pool runs of one dataset"
                )
        own = _model(result.folder)
        if None not in (model, own) and own != model:
            raise InputError(
                f"{first.folder} and {result.folder} are of different models (see {CONFIG} there); pool one model "
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


def tables_of(runs: Sequence[Columns]) -> tuple[list[ClipTable], list[str]]:
    """One table for the columns of each run, with clips, actions and groups numbered alike; and the actions' names."""
    numbers: dict[str, dict[Any, int]] = {}
    for what in ("clip", "action", "group"):
        values = {value for columns in runs for value in columns[what] if value is not None}
        numbers[what] = {value: number for number, value in enumerate(sorted(values))}

    def numbered(columns: Columns, what: str) -> torch.Tensor:
        return torch.tensor([numbers[what].get(value, -1) for value in columns[what]])

    def floats(values: Sequence[float | None]) -> torch.Tensor:
        return torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float64)

    tables = [
        ClipTable(
            clip=numbered(columns, "clip"),
            action=numbered(columns, "action"),
            group=numbered(columns, "group"),
            score=floats(columns["score"]),
            difficulty=floats(columns.get("difficulty", [None] * len(columns["clip"]))),
            predictions={name: floats(columns[name]) for name in predictors(columns)},
        )
        for columns in runs
    ]
    return tables, list(numbers["action"])


def _model(folder: Path) -> Any:
    """The `model` part of a run's config; None where that is missing."""
    return read_config(folder)["model"] if (folder / CONFIG).is_file() else None
