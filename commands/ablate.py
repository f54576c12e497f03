"""`python run.py ablate --config ablations/table2.yaml`: named variants x seeds x folds, fitted, tested, compared."""

import os
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands import OptionParser

if TYPE_CHECKING:
    from commands.ablation_plan import Plan

DEFAULT = Path("runs/ablations")
STACK = 32
"""Models in a stack at the most."""


def run(arguments: Sequence[str]) -> int:
    """Run ablations and print their tables.

    Args:
        arguments: the words after `run.py`, the first being the command's name.

    Returns:
        0 if every trial is finished, 1 if some failed.

    Raises:
        InputError: a file or an option is wrong, or the runs that are there were trained with others.
    """
    parser = OptionParser(
        prog="run.py ablate",
        description="Train and test named variants of a model, with several seeds, on all folds, and compare them. "
        "Started again, it goes on where it was: what is finished is not repeated, what failed is tried once more.",
        epilog="Other options go to `fit`, for every variant: --data.root my/speed21 --trainer.max_epochs 10.",
    )
    parser.add_argument(
        "-c", "--config", action="append", required=True, metavar="FILE",
        help="an ablation, such as ablations/table2.yaml in configs/; several with one --config each: a model that is "
        "in several is trained once",
    )  # fmt: skip
    parser.add_argument("--base", nargs="+", metavar="CONFIG", help="configs of `fit` in place of the file's `base`")
    parser.add_argument("--seeds", type=int, help="how many seeds (the file's `seeds`)")
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1, help="processes at once (%(default)s)")
    parser.add_argument(
        "--output", type=Path, help=f"folder of the runs ({DEFAULT}/<file>; of several files {DEFAULT}, a folder each)"
    )
    options, more = parser.parse_known_args(arguments[1:])
    if options.parallel < 1 or (options.seeds is not None and options.seeds < 1):
        parser.error("--seeds and --parallel must be at least 1")

    from commands.ablation_plan import plans_of

    plans = plans_of(options.config, options.base, options.seeds, more)
    output = options.output or (DEFAULT if len(plans) > 1 else DEFAULT / plans[0].path.stem)
    return _run(plans, output, options.parallel)


def _run(plans: "Sequence[Plan]", output: Path, parallel: int) -> int:
    from commands.ablation_table import print_table
    from commands.ablation_work import EVALUATED, fit_and_evaluate, note_failure
    from commands.stack import groups
    from trials.kept_options import keep_to_options
    from trials.runner import Progress, Runner
    from trials.shared import drop_links, is_finished, jobs_of, show

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
            f"{_count(len(rows), 'run')} of {_count(len(jobs), 'model')}, {len(finished)} finished before", flush=True
        )
        # So many in a stack at the most that no process is without one. What is finished takes part in the grouping: a
        # stack goes on from its checkpoint only with the same members.
        most = min(STACK, -(-len(jobs) // parallel))
        for group in groups([job.row.trial for job in jobs.values()], most):
            if left := [trial for trial in group if trial.name not in finished]:
                runner.submit(left)
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
        print(f"{_count(len(failed), 'model')} failed ({which}); start again to try once more")
    return 1 if failed else 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
