"""Runs ablations: every model that is not finished, several at once, then the tables."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from errors import counted
from reports.groups import campaigns
from reports.variants import Comparison, Measured
from run_folder.layout import RECORD
from run_folder.runs import read_run
from run_folder.trial import Trial
from trials.ablation.ablation_plan import Plan
from trials.ablation.ablation_work import EVALUATED, fit_and_evaluate, note_failure
from trials.runner import Progress, Runner
from trials.shared import Row, drop_links, is_finished, jobs_of, keep_to_options, show
from trials.stack import groups, split

STACK = 32
"""Models in a stack at the most."""


def run_ablations(plans: Sequence[Plan], output: Path, parallel: int) -> int:
    """Train and evaluate what is not finished; print every ablation's table and what comes next.

    Args:
        plans: the ablations.
        output: folder of the runs.
        parallel: worker processes.

    Returns:
        0 if every trial is finished, 1 if some failed.

    Raises:
        InputError: another process is at work in the folder, or its runs were trained with other options.
    """
    rows = [row for plan in plans for row in plan.rows()]
    work = partial(fit_and_evaluate, {row.trial.name: row.campaign for row, _ in rows})
    with ExitStack() as stack:
        runner = stack.enter_context(Runner(output, work, parallel))
        for plan in plans:
            if plan.prefix:  # another process may be at work on this one alone
                stack.enter_context(Runner(output / plan.prefix, work, 1))
            keep_to_options(output / plan.prefix, plan.ablation.title, plan.options)
        jobs = {job.row.trial.name: job for job in jobs_of(rows, output)}
        finished = {name for name in jobs if is_finished(output / name, EVALUATED)}
        for name, job in jobs.items():
            if name in finished:
                show(job, output)
            else:
                drop_links(output / name)
        print(
            f"{counted(len(rows), 'run')} of {counted(len(jobs), 'model')}, {len(finished)} finished before", flush=True
        )
        # So many in a stack at the most that no process is without one. What is finished takes part in the grouping: a
        # stack goes on from its checkpoint only with the same members.
        most = min(STACK, -(-len(jobs) // parallel))
        for group in stacks([job.row.trial for job in jobs.values()], most) if len(finished) < len(jobs) else []:
            left = [trial for trial in group if trial.name not in finished]
            for part in [left] if len(left) == len(group) else [[trial] for trial in left]:
                runner.submit(part)
        failed = []
        progress = Progress(len(jobs) - len(finished))
        for outcome in runner.results():
            for trial, error in zip(outcome.group, outcome.errors, strict=True):
                job = jobs[trial.name]
                if error is not None:
                    note_failure(job.row.campaign, trial, output, error)
                    failed.append(trial.name)
                show(job, output)
            print(*progress.lines(outcome), sep="\n", flush=True)
    for plan in plans:
        print_table([row for row, _ in plan.rows()], output)
    print(f"The report, with figures: python run.py report {shlex.quote(str(output))}")
    if failed:
        which = f"{failed[0]}{', ...' if len(failed) > 1 else ''}"
        print(f"{counted(len(failed), 'model')} failed ({which}); start again to try once more")
    return 1 if failed else 0


def stacks(trials: Sequence[Trial], most: int) -> list[list[Trial]]:
    """Trials that can train as one stack, in groups of at most `most`; one that cannot, by itself.

    Two seeds of a kind tell for all: a seed is no hindrance, and to parse the options of a thousand trials takes
    minutes.

    Args:
        trials: their options end with the seed.
        most: trials in a stack.
    """
    kinds: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(trial.arguments[:-1], []).append(trial)
    two = [trial for kind in kinds.values() for trial in kind[:2]]
    found: list[list[Trial]] = []
    for group in groups(two, len(two)):
        alike = [kinds[key] for key in dict.fromkeys(trial.arguments[:-1] for trial in group)]
        members = [trial for kind in alike for trial in kind]
        if len(group) > 1:
            found += split(members, most)
        elif group[0] is members[0]:  # the second of a kind, in a group of its own too, has nothing to add
            found += [[trial] for trial in members]
    return found


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
