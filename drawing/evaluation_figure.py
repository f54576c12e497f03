"""The figure of an evaluation: predictions against scores, rho of every predictor, pairs of poses and their scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from drawing.pictures import counted, shorten
from drawing.stick_figures import INK, draw_pose
from poses.batches import EmbeddedClips
from scoring.distances import cosine_distance, is_collapsed, score_from_distance
from scoring.evaluation import Evaluation, Row
from scoring.metrics import ranks

PANELS: Final = 6
"""Actions that get a panel of their own."""

RANDOM_PAIRS: Final = 20_000
"""Pairs of poses among which those to show are looked for."""

LEVELS: Final = ("high", "medium", "low")
"""How alike the pairs of `pick_pairs` are, in their order."""

_MODEL: Final = "#0072B2"
_TRIVIAL: Final = "#7A7A7A"
_WARNING: Final = "#B33A00"
_FAINT: Final = "#D9D9D9"


@dataclass(frozen=True)
class PosePair:
    """Two poses of different clips.

    Attributes:
        tracks: indices of the two tracks.
        times: indices of the poses in their tracks.
        score: how alike they are by eq. (6), in (0, 100].
        above: share of the random pairs that score less, in [0, 1).
    """

    tracks: tuple[int, int]
    times: tuple[int, int]
    score: float
    above: float


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


def pick_pairs(scored: EmbeddedClips, seed: int = 0) -> list[PosePair]:
    """Pairs of poses of high, of medium and of low similarity, among random pairs of different clips.

    High is the 99th percentile of the scores, low the 5th; medium is nearest to the middle between the two (the median
    will not do: a trained model gives most pairs of poses next to nothing).

    Args:
        scored: N tracks.
        seed: of the random pairs; the same seed gives the same pairs.

    Returns:
        Three different pairs, high first; fewer where there are not as many.
    """
    ends, scores = random_pairs(scored, seed)
    if not len(scores):
        return []
    times = scored.embedding.shape[1]
    low, high = scores.quantile(torch.tensor([0.05, 0.99], dtype=scores.dtype)).tolist()
    chosen: list[int] = []
    for target in (high, (low + high) / 2, low):
        nearest = (scores - target).abs().argsort(stable=True)[: len(chosen) + 1].tolist()
        chosen += [index for index in nearest if index not in chosen][:1]
    return [pose_pair(index, ends, scores, times) for index in chosen]


def pose_pair(index: int, ends: Tensor, scores: Tensor, times: int) -> PosePair:
    """One of the pairs that `random_pairs` gives, of tracks of so many poses."""
    one, other = ends[:, index].tolist()
    above = float((scores < scores[index]).double().mean())
    return PosePair((one // times, other // times), (one % times, other % times), float(scores[index]), above)


def random_pairs(scored: EmbeddedClips, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random pairs of poses of different clips and their scores by eq. (6), `RANDOM_PAIRS` at most, none twice.

    Args:
        scored: N tracks of T poses.
        seed: the same seed gives the same pairs.

    Returns:
        The two poses of each pair [2, P], numbered through all tracks: track x T + time; and the scores [P].
    """
    n, times = scored.embedding.shape[:2]
    if not scored.poses.shape[1]:  # the data are features: there is nothing to show
        n = 0
    if n < 2 or not times:
        return torch.empty(2, 0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)

    def draw(end: int) -> Tensor:
        return torch.randint(end, (RANDOM_PAIRS,), generator=generator)

    # a pair has one order and one number, so that none occurs twice
    first, poses = draw(n), n * times
    one, other = first * times + draw(times), (first + 1 + draw(n - 1)) % n * times + draw(times)
    numbers = (torch.minimum(one, other) * poses + torch.maximum(one, other)).unique()
    ends = torch.stack([numbers // poses, numbers % poses])
    clip = scored.clip.cpu()[ends // times]
    ends = ends[:, clip[0] != clip[1]]
    a, b = scored.embedding.flatten(0, 1)[ends.to(scored.embedding.device)].double()
    scores = score_from_distance(cosine_distance(a, b)).cpu()
    return ends[:, scores.isfinite()], scores[scores.isfinite()]


def pairs_to_json(scored: EmbeddedClips, clip_names: Sequence[str], action_names: Sequence[str]) -> dict[str, Any]:
    """The pairs of `pick_pairs` with their poses, for a file: reports draw them again without the dataset.

    Args:
        scored: N tracks.
        clip_names: by clip index.
        action_names: by action index.

    Returns:
        {"pairs": [...]}, each with its "level" (high, medium, low), "score", "above", and for both poses "clips",
        "actions", "times" (middle of the part of the clip, in 0..1) and "poses" (as the model sees them, y down).
    """

    def pose(track: int, time: int) -> list[list[float | None]]:
        xy = scored.middle_poses[track, time, :, :2].double().cpu()
        return [[round(value, 4) if math.isfinite(value) else None for value in joint] for joint in xy.tolist()]

    moments = scored.embedding.shape[1]
    return {
        "pairs": [
            {
                "level": level,
                "score": pair.score,
                "above": pair.above,
                "clips": [clip_names[int(scored.clip[track])] for track in pair.tracks],
                "actions": [action_names[int(scored.action[track])] for track in pair.tracks],
                "times": [(time + 0.5) / moments for time in pair.times],
                "poses": [pose(track, time) for track, time in zip(pair.tracks, pair.times, strict=True)],
            }
            for level, pair in zip(LEVELS, pick_pairs(scored), strict=False)
        ]
    }


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


# Rho of every predictor -----------------------------------------------------------------------------------------------


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


# Pairs of poses -------------------------------------------------------------------------------------------------------


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


# Common ---------------------------------------------------------------------------------------------------------------


def _head(figure: SubFigure, heading: str) -> None:
    figure.suptitle(heading, fontsize=11.5, color=INK, x=0.02, ha="left", parse_math=False)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, colors=INK)


def _say(axes: Axes, message: str, keep: bool = False) -> None:
    if not keep:
        axes.set_axis_off()
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=INK)
