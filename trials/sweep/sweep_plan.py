"""What `run.py sweep` is asked to do, the options of `fit` that its trials have, and sweep.json: how each went."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cli.config_files import short, split
from errors import InputError
from files import write_atomically
from run_folder.history import COLLAPSED, read_metrics
from run_folder.trial import Status, Trial, read_record
from trials.runner import LOCK, LOGS
from trials.sweep.search import Sweep, words

LEDGER = "sweep.json"


@dataclass(frozen=True)
class Entry:
    """A trial of a sweep.

    Attributes:
        name: its folder.
        values: its parameters.
        arguments: options of `run.py fit`.
        status: how it ended; None if it has not.
        metric: the best of its epochs; None where it is undefined in all of them, or the trial failed.
        epochs: how many were validated.
        collapsed: whether its embeddings had collapsed when it ended.
        seconds: wall time of its training.
        error: why it failed.
    """

    name: str
    values: Mapping[str, Any]
    arguments: tuple[str, ...]
    status: Status | None = None
    metric: float | None = None
    epochs: int = 0
    collapsed: bool = False
    seconds: float | None = None
    error: str | None = None


class Ledger:
    """The trials of the sweep in a folder, kept in its sweep.json.

    A trial is written there before it starts, so that a sweep that was killed goes on with the same ones.

    Args:
        output: folder of the sweep.
        sweep: content of the sweep file.
        options: further options of all trials.
        metric: name of the metric.
        maximize: whether more of it is better.

    Raises:
        InputError: the folder is of another sweep, or holds something else.
    """

    def __init__(
        self, output: Path, *, sweep: Mapping[str, Any], options: Sequence[str], metric: str, maximize: bool
    ) -> None:
        self._output = output
        self._metric = metric
        self._maximize = maximize
        self._about = {"sweep": json.loads(json.dumps(sweep, default=str)), "options": list(options)}
        self.entries: list[Entry] = self._read()

    def begin(self, entries: Sequence[Entry]) -> None:
        """Add trials."""
        self.entries += entries
        self.write()

    def update(self, name: str) -> Entry:
        """See how a trial that has ended went: its record and its metrics.csv."""
        number = next(i for i, entry in enumerate(self.entries) if entry.name == name)
        self.entries[number] = self._judge(self.entries[number])
        return self.entries[number]

    def history(self, name: str) -> list[float]:
        """The metric of a trial, epoch by epoch, where it is defined."""
        return [value for value in self._column(name, self._metric) if math.isfinite(value)]

    def best(self) -> Entry | None:
        """The trial with the best metric; the first of equals."""
        ranked = self.ranked()
        return ranked[0] if ranked and ranked[0].metric is not None else None

    def ranked(self) -> list[Entry]:
        """Trials, the best first, those without a metric last."""
        return sorted(self.entries, key=lambda entry: self.order(entry.metric))

    def order(self, metric: float | None) -> float:
        """What to sort by: the less, the better the metric."""
        return math.inf if metric is None else -metric if self._maximize else metric

    def write(self) -> None:
        """Write it, whole or not at all."""
        best = self.best()
        content = {
            **self._about,
            "metric": self._metric,
            "best": best.name if best else None,
            "trials": [asdict(entry) for entry in self.entries],
        }
        write_atomically(self._output / LEDGER, json.dumps(content, indent=1) + "\n")

    def _read(self) -> list[Entry]:
        path = self._output / LEDGER
        if not path.is_file():
            others = {one.name for one in self._output.iterdir()} if self._output.is_dir() else set()
            if strange := sorted(others - {LOCK, LOGS}):
                raise InputError(
                    f"{self._output}: is no folder of a sweep, it holds {strange[0]}; choose another --output"
                )
            return []
        try:
            content = json.loads(path.read_bytes())
            entries = [Entry(**{**one, "arguments": tuple(one["arguments"])}) for one in content["trials"]]
            before = {key: content[key] for key in self._about}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: is no ledger of a sweep ({error}); choose another --output") from error
        for key, what in (("sweep", "another sweep file, or this one before it was changed"), ("options", "")):
            if before[key] != self._about[key]:
                what = what or f"the options {' '.join(before[key]) or 'of the sweep file alone'}"
                raise InputError(f"{self._output}: its trials have {what}; give the same, or another --output")
        return [self._judge(entry) for entry in entries]

    def _judge(self, entry: Entry) -> Entry:
        record = read_record(self._output / entry.name)
        if record is None:
            return replace(entry, status=None, metric=None, error=None)
        entry = replace(entry, status=record.status, seconds=record.seconds, error=record.error)
        if record.status == "failed":
            return entry
        history = self.history(entry.name)
        collapsed = self._column(entry.name, COLLAPSED)
        return replace(
            entry,
            metric=(max if self._maximize else min)(history) if history else None,
            epochs=len(collapsed),
            collapsed=bool(collapsed and collapsed[-1]),
        )

    def columns(self, name: str) -> list[str]:
        """What a trial has logged."""
        return read_metrics(self._output / name)[0]

    def _column(self, name: str, column: str) -> list[float]:
        """Values of a column of a trial's metrics.csv."""
        return [float(row[column]) for row in read_metrics(self._output / name)[1] if row.get(column)]


STOPPING = "--trainer.callbacks+=lightning_modules.callbacks.stop_on_request.StopOnRequest"


@dataclass(frozen=True)
class Plan:
    """A sweep to run.

    Attributes:
        sweep: what its file says.
        count: trials at most; None for a whole grid.
        parallel: processes at once.
        stack: trials in a stack, at the most.
        output: folder of all trials.
        more: further options of every trial.
        wandb: whether trials log to W&B.

    Raises:
        InputError: an option of `more` is one that the sweep sets.
    """

    sweep: Sweep
    count: int | None
    parallel: int
    stack: int
    output: Path
    more: tuple[str, ...]
    wandb: bool

    def __post_init__(self) -> None:
        swept = {short(key) for key in self.sweep.content["parameters"]}
        for word in self.more:
            if word.startswith("--") and short(word.lstrip("-").partition("=")[0]) in swept:
                raise InputError(f"{word}: the sweep sets it; take it out of {self.sweep.path} or of the command line")

    @property
    def alone(self) -> bool:
        """Whether trials must not be stacked: they end each in its time, or have a W&B run each."""
        return self.stack == 1 or self.wandb or self.sweep.stops_early

    def ledger(self) -> Ledger:
        """The trials so far.

        Raises:
            InputError: the output folder is of another sweep, or holds something else.
        """
        options = ["--config=wandb.yaml", *self.more] if self.wandb else self.more
        return Ledger(
            self.output,
            sweep=self.sweep.content,
            options=options,
            metric=self.sweep.metric,
            maximize=self.sweep.maximize,
        )

    def entry(self, number: int, values: Mapping[str, Any]) -> Entry:
        """A trial that has not begun."""
        return Entry(f"trial_{number:03}", values, tuple(self._arguments(values, watched=True)))

    def trial(self, entry: Entry) -> Trial:
        """It, for the worker processes."""
        labels = {key: value if _is_label(value) else str(value) for key, value in entry.values.items()}
        return Trial(entry.name, entry.arguments, labels)

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """Words after `python run.py` that train a model like that of a trial, outside the sweep."""
        return ["fit", *self._arguments(values, watched=False)]

    def _arguments(self, values: Mapping[str, Any], watched: bool) -> list[str]:
        configs, rest = split([*self.sweep.before, *words(values), *self.sweep.after, *self.more])
        if watched and self.wandb:
            configs.append("wandb.yaml")
        if watched and self.sweep.stops_early:
            rest.append(STOPPING)
        # first the configs: one after an option would overrule it
        return [*(f"--config={name}" for name in configs), *rest]


def _is_label(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
