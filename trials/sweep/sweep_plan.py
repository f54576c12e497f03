"""What `run.py sweep` is asked to do, and the options of `fit` that its trials have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.config_files import short, split
from errors import InputError
from run_folder.trial import Trial
from trials.sweep.search import Sweep, words
from trials.sweep.sweep_ledger import Entry, Ledger

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
