"""SPEED21: paired differences between rows of different ablations, which the reports do not have.

`python -m experiments.speed21_differences --runs runs/speed21` prints, for folds by climber and by event, how much
better CoRe, TPT and ST-GCN rank than GCN-PSN, the MLP baseline and the best encoder; intervals resample climbers or
events.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from errors import InputError
from run_folder.pooled_runs import tables_of
from run_folder.results import read_result
from scoring.pooling import compare_seeds, pool

FOLDS = ("climber", "event")
OTHERS = (
    ("GCN-PSN (paper)", "table2/gcn_psn_paper", "reference"),
    ("GCN, 16 channels", "table2/gcn_16_channels", "reference"),
    ("MLP baseline", "table2/mlp_baseline", "reference"),
    ("best.yaml", "best/best.yaml", "ridge"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.speed21_differences",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/speed21"), help="all runs (%(default)s)")
    runs = parser.parse_args(arguments).runs
    try:
        for folds in FOLDS:
            print_differences(runs / folds, folds)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def print_differences(runs: Path, folds: str) -> None:
    """A Markdown table: a row a model of `baselines`, a column a model of the other ablations."""
    others = {name: predictions(runs / folder, scorer) for name, folder, scorer in OTHERS}
    print(f"\n| by {folds} | rho |", *(f" minus {name} |" for name in others), sep="")
    print("|---" * (2 + len(others)) + "|")
    for folder in sorted(path for path in (runs / "baselines").iterdir() if (path / "seed_0_fold_0").is_dir()):
        own, true, groups = predictions(folder, "regression")
        cells = []
        for other, _, _ in others.values():
            found = compare_seeds(own, other, true, groups)
            low, high = found.difference_interval
            cells.append(f"{found.difference:+.3f} [{low:+.2f}, {high:+.2f}]")
        print(f"| {folder.name} | {found.rho:.3f} | {' | '.join(cells)} |")


def predictions(folder: Path, scorer: str) -> tuple[Tensor, Tensor, Tensor]:
    """Out-of-fold predictions [seeds, n] of a variant, true scores [n] and groups [n], clips in order of their names.

    Raises:
        InputError: the folder holds no tested runs.
    """
    folders: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("seed_*_fold_*")):
        folders.setdefault(path.name.split("_fold_")[0], []).append(path)
    if not folders:
        raise InputError(f"{folder}: no tested runs; make them with python -m experiments.speed21_results")
    results = [read_result(path) for paths in folders.values() for path in paths]
    tables = iter(tables_of([result.columns for result in results])[0])
    seeds = [pool([[next(tables)] for _ in paths], results[0].uncalibrated) for paths in folders.values()]
    said = torch.stack([table.predictions[scorer] for table in seeds])
    return said, seeds[0].score, seeds[0].group


if __name__ == "__main__":
    sys.exit(main())
