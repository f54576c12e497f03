"""Rho against margin and learning rate, of runs that differ in nothing else; and against how poses are disturbed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.charts import map_figure, svg, value_figure, wants_log
from reports.document import Gallery, Picture
from reports.groups import Campaign, Variant, differing, model_options, short_key, short_value
from run_folder.measurements import Disturbance
from run_folder.pooled_runs import tables_of
from run_folder.runs import Run
from scoring.evaluation import Headline

AXES = ("model.margin", "model.lr")
NAMES = {"model.margin": "margin of the loss", "model.lr": "learning rate"}


@dataclass(frozen=True)
class Point:
    """One seed at one setting.

    Attributes:
        values: by option of `AXES`.
        validation: rho on the validation part after the best epoch, mean over the test parts.
        test: headline rho on the test part by the scorer that chose the epoch, mean over the test parts.
    """

    values: Mapping[str, float]
    validation: float
    test: float


def points(runs: Sequence[Run]) -> list[Point]:
    """A point a seed and setting; runs that were not validated or not tested are left out, an undefined rho is 0."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for run in runs:
        values = tuple(run.options.get(axis) for axis in AXES)
        if run.result is None or run.history is None or not all(isinstance(value, int | float) for value in values):
            continue
        scorer = run.result.predictors[0]
        both = run.history.at_best() or 0.0, run.result.rho(scorer) or 0.0
        found.setdefault((*values, run.seed), []).append(both)
    return [
        Point(
            dict(zip(AXES, map(float, key[:2]), strict=True)),
            sum(validation for validation, _ in rhos) / len(rhos),
            sum(test for _, test in rhos) / len(rhos),
        )
        for key, rhos in found.items()
    ]


def margin_and_lr(campaign: Campaign, title: str, prefix: str) -> Gallery | None:
    """A figure an option that varies, and a map where both do, for every set of runs alike in everything else."""
    alike: dict[str, list[Run]] = {}
    for run in campaign.runs:
        rest = {key: value for key, value in model_options(run).items() if key not in AXES}
        alike.setdefault(repr(sorted(rest.items(), key=str)), []).append(run)
    sets = [(model_options(runs[0]), found) for runs in alike.values() if _varying(found := points(runs))]
    differ = differing([options for options, _ in sets]) if sets else []
    pictures = []
    for number, (options, found) in enumerate(sets):
        more = [f"{short_key(key)} {short_value(options.get(key))}" for key in differ if key not in AXES]
        of = f" of {', '.join(more)}" if more else ""
        pictures += _pictures(found, of, title, f"{prefix}-{number}")
    return Gallery("Margin and learning rate", pictures) if pictures else None


def _varying(found: Sequence[Point]) -> list[str]:
    return [axis for axis in AXES if len({point.values[axis] for point in found}) > 1]


def _pictures(found: Sequence[Point], of: str, title: str, prefix: str) -> list[Picture]:
    pictures = []
    varying = _varying(found)
    for axis in varying:
        name = f"{prefix}-{axis.rpartition('.')[2]}"
        dots = {
            "validation part": [(point.values[axis], point.validation) for point in found],
            "test part": [(point.values[axis], point.test) for point in found],
        }
        figure = value_figure(NAMES[axis], dots, wants_log([point.values[axis] for point in found]))
        caption = (
            f"Data: {title}{of}. Horizontal: the {NAMES[axis]}; vertical: rho (1: the order of the true scores, 0: no "
            "relation) by the scorer that chooses the epoch. A small dot is one seed, the line goes through their "
            "means. Blue, solid: clips of the validation part, by which a value may be chosen; orange, dashed: the "
            "test part, which is shown to see whether the choice holds and must not be used to make it."
        )
        if len(varying) > 1:
            caption += " The other of margin and learning rate varies too: its values are averaged over."
        pictures.append(Picture(name, f"Rho against {NAMES[axis]}", caption, svg(figure, name)))
    if len(varying) > 1:
        logs = (wants_log([point.values[AXES[0]] for point in found]), wants_log([p.values[AXES[1]] for p in found]))
        points_on_map = [(point.values[AXES[0]], point.values[AXES[1]], point.validation) for point in found]
        figure = map_figure((NAMES[AXES[0]], NAMES[AXES[1]]), points_on_map, logs)
        caption = (
            f"Data: {title}{of}, validation part. Horizontal: margin of the loss; vertical: learning rate; colour: "
            "rho, mean over the seeds, lighter is better. An even field means that the choice matters little; a best "
            "cell at the edge means that the range was too small. Neighbouring cells differ by chance too."
        )
        name = f"{prefix}-map"
        pictures.append(Picture(name, "Rho over margin and learning rate", caption, svg(figure, name)))
    return pictures


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


def robustness(variant: Variant, scorer: str, headline: Headline) -> list[Curve]:
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
