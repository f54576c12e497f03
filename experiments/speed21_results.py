"""SPEED21: Table II, CoRe, TPT and ST-GCN, the search for an encoder and the ablations, and the reports on them.

`python -m experiments.speed21_results --root data/speed21` trains and tests every model (five seeds, five folds, by
climber; the models of Table II, CoRe, TPT, ST-GCN and the best one by event too) and writes a report on either kind of
folds below runs/reports. Killed and started again it goes on where it was. `--figures docs/results/figures` also keeps
the figures that docs/results/README.md shows.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import run

MODELS = ("table2", "best")
AXES = ("graph", "initialisation", "margin", "normalisation", "pairs", "scorer", "width")


@dataclass(frozen=True)
class Campaign:
    """Ablations that are run together.

    Attributes:
        folder: where, below the folder of all runs.
        ablations: files in configs/ablations.
        options: of `fit`.
        report: the report that they are in.
    """

    folder: str
    ablations: tuple[str, ...]
    options: tuple[str, ...]
    report: str


CAMPAIGNS = (
    Campaign("encoders", ("encoders",), (), "speed21"),
    Campaign("climber", MODELS, (), "speed21"),
    Campaign("event", MODELS, ("--data.folds=event",), "speed21_by_event"),
    # after Table II, whose encoders some of these take
    Campaign("climber/baselines", ("baselines",), (), "speed21"),
    Campaign("event/baselines", ("baselines",), ("--data.folds=event",), "speed21_by_event"),
    Campaign("ablations", AXES, (), "speed21"),
)
FIGURES = {
    "encoders.svg": "d0c0-rho.svg",
    "learning-gcn-psn.svg": "d0c1-learning-1.svg",
    "opposite-side.svg": "d0c1-robustness-4.svg",
    "scatter-best.png": "d0c2-scatter-0-0.png",
    "graph.svg": "d0c4-rho.svg",
    "attention-tpt.png": "d0c10-attention-9.png",
}
"""Those of the report by climber that docs/results keeps; what shows single clips is PNG: nobody reads them off."""
TITLES = {
    "speed21": "GCN-PSN and others on SPEED21, folds by climber",
    "speed21_by_event": "GCN-PSN and others on SPEED21, folds by event",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code: 0, or the first other one of `ablate` or `report`."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.speed21_results",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", default="data/speed21", help="SPEED21 (%(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs/speed21"), help="all runs (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/reports"), help="of the reports (%(default)s)")
    parser.add_argument("--figures", type=Path, help="folder for the figures that docs/results shows; else none")
    options = parser.parse_args(arguments)
    codes = []
    for campaign in CAMPAIGNS:
        files = [f"--config=ablations/{name}.yaml" for name in campaign.ablations]
        place = [f"--output={options.runs / campaign.folder}", f"--data.root={options.root}", *campaign.options]
        codes.append(run.main(["ablate", *files, *place]))
        if codes[-1] not in (0, 1):  # 1: some models failed, which the report counts
            return codes[-1]
    for name, title in TITLES.items():
        folders = [str(options.runs / campaign.folder) for campaign in CAMPAIGNS if campaign.report == name]
        codes.append(run.main(["report", *folders, f"--output={options.output / name}", f"--title={title}"]))
    if options.figures is not None:
        options.figures.mkdir(parents=True, exist_ok=True)
        for name, figure in FIGURES.items():
            shutil.copyfile(options.output / "speed21" / "figures" / figure, options.figures / name)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
