"""Runs as reports see them: found below the folders that were given, and read as far as their files go."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from errors import InputError
from run_folder.history import History, read_history
from run_folder.layout import (
    ATTENTION,
    CONFIG,
    COST,
    EVALUATION,
    METRICS,
    PAIRS,
    RECORD,
    ROBUSTNESS,
    VERSIONS,
    is_run,
)  # fmt: skip
from run_folder.measurements import Cost, Disturbance, read_cost, read_robustness
from run_folder.origin import read_config, read_versions
from run_folder.results import Columns, Pair, RunResult, read_attention, read_pairs, read_result
from run_folder.trial import Label, Record, read_record
from settings import flatten

State = Literal["finished", "stopped", "failed", "unfinished", "unreadable"]

SEED = ("seed", "seed_everything")
FOLD = ("fold", "data.fold", "data.init_args.fold")
_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Run:
    """All that a run's folder tells.

    Attributes:
        name: the folder, from the last part of what the user gave on.
        folder: the folder.
        record: trial.json; None if it is no trial.
        config: config.yaml; None where it is missing.
        versions: versions.json.
        history: metrics.csv; None where it is missing.
        result: what `test` left.
        pairs: of test/pairs.json.
        attention: test/attention.npy, float [tracks, layers, parts, windows]; None of models without.
        cost: cost.json.
        robustness: robustness.parquet.
        missing: files that are not there.
        broken: a line for each file that is there and cannot be read.
    """

    name: str
    folder: Path
    record: Record | None = None
    config: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] | None = None
    history: History | None = None
    result: RunResult | None = None
    pairs: Sequence[Pair] = ()
    attention: npt.NDArray[np.floating[Any]] | None = field(default=None, compare=False)
    cost: Cost | None = None
    robustness: Sequence[tuple[Disturbance, Columns]] = ()
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def config_text(self) -> str:
        """config.yaml as it stands there; empty where it is missing or broken."""
        return (self.folder / CONFIG).read_text(encoding="utf-8") if self.config else ""

    @property
    def state(self) -> State:
        """How it went."""
        if self.record and self.record.status == "failed":
            return "failed"
        if self.result:
            return "stopped" if self.record and self.record.status == "stopped" else "finished"
        if self.broken:
            return "unreadable"
        return self.record.status if self.record and self.record.status == "stopped" else "unfinished"

    @property
    def collapsed(self) -> bool:
        """Whether every embedding of the tested checkpoint is the same."""
        return bool(self.result and self.result.metrics["collapsed"])

    @property
    def collapsed_later(self) -> bool:
        """Whether the last epoch had collapsed though the tested checkpoint has not."""
        return not self.collapsed and self.history is not None and self.history.last in self.history.collapsed

    @property
    def labels(self) -> Mapping[str, Label]:
        """Those of the trial."""
        return self.record.labels if self.record else {}

    @cached_property
    def options(self) -> dict[str, Any]:
        """The config by dotted keys, without `init_args`: model.encoder.channels."""
        return flatten(self.config or {})

    @property
    def seed(self) -> Label:
        """Seed of the run."""
        return next((self.labels[key] for key in SEED if key in self.labels), self.options.get("seed_everything"))

    @property
    def started(self) -> str:
        """When, in ISO format; "~" (after every date) where unknown."""
        return str((self.versions or {}).get("started") or "~")

    @property
    def dataset(self) -> str | None:
        """Name of the data module's class."""
        if self.result:
            return str(self.result.metrics["dataset"])
        name = self.options.get("data.class_path")
        return str(name).rpartition(".")[2] if name else None


def find_runs(given: Sequence[Path]) -> list[tuple[str, Path]]:
    """Folders of runs among the given ones and below them, each once, with the names they go by.

    Raises:
        InputError: a folder is not there, or there is no run.
    """
    found: dict[Path, tuple[str, Path]] = {}
    for top in given:
        if not top.is_dir():
            raise InputError(f"{top}: no such folder; give folders of runs, such as runs/speed21, or one above them")
        place = top.resolve()
        for parent, folders, _ in os.walk(place):
            folder = Path(parent)
            if is_run(folder):
                name = str(Path(place.name or "run") / folder.relative_to(place))
                found.setdefault(folder, (name, folder))
                folders.clear()
            folders.sort()
    if not found:
        raise InputError(
            f"{', '.join(map(str, given))}: no run there (a folder with config.yaml and metrics.csv, or with "
            "trial.json); make one with python run.py fit"
        )
    return list(found.values())


def read_run(name: str, folder: Path) -> Run:
    """A run's folder as far as its files go: one that is missing or broken is named, and the others are read."""
    missing: list[str] = []
    broken: list[str] = []

    def read(file: str, reader: Callable[[Path], _Content], wanted: bool = True) -> _Content | None:
        if not (folder / file).is_file():
            if wanted:
                missing.append(file)
            return None
        try:
            return reader(folder)
        except InputError as error:
            broken.append(str(error).removeprefix(f"{folder}{os.sep}"))
        return None

    tested = (folder / "test" / EVALUATION).is_file()
    return Run(
        name=name,
        folder=folder,
        record=read(RECORD, read_record, wanted=False),
        config=read(CONFIG, read_config),
        versions=read(VERSIONS, read_versions),
        history=read(METRICS, read_history),
        result=read(f"test/{EVALUATION}", read_result),
        pairs=read(f"test/{PAIRS}", read_pairs, wanted=tested) or (),
        attention=read(f"test/{ATTENTION}", read_attention, wanted=False),
        cost=read(COST, read_cost, wanted=tested),
        robustness=read(ROBUSTNESS, read_robustness, wanted=tested) or (),
        missing=tuple(missing),
        broken=tuple(broken),
    )
