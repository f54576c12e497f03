"""What an encoder makes of poses, in a plane: principal components of the embeddings, as numbers and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawing.pictures import shorten
from drawing.stick_figures import INK
from poses.batches import EmbeddedClips
from scoring.distances import ZERO_NORM

MOST_POINTS: Final = 2000
"""Poses that are shown, evenly picked."""

# Okabe and Ito's colours, told apart with every kind of colour blindness; with the markers three times as many actions
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#4D4D4D")
_MARKERS: Final = ("o", "^", "s")
_OTHERS: Final = "#C9C9C9"


@dataclass(frozen=True)
class Projection:
    """M poses in the plane of the two directions in which their embeddings differ most.

    Attributes:
        points: [M, 2]; the same embeddings give the same points, signs included.
        track: [M], index of each pose's track.
        time: [M], index of the pose in its track.
        explained: share of the variance that each direction holds; 0 where all embeddings are one.
    """

    points: torch.Tensor
    track: torch.Tensor
    time: torch.Tensor
    explained: tuple[float, float]


def project(scored: EmbeddedClips, most: int = MOST_POINTS) -> Projection:
    """Principal components of the embeddings, taken as unit vectors: the distance of the model is the cosine's.

    Args:
        scored: N tracks; poses whose embedding is not finite are left out.
        most: poses, at most.
    """
    times = scored.embedding.shape[1]
    rows = scored.embedding.detach().flatten(0, 1).double().cpu()
    index = rows.isfinite().all(-1).nonzero()[:, 0]
    if len(index) > most:
        index = index[torch.linspace(0, len(index) - 1, most).round().long()]
    rows = rows[index]
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    rows = torch.where(norm < ZERO_NORM, 0.0, rows / norm.clamp_min(ZERO_NORM))
    rows = rows - rows.mean(0) if len(rows) else rows
    values, vectors = torch.linalg.eigh(rows.T @ rows)  # ascending
    directions = vectors.flip(-1)[:, :2]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    points = rows @ (directions * largest.sign())
    points = torch.nn.functional.pad(points, (0, 2 - points.shape[1]))
    total = float(values.sum())
    shares = [max(float(value), 0.0) / total if total > 1e-12 else 0.0 for value in values.flip(0)[:2]] + [0.0, 0.0]
    return Projection(points, index // max(times, 1), index % max(times, 1), (shares[0], shares[1]))


def embedding_figure(projection: Projection, scored: EmbeddedClips, action_names: Sequence[str]) -> Figure:
    """The projected poses, coloured by action on the left and by the clip's score on the right."""
    figure = Figure(figsize=(11, 5), dpi=110, facecolor="white", layout="constrained")
    count, all_poses = len(projection.points), scored.embedding.shape[0] * scored.embedding.shape[1]
    shown = f"{count} poses" if count == all_poses else f"{count} of {all_poses} poses"
    figure.suptitle(f"Embeddings of {shown}, on their two principal components", fontsize=12.5, color=INK)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True, width_ratios=(1, 1.18))
    _draw_actions(left, projection, scored, action_names)
    _draw_scores(figure, right, projection, scored)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8.5, colors=INK)
        axes.set_xlabel(f"component 1 ({100 * projection.explained[0]:.0f} % of the variance)", fontsize=9.5, color=INK)
    left.set_ylabel(f"component 2 ({100 * projection.explained[1]:.0f} %)", fontsize=9.5, color=INK)
    return figure


def _draw_actions(axes: Axes, projection: Projection, scored: EmbeddedClips, action_names: Sequence[str]) -> None:
    axes.set_title("by action", fontsize=10.5, color=INK)
    action = scored.action.cpu()[projection.track]
    present, counts = action.unique(return_counts=True)
    own = present[counts.argsort(descending=True, stable=True)[: len(_COLOURS) * len(_MARKERS)]].sort().values
    others = projection.points[~torch.isin(action, own)]
    if len(others):
        axes.plot(*others.T.numpy(), "o", markersize=3, color=_OTHERS, label="other actions", linestyle="none")
    for place, index in enumerate(own.tolist()):
        points = projection.points[action == index]
        marker, colour = _MARKERS[place // len(_COLOURS)], _COLOURS[place % len(_COLOURS)]
        axes.plot(
            *points.T.numpy(), marker, markersize=3.5, alpha=0.7, markeredgewidth=0, color=colour,
            linestyle="none", label=shorten(action_names[index], 24),
        )  # fmt: skip
    if len(own):
        columns = 1 + (len(own) > 4) + (len(own) > 12)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=columns, fontsize=8.5, frameon=False, markerscale=2
        )


def _draw_scores(figure: Figure, axes: Axes, projection: Projection, scored: EmbeddedClips) -> None:
    axes.set_title("by the score of the clip", fontsize=10.5, color=INK)
    score = scored.score.cpu()[projection.track].numpy()
    known = np.isfinite(score)
    x, y = projection.points.T.numpy()
    axes.plot(x[~known], y[~known], "o", markersize=3, color=_OTHERS, linestyle="none")
    drawn = axes.scatter(x[known], y[known], c=score[known], s=12, alpha=0.7, linewidths=0, cmap="viridis")
    if known.any():
        bar = figure.colorbar(drawn, ax=axes)
        bar.ax.tick_params(labelsize=8.5, colors=INK)
