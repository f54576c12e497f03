"""The figure of an evaluation: predictions against scores, rho of every predictor, pairs of poses and their scores."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from drawing.pictures import shorten
from drawing.stick_figures import INK, draw_pose
from errors import counted
from poses.batches import EmbeddedClips
from scoring.distances import is_collapsed
from scoring.evaluation import Evaluation, Row
from scoring.metrics import ranks
from scoring.pose_pairs import LEVELS, PosePair, pick_pairs

PANELS: Final = 6
"""Actions that get a panel of their own."""

_MODEL: Final = "#0072B2"
_TRIVIAL: Final = "#7A7A7A"
_WARNING: Final = "#B33A00"
_FAINT: Final = "#D9D9D9"


def evaluation_figure(
    evaluation: Evaluation, scored: EmbeddedClips, action_names: Sequence[str], part: str = "test"
) -> Figure:
    """One page on an evaluation, 12 inches wide.

    - The first predictor against the expert score, a panel an action, `PANELS` at most. A predictor without a scale
      of its own (no R-l2) is shown by its ranks within the action.
    - Rho of every predictor with its intervals.
    - Three pairs of poses, see `pick_pairs`.

    Args:
        evaluation: what to show.
        scored: the tracks behind it.
        action_names: by action index.
        part: what the title calls the clips: "test", "validate".
    """
    shown = min(len(evaluation.rows), 14)
    above, below = max(4.5, 0.9 + 0.42 * shown), 3.0
    figure = Figure(figsize=(12, 0.5 + above + below), dpi=130, facecolor="white", layout="constrained")
    made_up = " of SYNTHETIC poses" if evaluation.synthetic else ""
    title, colour = f"{part}: {counted(evaluation.clips, 'clip')}{made_up}", INK
    if is_collapsed(scored.embedding):
        title, colour = f"{title}\nThe embeddings have collapsed: the numbers of the model mean nothing", _WARNING
    figure.suptitle(title, fontsize=14, fontweight="bold", color=colour)
    panels: Any = figure.subfigures(2, 1, height_ratios=(above, below))
    upper, lower = panels
    left, right = upper.subfigures(1, 2, width_ratios=(2.05, 1))
    _draw_actions(left, evaluation, action_names)
    _draw_rhos(right, evaluation, shown)
    _draw_pairs(lower, scored, action_names)
    return figure


# Predictions against scores -------------------------------------------------------------------------------------------


def _draw_actions(figure: SubFigure, evaluation: Evaluation, action_names: Sequence[str]) -> None:
    table, row = evaluation.table, evaluation.rows[0]
    known = table.score.isfinite()
    action, score, prediction = table.action[known], table.score[known], table.predictions[row.name][known]
    actions, counts = action.unique(return_counts=True)
    largest = counts.argsort(descending=True, stable=True)[:PANELS].sort().values
    by_rank = row.relative_l2 is None
    truth = "synthetic score" if evaluation.synthetic else "expert score"
    heading = f"{shorten(row.name, 40)} against the {truth}" + (", by rank within the action" if by_rank else "")
    if len(actions) > PANELS:
        heading += f"\n(the {PANELS} of {len(actions)} actions with the most clips)"
    _head(figure, heading)
    if not len(actions):
        _say(figure.subplots(), "No clip has a score.")
        return
    rows, columns = {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2)}.get(len(largest), (2, 3))
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, index in zip(grid, largest.tolist(), strict=False):
        own = action == actions[index]
        _draw_action(axes, score[own], prediction[own], by_rank)
        rho = evaluation.actions[index].rho
        clips = counted(int(own.sum()), "clip")
        axes.set_title(shorten(action_names[int(actions[index])], 26), fontsize=10, color=INK, parse_math=False, pad=20)
        under = f"{clips}, {'rho undefined' if rho is None else f'rho {rho:.2f}'}"
        axes.annotate(under, (0.5, 1), (0, 5), "axes fraction", "offset points", ha="center", fontsize=9, color=INK)
    for axes in grid[len(largest) :]:
        axes.set_axis_off()
    figure.supxlabel(f"rank of the {truth}" if by_rank else truth, fontsize=9.5, color=INK)
    figure.supylabel("predicted rank" if by_rank else "predicted score", fontsize=9.5, color=INK)


def _draw_action(axes: Axes, score: Tensor, prediction: Tensor, by_rank: bool) -> None:
    there = prediction.isfinite()
    x, y = score[there], prediction[there]
    _plain(axes)
    if not len(x):
        _say(axes, "no prediction", keep=True)
        return
    if by_rank:
        x, y = ranks(x), ranks(y)
        low, high = 1.0, float(max(len(x), 2))
    else:
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.06 * (high - low) or 1.0
    limits = low - margin, high + margin
    axes.plot(limits, limits, color=_FAINT, linewidth=1.2, zorder=1)
    size = 26 if len(x) <= 60 else 12
    axes.scatter(x, y, s=size, color=_MODEL, alpha=0.65, edgecolors="white", linewidths=0.4, zorder=2)
    axes.set(xlim=limits, ylim=limits)
    axes.locator_params(nbins=4, integer=by_rank)


def _draw_rhos(figure: SubFigure, evaluation: Evaluation, shown: int) -> None:
    kind = "Fisher mean over actions" if evaluation.headline == "fisher" else "all clips together"
    _head(figure, f"rho: {kind}")
    axes = figure.subplots()
    _plain(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    rows = evaluation.rows[:shown]
    ends = [end for row in rows for interval in (row.by_clip, row.by_group) if interval for end in interval]
    low = min([0.0, *ends, *(row.rho for row in rows if row.rho is not None)])
    axes.set(xlim=(low - 0.04, 1.03), ylim=(len(rows) - 0.25, -0.65))
    axes.locator_params(axis="x", nbins=6)
    axes.axvline(0, color=_FAINT, linewidth=1.2, zorder=0)
    for place, row in enumerate(rows):
        _draw_rho(axes, place, row)
    legend = "thick: 95 % interval by clip"
    if any(row.by_group for row in rows):
        legend += "; thin: by group"
    if len(evaluation.rows) > shown:
        legend += f"\n{len(evaluation.rows) - shown} more predictors: see metrics.json"
    axes.set_xlabel(f"{legend}\nblue: the model; grey: what it has to beat", fontsize=9, color=INK)


def _draw_rho(axes: Axes, place: int, row: Row) -> None:
    colour = _TRIVIAL if row.trivial else _MODEL
    text: dict[str, Any] = {"fontsize": 9.5, "color": INK, "va": "bottom", "parse_math": False}
    text["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    weight = "normal" if row.trivial else "bold"
    across = axes.get_yaxis_transform()
    axes.text(0, place - 0.14, shorten(row.name, 28), transform=across, ha="left", fontweight=weight, **text)
    value = "undefined" if row.rho is None else f"{row.rho:.2f}"
    axes.text(1, place - 0.14, value, transform=across, ha="right", fontweight=weight, **text)
    line = place + 0.12
    if row.by_clip:
        axes.plot(row.by_clip, (line, line), color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
    if row.by_group:
        axes.plot(row.by_group, (line, line), color=colour, linewidth=1.2, solid_capstyle="butt")
    if row.rho is not None:
        axes.plot(row.rho, line, "o", color=colour, markersize=6)


def _draw_pairs(figure: SubFigure, scored: EmbeddedClips, action_names: Sequence[str]) -> None:
    _head(
        figure,
        "How alike are two poses? Scores of eq. (6), from 0 to 100, of poses as the model sees them "
        "(orange: the person's right, blue: the left)",
    )
    pairs = pick_pairs(scored)
    if not pairs:
        _say(figure.subplots(), "No two clips with embedded poses: nothing to compare.")
        return
    for axes, pair, level in zip(figure.subplots(1, 3), pairs, LEVELS, strict=False):
        axes.set_axis_off()
        _draw_pair(axes, pair, level, scored, action_names)


def _draw_pair(axes: Axes, pair: PosePair, level: str, scored: EmbeddedClips, action_names: Sequence[str]) -> None:
    text: dict[str, Any] = {"ha": "center", "va": "top", "color": INK}
    for place, (track, time) in enumerate(zip(pair.tracks, pair.times, strict=True)):
        left = 1.4 * place
        xy = scored.middle_poses[track, time, :, :2].double().cpu().numpy() + np.array([left, 0])
        draw_pose(axes, xy, line_width=2.4, joint_size=4.5)
        score = float(scored.score[track])
        moment = 100 * (time + 0.5) / scored.embedding.shape[1]
        expert = f"clip scored {score:.4g}" if score == score else "clip without a score"
        name = shorten(action_names[int(scored.action[track])], 22)
        axes.text(left + 0.5, 1.1, f"{name}, at {moment:.0f} %\n{expert}", fontsize=9, parse_math=False, **text)
    axes.set(xlim=(-0.15, 2.55), ylim=(1.58, -0.06))
    axes.text(1.2, 1.4, f"score {pair.score:.1f}", fontsize=12, fontweight="bold", **text)
    axes.set_title(f"{level}: above {100 * pair.above:.0f} % of random pairs", fontsize=10, color=INK)


def _head(figure: SubFigure, heading: str) -> None:
    figure.suptitle(heading, fontsize=11.5, color=INK, x=0.02, ha="left", parse_math=False)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, colors=INK)


def _say(axes: Axes, message: str, keep: bool = False) -> None:
    if not keep:
        axes.set_axis_off()
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=INK)
