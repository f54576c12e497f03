"""The pairs of poses that a model finds most and least alike, each drawn as two skeletons over each other."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from drawing.pictures import shorten_middle
from drawing.stick_figures import INK, draw_pose
from poses.batches import EmbeddedClips
from scoring.pose_pairs import PosePair, pose_pair, random_pairs

# one colour a person; Okabe and Ito's blue and orange
_FIRST: Final = "#0072B2"
_SECOND: Final = "#E69F00"


def extreme_pairs(scored: EmbeddedClips, count: int = 4, seed: int = 0) -> tuple[list[PosePair], list[PosePair]]:
    """The most alike pairs of poses, best first, and the least alike, worst first, among random pairs.

    Args:
        scored: N tracks.
        count: pairs of either kind; fewer where there are not as many clips, as none is shown twice in a kind.
        seed: of the random pairs; the same seed gives the same pairs.
    """
    ends, scores = random_pairs(scored, seed)
    times = scored.embedding.shape[1]
    clips = scored.clip.cpu()[ends // max(times, 1)]
    ascending = scores.argsort(stable=True)

    def picked(order: torch.Tensor) -> list[PosePair]:
        pairs: list[PosePair] = []
        seen: set[int] = set()
        for index in order.tolist():
            own = set(clips[:, index].tolist())
            if len(pairs) < count and not own & seen:
                seen |= own
                pairs.append(pose_pair(index, ends, scores, times))
        return pairs

    return picked(ascending.flip(0)), picked(ascending)


def extremes_figure(scored: EmbeddedClips, clip_names: Sequence[str], action_names: Sequence[str]) -> Figure:
    """The most alike pairs of poses above the least alike ones.

    Args:
        scored: N tracks.
        clip_names: by clip index.
        action_names: by action index.
    """
    figure = Figure(figsize=(12, 8.2), dpi=100, facecolor="white", layout="constrained")
    figure.suptitle(
        "Poses as the model sees them, two over each other: the first clip blue, the second orange; score of eq. (6), "
        "0 to 100",
        fontsize=12,
        color=INK,
    )
    kinds: Any = figure.subfigures(2, 1)
    for panel, pairs, heading in zip(kinds, extreme_pairs(scored), ("Most alike", "Least alike"), strict=True):
        _draw_kind(panel, pairs, heading, scored, clip_names, action_names)
    return figure


def _draw_kind(
    figure: SubFigure,
    pairs: Sequence[PosePair],
    heading: str,
    scored: EmbeddedClips,
    clip_names: Sequence[str],
    action_names: Sequence[str],
) -> None:
    figure.supylabel(heading, fontsize=12, fontweight="bold", color=INK)
    grid = figure.subplots(1, max(len(pairs), 1), squeeze=False)[0]
    if not pairs:
        grid[0].set_axis_off()
        grid[0].text(0.5, 0.5, "No two clips with embedded poses.", ha="center", color=INK)
    for axes, pair in zip(grid, pairs, strict=False):
        _draw_overlay(axes, pair, scored, clip_names, action_names)


def _draw_overlay(
    axes: Axes, pair: PosePair, scored: EmbeddedClips, clip_names: Sequence[str], action_names: Sequence[str]
) -> None:
    moments = scored.embedding.shape[1]
    lines: list[tuple[str, str]] = []
    for track, time, colour in zip(pair.tracks, pair.times, (_FIRST, _SECOND), strict=True):
        sides = dict.fromkeys(("right", "left", "middle"), colour)
        xy = scored.middle_poses[track, time, :, :2].double().cpu().numpy()
        draw_pose(axes, xy, colours=sides, line_width=2.4, joint_size=4.5, alpha=0.85)
        score = float(scored.score[track])
        known = f"scored {score:.4g}" if score == score else "no score"
        action = shorten_middle(action_names[int(scored.action[track])], 20)
        moment = f"{action}, at {100 * (time + 0.5) / moments:.0f} %, {known}"
        lines += [(shorten_middle(clip_names[int(scored.clip[track])], 38), colour), (moment, INK)]
    axes.set(xlim=(-0.1, 1.1), ylim=(1.58, -0.06))  # with the words, which the layout would not see below the axes
    axes.set_axis_off()
    axes.set_title(f"score {pair.score:.1f}", fontsize=11, fontweight="bold", color=INK)
    for place, (words, colour) in enumerate(lines):
        style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 9, "color": colour}
        axes.text(0.5, 1.1 + 0.11 * place, words, parse_math=False, **style)
