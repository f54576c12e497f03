"""`python run.py sweep --config sweeps/margin_lr.yaml --count 20`: a W&B sweep file, searched without an account."""

from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser
from errors import InputError

SWEEPS = Path(__file__).resolve().parents[1] / "sweeps"
RUNS = Path("runs")


def run(arguments: Sequence[str]) -> int:
    """Search, print every trial, the best first, and the command that repeats the best: 1 if a trial failed."""
    parser = OptionParser(
        prog="run.py sweep",
        description="Search for good options of `fit` as a W&B sweep file says, by W&B's own engine: grid, random or "
        "bayes, with early termination. Needs no account. Every trial is an ordinary run in the output folder; killed "
        "and started again with the same words, the sweep goes on where it was. The test part is not looked at.",
        epilog="Other options go to `fit`, for every trial: --data.root my/aqa7 --trainer.max_epochs 10.",
    )
    parser.add_argument(
        "-c", "--config", action="append", required=True, metavar="FILE",
        help="a sweep file, or the name of one in sweeps/; a second --config and more are configs of `fit`, laid over "
        "those of the file",
    )  # fmt: skip
    parser.add_argument("--count", type=int, help="trials at most (the file's run_cap; of a grid, all)")
    parser.add_argument("--parallel", type=int, default=1, help="processes at once, one thread each (%(default)s)")
    parser.add_argument(
        "--stack", type=int, default=32,
        help="trials of a grid or random search that train as one model, at most; 1 trains each alone (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help=f"folder of all trials ({RUNS}/<name of the file>)")
    parser.add_argument(
        "--wandb", action="store_true",
        help="log trials to W&B too, in a group of the sweep's name (offline without an account); trains each alone",
    )  # fmt: skip
    options, more = parser.parse_known_args(arguments[1:])
    for name in ("count", "parallel", "stack"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}, it must be at least 1")

    from trials.sweep.search import read_sweep
    from trials.sweep.sweep_plan import Plan
    from trials.sweep.sweep_trials import search

    sweep = read_sweep(_find(options.config[0]))
    plan = Plan(
        sweep=sweep,
        count=_count(options.count, sweep.content.get("run_cap"), sweep.method),
        parallel=options.parallel,
        stack=options.stack,
        output=options.output or RUNS / sweep.path.stem,
        more=(*(f"--config={name}" for name in options.config[1:]), *more),
        wandb=options.wandb,
    )
    return search(plan)


def _find(name: str) -> Path:
    """The sweep file `name`: a path, or the name of a file in sweeps/, with or without .yaml.

    Raises:
        InputError: there is none.
    """
    for candidate in (Path(name), SWEEPS / name, SWEEPS / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(path.name for path in SWEEPS.glob("*.yaml")))
    raise InputError(f"no sweep file {name!r}, here or in sweeps/; sweeps/ has {known}")


def _count(asked: int | None, cap: int | None, method: str) -> int | None:
    """How many trials at most; None for a whole grid.

    Raises:
        InputError: a search without an end.
    """
    limits = [limit for limit in (asked, cap) if limit is not None]
    if not limits and method != "grid":
        raise InputError(f"a {method} search has no end of its own; give --count, such as --count 20")
    return min(limits, default=None)
