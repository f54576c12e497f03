"""A runner that trains in no time, and the files and ledgers of sweeps, for the tests of `run.py sweep`."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from run_folder.trial import Trial
from trials.runner import Outcome, Work

SWEEP: dict[str, Any] = {
    "program": "run.py",
    "name": "tiny",
    "method": "bayes",
    "metric": {"name": "val/spearman_best", "goal": "maximize"},
    "parameters": {
        "model.margin": {"min": 0.2, "max": 2.0},
        "model.lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
    },
    "command": ["${env}", "${interpreter}", "${program}", "fit", "--config", "demo.yaml", "${args}"],
}


def quality(trial: Trial) -> list[float]:
    """The metric of two epochs."""
    margin = float(str(trial.labels.get("model.margin", 1.0)))
    return [-1.0, 1 - abs(margin - 1.3)]


class Killed(BaseException):
    """The sweep was killed."""


class FakeRunner:
    """Ends groups in a random order, and raises `Killed` after `life` of them.

    Trials do as `fate` says: None is to train, to a metric that follows from the margin; a text is to fail with it.
    """

    order = random.Random(0)
    life: int | None = None
    fate: Callable[[Trial], str | None] = staticmethod(lambda trial: None)
    metric: Callable[[Trial], list[float]] = staticmethod(quality)
    trained: list[str] = []  # noqa: RUF012  # of all runners
    groups: list[list[str]] = []  # noqa: RUF012
    prepared: list[str] = []  # noqa: RUF012

    def __init__(self, output: Path, work: Work, parallel: int) -> None:
        self.output = output
        self.parallel = parallel
        self.waiting: list[Sequence[Trial]] = []

    def __enter__(self) -> Self:
        self.output.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, group: Sequence[Trial]) -> None:
        self.waiting.append(group)

    def results(self, meanwhile: Callable[[], None] | None = None) -> Iterator[Outcome]:
        cls = type(self)
        while self.waiting:
            if meanwhile is not None:
                meanwhile()
            group = self.waiting.pop(cls.order.randrange(min(self.parallel, len(self.waiting))))
            errors = [cls.fate(trial) for trial in group]
            for trial, error in zip(group, errors, strict=True):
                (self.output / trial.name).mkdir(exist_ok=True)
                if error is None:
                    write_metrics(self.output / trial.name, cls.metric(trial))
            if cls.life is not None:
                cls.life -= 1
                if cls.life < 0:
                    raise Killed
            cls.groups.append([trial.name for trial in group])
            cls.trained += [trial.name for trial in group]
            yield Outcome(tuple(group), errors, 1.0)


def write_metrics(folder: Path, metric: Sequence[float], collapsed: bool = False) -> None:
    lines = [f"{i},{i},{value},{float(collapsed)}" for i, value in enumerate(metric)]
    (folder / "metrics.csv").write_text("\n".join(["step,epoch,val/spearman_best,val/collapsed", *lines, ""]))


def sweep_file(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (SWEEP | changes).items() if value is not None}))
    return path


def ledger(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "sweep.json").read_text())
    return content


def values(output: Path) -> dict[str, dict[str, Any]]:
    """Parameters of every trial."""
    return {trial["name"]: trial["values"] for trial in ledger(output)["trials"]}
