"""Runs ablations: every model that is not finished, several at once, then the tables."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from errors import counted
from run_folder.trial import Trial
from trials.ablation.ablation_plan import Plan
from trials.ablation.ablation_table import print_table
from trials.ablation.ablation_work import EVALUATED, fit_and_evaluate, note_failure
from trials.kept_options import keep_to_options
from trials.runner import Progress, Runner
from trials.shared import drop_links, is_finished, jobs_of, show
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
