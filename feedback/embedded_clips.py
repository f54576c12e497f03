"""Clips whose poses are embedded, and how a reference and an attempt fit along the warping path between them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from errors import InputError
from feedback.explanations import random_poses
from feedback.subjects import Subject
from poses.skeleton import JOINTS, flip
from run_folder.trained_model import SHIPPED, TrainedModel, load_model
from scoring.distances import is_collapsed, pairwise_distance, score_from_distance

LEAST_JOINTS: Final = 8
"""A frame in which fewer of the 15 joints are present is left out, as one without a pose is."""

WAIT: Final = 0.1
"""Distance added for a step of the path in which one clip waits. Without it the path makes a detour round a fault, by
matching it with other moments. Measured with the shipped model on 84 planted faults (four kinds, generated clips and
climbing runs): 75 rather than 62 are the worst moment and named first; and the phases of two performers, one of them
played at half to twice the speed for a while, are matched within 2.9 % rather than 3.2 % of the clip; 0.05 and 0.2 are
no better."""

LARGEST: Final = 50_000_000
"""Pairs of poses whose distances fit into memory: two clips of four minutes at 30 frames a second."""


def usable(subject: Subject, model: TrainedModel) -> npt.NDArray[np.bool_]:
    """In which frames [F] enough joints are present to compare the pose."""
    present: npt.NDArray[np.bool_] = model.present(subject.xy, subject.confidence).sum(-1) >= LEAST_JOINTS
    return present


@dataclass(frozen=True)
class EmbeddedClip:
    """The usable poses of a clip.

    Attributes:
        subject: the clip as it is, not flipped.
        mirrored: whether the poses were flipped left to right before they were embedded.
        rows: [n] int64, the subject's frames that are used, increasing.
        embedding: [n, E].
    """

    subject: Subject
    mirrored: bool
    rows: npt.NDArray[np.int64]
    embedding: Tensor

    @classmethod
    def of(cls, subject: Subject, model: TrainedModel, *, mirrored: bool) -> "EmbeddedClip":
        """Embed a clip.

        Raises:
            InputError: no frame has enough joints.
        """
        rows = np.flatnonzero(usable(subject, model))
        if not len(rows):
            raise InputError(
                f"{subject.name}: no frame of {len(subject.xy)} shows {LEAST_JOINTS} or more joints of a person; "
                "give a clip in which the whole person can be seen"
            )
        xy, confidence = torch.from_numpy(subject.xy[rows]), torch.from_numpy(subject.confidence[rows])
        flipped = flip(xy, confidence) if mirrored else (xy, confidence)
        return cls(subject, mirrored, rows, model.embed(*flipped))

    def cut(self, begin: int, end: int) -> "EmbeddedClip":
        """The frames `begin` to `end`, both included; one of them at least is used."""
        keep, part = (self.rows >= begin) & (self.rows <= end), slice(begin, end + 1)
        one = self.subject
        subject = replace(
            one, xy=one.xy[part], confidence=one.confidence[part], frame=one.frame[part], time=one.time[part]
        )
        return EmbeddedClip(subject, self.mirrored, self.rows[keep] - begin, self.embedding[torch.from_numpy(keep)])


@dataclass(frozen=True)
class Fit:
    """A reference and an attempt, aligned.

    Attributes:
        path: [P, 2] int64, frames of the reference and of the attempt that are matched.
        score: [P] float64, eq. (6) of the matched poses.
        total: mean of `score`.
    """

    reference: EmbeddedClip
    attempt: EmbeddedClip
    path: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    total: float

    @classmethod
    def of(cls, reference: EmbeddedClip, attempt: EmbeddedClip) -> "Fit":
        """Align two clips.

        Raises:
            InputError: they are too long together.
        """
        lengths = len(reference.rows), len(attempt.rows)
        if lengths[0] * lengths[1] > LARGEST:
            raise InputError(
                f"{reference.subject.name} and {attempt.subject.name} have {lengths[0]} and {lengths[1]} frames, too "
                "many to align; cut the clips to the motion, or use --repetitions if it is shown again and again"
            )
        distance = pairwise_distance(reference.embedding, attempt.embedding)
        path = warping_path(distance, WAIT)
        score = score_from_distance(distance[path[:, 0], path[:, 1]].double())
        rows = np.stack((reference.rows[path[:, 0].numpy()], attempt.rows[path[:, 1].numpy()]), axis=1)
        return cls(reference, attempt, rows, score.numpy(), float(score.mean()))

    def by_frame(self) -> npt.NDArray[np.float64]:
        """Score [F] of every frame of the attempt: mean over its matches, NaN where the frame is not used."""
        frames = len(self.attempt.subject.xy)
        count = np.bincount(self.path[:, 1], minlength=frames)
        sums = np.bincount(self.path[:, 1], weights=self.score, minlength=frames)
        return np.divide(sums, count, out=np.full(frames, np.nan), where=count > 0)


_BOTH, _SECOND, _FIRST = 0, 1, 2  # by which step a cell is reached, in the order of preference


@torch.no_grad()
def warping_path(distance: Tensor, wait: float = 0.0) -> Tensor:
    """The path from the first two poses to the last two with the smallest sum of distances.

    A step moves on by one pose in both sequences, in the second, or in the first; among equal sums they are preferred
    in that order, looking back from the end. With `wait` 0 it is the path whose means `DTWAlignment` gives for an
    exemplar (first) and a query (second).

    Args:
        distance: [R, F] of every pose of the first sequence to every pose of the second, finite, R and F at least 1.
        wait: added to the sum for a step in which one of the sequences waits, at least 0; keeps a path from making a
            detour round a few bad poses.

    Returns:
        [P, 2] int64, pairs of indices (row, column) from (0, 0) to (R - 1, F - 1); every row and column is on it.

    Raises:
        ValueError: no poses, or a distance that is not finite.
    """
    if distance.ndim != 2 or not distance.numel() or not bool(distance.isfinite().all()):
        raise ValueError("distances must be finite, [R, F] with at least one row and one column")
    rows, columns = distance.shape
    cells = distance.double().contiguous().flatten()
    # Sums of one anti-diagonal k = i + j at a time, by row, between two infinities; cell (i, k - i) depends on the two
    # diagonals before alone. Steps are kept for the way back, in the order of the diagonals.
    steps = torch.zeros(rows + columns - 1, rows, dtype=torch.uint8)
    twice, before = (torch.full((rows + 1,), torch.inf, dtype=torch.float64) for _ in range(2))
    for k in range(rows + columns - 1):
        low, high = max(0, k - columns + 1), min(k, rows - 1)
        here = torch.full_like(before, torch.inf)
        came = torch.stack((twice[low : high + 1], before[low + 1 : high + 2] + wait, before[low : high + 1] + wait))
        smallest, step = came.min(0)
        if k == 0:
            smallest = torch.zeros_like(smallest)
        offsets = torch.arange(low, high + 1)
        here[low + 1 : high + 2] = smallest + cells[offsets * columns + k - offsets]
        steps[k, low : high + 1] = step.to(torch.uint8)
        twice, before = before, here
    return _walk_back(steps, rows, columns)


def _walk_back(steps: Tensor, rows: int, columns: int) -> Tensor:
    i, j, table = rows - 1, columns - 1, steps.numpy()
    path = [(i, j)]
    while i or j:
        step = table[i + j, i]
        i, j = i - int(step != _SECOND), j - int(step != _FIRST)
        path.append((i, j))
    return torch.tensor(path[::-1])


_PROBES: Final = 200


def load_measure(checkpoint: Path | None) -> TrainedModel:
    """The model of a checkpoint or of a run's folder; None for the shipped one.

    Raises:
        InputError: no checkpoint of this project, one that takes more than coordinates, or a collapsed one, which would
            give every pair of poses the score 100.
    """
    path = SHIPPED if checkpoint is None else checkpoint
    model = load_model(path)
    try:
        probes = model.embed(random_poses(_PROBES, seed=0))
    except (RuntimeError, ValueError):  # of a network that takes something else
        raise InputError(
            f"{path}: its encoder does not take poses of {len(JOINTS)} joints with x and y alone; use another "
            "checkpoint"
        ) from None
    if is_collapsed(probes):
        raise InputError(
            f"{path}: the encoder has collapsed, it gives every pose the same embedding and every pair the score "
            "100; train with another seed or more channels"
        )
    return model
