"""What `run.py sweep` ends with: every trial, the best first, and the command that repeats the best."""

import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trials.sweep.sweep_ledger import LEDGER, Entry, Ledger
from trials.sweep.sweep_plan import Plan

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
