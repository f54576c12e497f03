"""Several attempts at one motion in a long clip: where each begins and ends.

The rule. The stretch of the clip in which the reference fits best is found first, then the best one of what lies before
it and of what lies after it, and so on. A stretch is a repetition if

- it fits not much worse than chance: the mean distance of a pose of the reference to the pose it is matched with is at
  most `WORST_FIT` times that between two random moments of the reference itself, and
- the body moves as in the reference: along the matched poses, all coordinates, each taken from its own mean, have a
  correlation of at least `LEAST_CORRELATION`. A bad repetition is moved less, or crookedly, and is still one; a pause,
  a walk back or another motion is none.

Poses are compared by their coordinates, not by their embeddings: a trained encoder pushes a bad performance of an
action as far away as another action, on purpose, and so cannot say where a bad repetition is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feedback.embedded_clips import usable
from feedback.subjects import Subject
from poses.normalisation import Normalisation
from poses.skeleton import flip
from run_folder.trained_model import TrainedModel

FASTEST: Final = 3
"""A repetition may be this many times as fast as the reference. It may be slow, and stop, as it likes."""

WAIT_WEIGHT: Final = 0.3
"""Weight of the distances in frames in which the reference waits: below 1, so that a slow repetition is not cut short;
above 0, so that a repetition ends where its motion ends."""

WORST_FIT: Final = 2.0
"""Bodies and cameras differ, and so do poor performances: only what has nothing to do with the reference is cut off."""

LEAST_CORRELATION: Final = (0.4, 0.5)
"""The least correlation, and its least share of the best one in the clip. Where clean poses are seen from the same
side, repetitions have over 0.9, and a pause may have 0.45; where not, a repetition may have 0.45. Tried on 75 generated
clips, each of another performer and camera than its reference, of qualities from 0.2 to 1: in 73 the count
is right; and on 12 joins of real climbing runs (SPEED21), the reference another climber's: 36 of 36 found."""


class Repetition(NamedTuple):
    """One attempt.

    Attributes:
        begin, end: first and last frame.
        distance: mean distance along the best fit, as a share of that between random moments of the reference.
        correlation: of the coordinates along the best fit.
    """

    begin: int
    end: int
    distance: float
    correlation: float


@torch.no_grad()
def find_repetitions(reference: Tensor, clip: Tensor) -> list[Repetition]:
    """The repetitions of a reference in a clip, in order; they share no frame.

    Args:
        reference: [R, K] coordinates of the reference's poses, finite.
        clip: [F, K] coordinates of the clip's poses at the same frame rate, NaN in frames without a pose; such frames
            cost what chance does, whatever they are matched with.

    Returns:
        Maybe none; none either if the reference does not move.
    """
    found = _search(reference, clip, [(0, len(clip))])
    if found:
        # the same body from the same camera is more like itself than like the reference
        best = min(found, key=lambda repetition: repetition.distance)
        template = clip[best.begin : best.end + 1]
        edges = [-1, *(edge for repetition in found for edge in repetition[:2]), len(clip)]
        gaps = [(begin + 1, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        found += _search(template[template.isfinite().all(-1)], clip, gaps)
        enough = LEAST_CORRELATION[1] * max(repetition.correlation for repetition in found)
        found = [repetition for repetition in found if repetition.correlation >= enough]
    return sorted(found)


def _search(reference: Tensor, clip: Tensor, stretches: list[tuple[int, int]]) -> list[Repetition]:
    """What the rule finds in stretches of the clip, from one frame to before another."""
    chance = torch.cdist(reference, reference).mean() if len(reference) else reference.new_zeros(())
    if not bool(chance > 0):
        return []
    there = clip.isfinite().all(-1)
    distance = torch.cdist(reference, clip.nan_to_num(0.0)) / chance
    distance = distance.where(there, distance.new_ones(()))
    found: list[Repetition] = []
    stretches = list(stretches)
    while stretches:
        begin, end = stretches.pop()
        if (end - begin) * FASTEST < len(reference):
            continue
        mean, path = best_fit(distance[:, begin:end])
        if mean > WORST_FIT:
            continue
        path[:, 1] += begin
        first, last = int(path[0, 1]), int(path[-1, 1])
        stretches += [(begin, first), (last + 1, end)]
        seen = path[there[path[:, 1]]]
        correlation = _correlation(reference[seen[:, 0]], clip[seen[:, 1]])
        if correlation >= LEAST_CORRELATION[0]:
            found.append(Repetition(first, last, mean, correlation))
    return sorted(found)


def best_fit(distance: Tensor) -> tuple[float, Tensor]:
    """The stretch of columns that the rows fit best: time warping whose begin and end in the columns are open.

    Every column moves the reference on by 0 to `FASTEST` rows, the first one from before the first row. A row that a
    path comes to costs its distance (rows that are passed over cost as much as the one they lead to), a row that it
    stays in `WAIT_WEIGHT` of it.

    Args:
        distance: [R, F], finite.

    Returns:
        The smallest sum of costs divided by R, and its path [P, 2] of (row, column); infinity and an empty path if the
        columns are too few.
    """
    rows, columns = distance.shape
    weights = distance.new_tensor([*range(FASTEST, 0, -1), WAIT_WEIGHT])
    costs = distance.T[:, None] * weights[:, None]  # [F, ways, R]
    # sums behind FASTEST places for what lies before the first row, of which the last, where paths begin, costs nothing
    sums = distance.new_full((FASTEST + rows,), torch.inf)
    sums[FASTEST - 1] = 0
    came_from = sums.unfold(0, rows, 1)
    ways = torch.empty(columns, rows, dtype=torch.int64)
    ends = distance.new_empty(columns)
    for column in range(columns):
        sums[FASTEST:], ways[column] = (came_from + costs[column]).min(0)
        ends[column] = sums[-1]
    if not columns or not bool(ends.isfinite().any()):
        return torch.inf, torch.empty(0, 2, dtype=torch.int64)
    column, row, table = int(ends.argmin()), rows - 1, ways.numpy()
    mean, path = float(ends[column]) / rows, []
    while row >= 0:
        path.append((row, column))
        row, column = row - (FASTEST - int(table[column, row])), column - 1
    return mean, torch.tensor(path[::-1])


def _correlation(first: Tensor, second: Tensor) -> float:
    """Of [P, K] and [P, K], each column taken from its mean; 0 where either does not move."""
    if not len(first):
        return 0.0
    first, second = first - first.mean(0), second - second.mean(0)
    size = torch.linalg.vector_norm(first) * torch.linalg.vector_norm(second)
    return float((first * second).sum() / size) if size > 0 else 0.0


MIRROR_GAIN = 1.05
"""By what factor the correlations of the flipped clip's repetitions must exceed those of the clip as it is."""


def repetition_spans(
    references: Sequence[Subject], clip: Subject, model: TrainedModel, orientations: Sequence[bool]
) -> tuple[bool, list[tuple[int, int]]]:
    """The repetitions that `feedback.repetitions` finds, by the reference that finds most of them best.

    Coordinates are scaled by the body's larger extent, so that a narrow body does not blow the noise of its width up.
    The clip with the higher frame rate is thinned to the other's; where times are unknown, rates are taken as equal.

    Args:
        references: motions to find, with a usable pose.
        clip: where to find them.
        model: what counts as a missing joint.
        orientations: which to try: flipped left to right (True), as it is (False).

    Returns:
        Whether the clip was flipped, and first and last frame of each repetition; no span if there is none.
    """
    best: tuple[float, bool, list[tuple[int, int]]] = (0.0, orientations[0], [])
    for mirrored in sorted(orientations):
        xy, confidence = flip(clip.xy, clip.confidence) if mirrored else (clip.xy, clip.confidence)
        turned = replace(clip, xy=xy, confidence=clip.confidence if confidence is None else confidence)
        for reference in references:
            interval = max(_interval(reference), _interval(clip))
            rows = _thinned(clip, interval)
            motion = _coordinates(reference, model, _thinned(reference, interval))
            found = find_repetitions(motion[motion.isfinite().all(-1)], _coordinates(turned, model, rows))
            worth = sum(one.correlation for one in found) / (MIRROR_GAIN if mirrored and len(orientations) > 1 else 1.0)
            if worth > best[0]:
                best = worth, mirrored, [(int(rows[one.begin]), int(rows[one.end])) for one in found]
    return best[1], best[2]


def _interval(clip: Subject) -> float:
    """Seconds between two frames; 0 where unknown."""
    steps = np.diff(clip.time)
    known = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(known)) if len(known) else 0.0


def _thinned(clip: Subject, interval: float) -> npt.NDArray[np.int64]:
    """Frames of a clip that are about `interval` seconds apart; all where times are unknown, or further apart."""
    own = _interval(clip)
    if own == 0 or interval < 1.01 * own or not np.isfinite(clip.time).all():
        return np.arange(len(clip.time))
    moments = np.arange(clip.time[0], clip.time[-1] + interval / 2, interval)
    rows: npt.NDArray[np.int64] = np.searchsorted(clip.time, moments - own / 2).clip(max=len(clip.time) - 1)
    return np.unique(rows)


def _coordinates(clip: Subject, model: TrainedModel, rows: npt.NDArray[np.int64]) -> Tensor:
    """Coordinates [n, 30] of the frames `rows`, NaN where a frame cannot be used."""
    scale = Normalisation(model.normalisation.min_confidence, keep_aspect=True)
    poses, _ = scale(torch.from_numpy(clip.xy[rows]), torch.from_numpy(clip.confidence[rows]))
    there = torch.from_numpy(usable(clip, model)[rows])
    return poses.flatten(1).masked_fill(~there[:, None], torch.nan)
