"""The table that `run.py ablate` ends with: how well every variant ranks, and how much better than the first."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports.groups import campaigns
from reports.variants import Comparison, Measured
from run_folder.layout import RECORD
from run_folder.runs import read_run
from trials.shared import Row

HEADER = ("variant", "runs", "collapsed", "failed", "scorer", "rho", "95 %", "minus the first", "95 %")
CAPTION = "rho on the test parts, mean over seeds; 95 % bootstrap intervals, those of differences paired"


def print_table(rows: Sequence[Row], output: Path) -> None:
    """The table of one ablation on standard output.

    Args:
        rows: its trials, those of the first variant first.
        output: folder of all trials.

    Raises:
        InputError: what a test has left cannot be compared.
    """
    names = [str(row.trial.labels["variant"]) for row in rows]
    folders = [output / row.trial.name for row in rows]
    runs = [
        read_run(row.trial.name, folder)
        for row, folder in zip(rows, folders, strict=True)
        if (folder / RECORD).is_file()
    ]
    table = Table(title=escape(rows[0].campaign), caption=CAPTION)
    for header in HEADER:
        table.add_column(header, justify="left" if header in ("variant", "scorer") else "right")
    own = campaigns(runs, names[0])
    variants = {variant.name: variant for campaign in own for variant in campaign.variants}
    comparison = Comparison(own[0]) if own and own[0].tested else None
    for name in dict.fromkeys(names):
        variant = variants.get(name)
        compared = variant.compared if variant else []
        failed = sum(run.state == "failed" for run in variant.runs) if variant else 0
        counts = [f"{len(compared)} of {names.count(name)}", str(sum(run.collapsed for run in compared)), str(failed)]
        head = [escape(name), *counts]
        if comparison and variant and compared:
            for scorer in comparison.scorers(variant):
                table.add_row(*head, scorer, *_cells(comparison.measure(variant, scorer)))
                head = [""] * len(head)
        else:
            table.add_row(*head, "-", "-", "-", "", "")
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _cells(found: Measured) -> list[str]:
    interval = found.by_group or found.by_clip
    difference = found.to_first
    return [
        "-" if found.rho is None else f"{found.rho:.3f}",
        "-" if interval is None else _ends(interval),
        "" if difference is None else f"{difference.value:+.3f}",
        "" if difference is None else _ends(difference.interval),
    ]


def _ends(interval: tuple[float, float]) -> str:
    return escape(f"[{interval[0]:.2f}, {interval[1]:.2f}]")
