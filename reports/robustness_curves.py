"""Rho against how strongly poses are disturbed, from robustness.parquet of the runs of a variant."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reports.groups import Variant
from reports.variants import headline_rho
from run_folder.runs import Run


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


def curves(variant: Variant, scorer: str, fisher: bool) -> list[Curve]:
    """The curves of a scorer, over the runs that have them; none where no run has."""
    found: dict[tuple[str, str], dict[float, list[float]]] = {}
    for run in variant.compared:
        for (name, unit, level), rho in _rhos(run, scorer, fisher).items():
            found.setdefault((name, unit), {}).setdefault(level, []).append(rho)
    return [
        Curve(name, unit, sorted(levels), [sum(levels[at]) / len(levels[at]) for at in sorted(levels)])
        for (name, unit), levels in found.items()
    ]


def change(found: Sequence[Curve]) -> float | None:
    """Mean over the perturbations of what rho changes by at the strongest level; None without any."""
    return sum(curve.rhos[-1] - curve.rhos[0] for curve in found) / len(found) if found else None


def _rhos(run: Run, scorer: str, fisher: bool) -> dict[tuple[str, str, float], float]:
    columns = run.robustness
    if columns is None or scorer not in columns:
        return {}
    rows: dict[tuple[str, str, float], list[int]] = {}
    for row, key in enumerate(zip(columns["perturbation"], columns["unit"], columns["level"], strict=True)):
        if columns["score"][row] is not None:
            rows.setdefault((str(key[0]), str(key[1]), float(key[2])), []).append(row)
    actions = {action: number for number, action in enumerate(sorted(set(columns["action"])))}

    def floats(name: str, own: Sequence[int]) -> torch.Tensor:
        values = [columns[name][row] for row in own]
        return torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float64)

    return {
        key: float(
            headline_rho(
                floats(scorer, own),
                floats("score", own),
                torch.tensor([actions[columns["action"][row]] for row in own]),
                fisher,
            ).nan_to_num(0)
        )
        for key, own in rows.items()
    }
