"""`python run.py ablate --config ablations/table2.yaml`: named variants x seeds x folds, fitted, tested, compared."""

import os
from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser
from errors import InputError

DEFAULT = Path("runs/ablations")


def run(arguments: Sequence[str]) -> int:
    """Run ablations and print their tables: 0 if every trial is finished, 1 if some failed."""
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
    for name in ("seeds", "parallel"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise InputError(f"--{name} is {value}; give 1 or more")

    from trials.ablation.ablation_plan import plans_of
    from trials.ablation.ablation_runs import run_ablations

    output = options.output
    if output is None:
        output = DEFAULT if len(options.config) > 1 else DEFAULT / Path(options.config[0]).stem
    return run_ablations(plans_of(options.config, options.base, options.seeds, more, output), output, options.parallel)
