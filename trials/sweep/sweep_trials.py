"""Running the trials of a sweep: suggested, trained, judged and written down, again and again."""

import os
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.fit_options import FitOptions
from errors import InputError
from run_folder.layout import STOP
from run_folder.trial import Record, Trial
from trials.runner import Outcome, Progress, Runner
from trials.stack import fit_group, groups
from trials.sweep.search import Seen, suggest, to_stop
from trials.sweep.sweep_plan import LEDGER, Entry, Ledger, Plan


def search(plan: Plan) -> int:
    """Run a sweep, or what is left of it.

    Returns:
        0, or 1 if a trial failed.

    Raises:
        InputError: an option is wrong, there are no data, or the output folder is not this sweep's.
    """
    plan.ledger()  # refuses another's folder before anything is written there
    _prepare(plan)
    work = partial(fit_for_wandb, _for_wandb(plan)) if plan.wandb else fit_group
    with Runner(plan.output, work, plan.parallel) as runner:
        ledger = plan.ledger()
        running = _Running(plan, ledger, runner)
        running.start()
        for outcome in runner.results(running.stop_early if plan.sweep.stops_early else None):
            running.ended(outcome)
        ledger.write()
    print_results(plan, ledger)
    return int(any(entry.status == "failed" for entry in ledger.entries))


def _prepare(plan: Plan) -> None:
    """See whether `fit` takes the options of a trial, and make what its data need: once, not each worker at once.

    Raises:
        InputError: it does not, or there are no such data.
    """
    options = FitOptions()
    values = suggest(plan.sweep, 0, []) or {}
    options.parse(plan.entry(0, {}).arguments)
    try:
        options.parse(plan.entry(0, values).arguments)
    except InputError as error:  # by the parameters, then
        raise InputError(f"{plan.sweep.path}: {str(error).removeprefix('command line: ')}") from error
    values = {key: value for key, value in values.items() if key.startswith("data.")}  # others may be for it to refuse
    _, data = options.build(options.parse(plan.entry(0, values).arguments))
    data.prepare_data()
    data.setup("fit")  # refuses data that are not there, or not right


class _Running:
    """A sweep under way.

    Args:
        plan: what to do.
        ledger: the trials so far.
        runner: who trains.
    """

    def __init__(self, plan: Plan, ledger: Ledger, runner: Runner) -> None:
        self._plan = plan
        self._ledger = ledger
        self._runner = runner
        self._resumed: set[str] = set()
        self._progress = Progress(0)

    def start(self) -> None:
        """Hand in every trial that is known and has not ended; of a bayes search, the first ones."""
        ended = sum(entry.status is not None for entry in self._ledger.entries)
        self._resumed = {entry.name for entry in self._ledger.entries if (self._plan.output / entry.name).exists()}
        if self._plan.sweep.method == "bayes":
            self._submit([[entry] for entry in self._ledger.entries if entry.status is None])
            total = self._plan.count or 0
            self._suggest()
        else:
            self._plan_all()
            total = len(self._ledger.entries)
        self._progress = Progress(total - ended)
        name = self._plan.sweep.name
        print(f"{name}: {total} trials in {self._plan.output}, {ended} of them ended before", flush=True)

    def ended(self, outcome: Outcome) -> None:
        """Write down how trials went, say it, and hand in what follows.

        Raises:
            InputError: they did not log the metric.
        """
        lines = self._progress.lines(outcome)
        for trial, error, line in zip(outcome.group, outcome.errors, lines, strict=True):
            if error is None:
                self._check_metric(trial)
            stopped = (self._plan.output / trial.name / STOP).exists()
            count = len(outcome.group)
            Record(
                campaign=self._plan.sweep.name,
                kind="sweep",
                labels=trial.labels,
                arguments=trial.arguments,
                status="failed" if error is not None else "stopped" if stopped else "finished",
                error=error,
                seconds=None if trial.name in self._resumed else outcome.seconds / count,  # else of a part only
                members=count,
            ).write(self._plan.output / trial.name)
            entry = self._ledger.update(trial.name)
            value = "undefined (collapsed)" if entry.metric is None else f"{entry.metric:.4f}"
            print(line if error is not None else f"{line}; {self._plan.sweep.metric} {value}", flush=True)
        self._ledger.write()
        if self._plan.sweep.method == "bayes":
            self._suggest()

    def stop_early(self) -> None:
        """Ask the trials to end that W&B's engine would end now."""
        seen = [self._seen(entry) for entry in self._ledger.entries]
        for name in to_stop(self._plan.sweep, seen):
            if (folder := self._plan.output / name).is_dir():
                (folder / STOP).touch()

    def _plan_all(self) -> None:
        """Trials of a grid or random search do not depend on each other: all are known at once."""
        entries = list(self._ledger.entries)
        while self._plan.count is None or len(entries) < self._plan.count:
            seen = [Seen(entry.name, entry.values, None) for entry in entries]
            values = suggest(self._plan.sweep, len(entries), seen)
            if values is None:
                break
            entries.append(self._plan.entry(len(entries), values))
        trials = {entry.name: self._plan.trial(entry) for entry in entries}
        most = 1 if self._plan.alone else min(self._plan.stack, -(-len(entries) // self._plan.parallel))
        found = groups(list(trials.values()), most)  # refuses a wrong value of any trial
        self._ledger.begin(entries[len(self._ledger.entries) :])
        by_name = {entry.name: entry for entry in entries}
        for group in found:
            waiting = [by_name[trial.name] for trial in group if by_name[trial.name].status is None]
            # a stack goes on with all its members only; if some have ended, all were trained
            self._submit([waiting] if len(waiting) == len(group) else [[entry] for entry in waiting])

    def _suggest(self) -> None:
        """Hand in the next trials of a bayes search.

        A trial is chosen from those that ended `parallel` places before it or earlier, the others counting as running:
        so it does not depend on which of several processes is quicker, nor on when the sweep was killed.
        """
        entries = self._ledger.entries
        while len(entries) < (self._plan.count or 0):
            known = max(len(entries) + 1 - self._plan.parallel, 0)
            if any(entry.status is None for entry in entries[:known]):
                return
            seen = [self._seen(entry if i < known else replace(entry, status=None)) for i, entry in enumerate(entries)]
            values = suggest(self._plan.sweep, len(entries), seen)
            entry = self._plan.entry(len(entries), values or {})
            self._ledger.begin([entry])
            self._submit([[entry]])

    def _seen(self, entry: Entry) -> Seen:
        return Seen(entry.name, entry.values, entry.status, self._ledger.history(entry.name))

    def _submit(self, waiting: Sequence[Sequence[Entry]]) -> None:
        for group in waiting:
            if group:
                self._runner.submit([self._plan.trial(entry) for entry in group])

    def _check_metric(self, trial: Trial) -> None:
        logged = self._ledger.columns(trial.name)
        if self._plan.sweep.metric not in logged:
            known = ", ".join(name for name in logged if name.startswith(("val/", "train/")))
            raise InputError(
                f"{self._plan.sweep.path}: {trial.name} logged no metric {self._plan.sweep.metric!r}; it has {known}"
            )


def _for_wandb(plan: Plan) -> dict[str, str]:
    """Environment by which W&B finds the trials of a sweep together.

    Not WANDB_SWEEP_ID: without a server only a made-up id could stand there, and W&B refuses to upload runs of a sweep
    that it does not know (wandb/wandb#8115).
    """
    found = {"WANDB_RUN_GROUP": plan.sweep.name}
    return found | {
        f"WANDB_{key.upper()}": str(value) for key in ("project", "entity") if (value := plan.sweep.content.get(key))
    }


def fit_for_wandb(environment: Mapping[str, str], trials: Sequence[Trial], output: Path) -> list[str | None]:
    """Fit trials with W&B's environment variables, but for those that the user has set."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    return fit_group(trials, output)


SEED = "seed_everything"


def print_results(plan: Plan, ledger: Ledger) -> None:
    """The table, what must be said about it, and how to go on."""
    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=not sys.stdout.isatty())
    console.print(_table(plan, ledger))
    if (means := _means(ledger)) is not None:
        console.print(means)
    print(_summary(ledger.entries))
    best = ledger.best()
    if best is None:
        print("no trial has a defined metric; each one's log is in", plan.output / "logs")
        return
    print(
        f"best: {plan.output / best.name} with {plan.sweep.metric} {best.metric:.4f}, chosen on the validation part "
        "and so too good by chance; the test part was not looked at"
    )
    print(f"again: python run.py {shlex.join(plan.command(best.values))}")
    print(f"all of it: {plan.output / LEDGER}")


def _table(plan: Plan, ledger: Ledger) -> Table:
    keys = list(dict.fromkeys(key for entry in ledger.entries for key in entry.values))
    names = _short_names(keys)
    table = Table(title=f"{plan.sweep.name}: {plan.sweep.method} search, {plan.sweep.metric}")
    for header in ("trial", *names, plan.sweep.metric, "epochs", "seconds"):
        table.add_column(header, justify="left" if header == "trial" else "right", overflow="fold")
    table.add_column("end", overflow="fold")
    for entry in ledger.ranked():
        table.add_row(
            entry.name,
            *(escape(_said(entry.values, key)) for key in keys),
            "-" if entry.metric is None else f"{entry.metric:.4f}",
            str(entry.epochs or "-"),
            "-" if entry.seconds is None else f"{entry.seconds:.0f}",
            escape(_end(entry)),
        )
    return table


def _means(ledger: Ledger) -> Table | None:
    """Mean over the seeds of every other setting, the best first; None if the sweep goes through no seeds.

    The best single trial of a grid over seeds is above all a lucky seed.
    """
    found: dict[tuple[tuple[str, str], ...], list[float]] = {}
    seeds: dict[Any, None] = {}
    for entry in ledger.entries:
        seeds[entry.values.get(SEED)] = None
        if entry.metric is not None:
            rest = tuple((key, _said(entry.values, key)) for key in entry.values if key != SEED)
            found.setdefault(rest, []).append(entry.metric)
    if len(seeds) < 2 or not any(found):
        return None
    table = Table(title="over seeds; a trial without a metric is in no mean")
    for header in (*_short_names([key for key, _ in next(iter(found))]), "mean", "least", "most", "seeds"):
        table.add_column(header, justify="right", overflow="fold")
    for rest, metrics in sorted(found.items(), key=lambda item: ledger.order(statistics.fmean(item[1]))):
        numbers = (statistics.fmean(metrics), min(metrics), max(metrics))
        table.add_row(*(escape(said) for _, said in rest), *(f"{one:.4f}" for one in numbers), str(len(metrics)))
    return table


def _end(entry: Entry) -> str:
    if entry.status == "failed":
        return f"FAILED: {entry.error}"
    how = {"finished": "finished", "stopped": "stopped early"}.get(entry.status or "", "not ended")
    return f"{how}, COLLAPSED" if _collapsed(entry) else how


def _collapsed(entry: Entry) -> bool:
    ended = entry.status in ("finished", "stopped")
    return ended and (entry.collapsed or entry.metric is None)


def _summary(entries: Sequence[Entry]) -> str:
    counts = {
        "finished": sum(entry.status == "finished" for entry in entries),
        "stopped early": sum(entry.status == "stopped" for entry in entries),
        "failed": sum(entry.status == "failed" for entry in entries),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count or what == "finished"]
    line = f"{len(entries)} trials: {', '.join(parts)}"
    if collapsed := sum(map(_collapsed, entries)):
        line += f"; {collapsed} of them collapsed: every embedding is the same, so nothing can be ranked"
    if counts["failed"]:
        line += "; a failed trial is tried again once its trial.json is removed"
    return line


def _short_names(keys: Sequence[str]) -> list[str]:
    """The last part of each key; the whole key where that is not enough."""
    last = [key.rpartition(".")[2] for key in keys]
    return [key if last.count(name) > 1 else name for key, name in zip(keys, last, strict=True)]


def _said(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
