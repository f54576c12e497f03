"""Rho against how strongly poses are disturbed, from robustness.parquet of the runs of a variant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.groups import Variant
from run_folder.measurements import Disturbance
from run_folder.pooled_runs import tables_of
from run_folder.runs import Run
from scoring.evaluation import Headline


@dataclass(frozen=True)
class Curve:
    """One perturbation of one variant.

    Attributes:
        perturbation: its name.
        unit: of the levels.
        levels: how strong, from 0 up.
        rhos: mean over the runs of rho within their test part, undefined as 0; one a level.
    """

    perturbation: str
    unit: str
    levels: Sequence[float]
    rhos: Sequence[float]


def curves(variant: Variant, scorer: str, headline: Headline) -> list[Curve]:
    """The curves of a scorer, over the runs that have them; none where no run has."""
    found: dict[tuple[str, str], dict[float, list[float]]] = {}
    for run in variant.compared:
        for (name, unit, level), rho in _rhos(run, scorer, headline).items():
            found.setdefault((name, unit), {}).setdefault(level, []).append(rho)
    return [
        Curve(name, unit, sorted(levels), [sum(levels[at]) / len(levels[at]) for at in sorted(levels)])
        for (name, unit), levels in found.items()
    ]


def change(found: Sequence[Curve]) -> float | None:
    """Mean over the perturbations of what rho changes by at the strongest level; None without any."""
    return sum(curve.rhos[-1] - curve.rhos[0] for curve in found) / len(found) if found else None


def _rhos(run: Run, scorer: str, headline: Headline) -> dict[Disturbance, float]:
    own = [(said, columns) for said, columns in run.robustness if scorer in columns]
    return {
        said: 0.0 if math.isnan(rho := table.rho(scorer, headline)) else rho
        for (said, _), table in zip(own, tables_of([columns for _, columns in own])[0], strict=True)
        if bool(table.score.isfinite().any())
    }
