"""The moments in which an attempt is worst, and what is different there."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from comparison.embedded_clips import Fit
from comparison.model import PoseModel
from comparison.subjects import Subject
from comparison.words import SIDES, Side, finding
from datamodules.skeleton import BONES, flip
from scoring.explanations import PARTS, Explanation, bone_differences, explain
from scoring.views import views

MOMENTS: Final = 3
"""How many are shown at the most."""

WINDOW: Final = 0.25
"""Seconds: a moment is as bad as the median of so long a time, so that one frame misread by the estimator is none."""

APART: Final = (0.5, 0.1)
"""Moments are at least so many seconds apart, and at least this share of the attempt."""

GOOD: Final = 99.0
"""A moment with this score or a higher one is shown only if there is a difference to put into words."""

SAME: Final = 99.99
"""The score of poses that do not differ, up to rounding."""

FINDINGS: Final = 3
"""How many differences are put into words."""

SMALL: Final = 5.0
"""Degrees: smaller differences are not put into words; estimators err by as much."""


@dataclass(frozen=True)
class Moment:
    """A frame of the attempt beside the frame of the reference that it is matched with.

    Attributes:
        attempt, reference: the clips; of several references the one that fits best.
        attempt_row, reference_row: indices of the frames.
        score: eq. (6) of the two, in (0, 100].
        mirrored: whether the attempt was flipped to be compared.
        words: what is different, the costliest first; left and right are the attempt's own.
        bones: [14] degrees in [0, 180] by which the directions of bones differ, NaN where it cannot be told; the
            attempt's own bones, in the order of `BONES`.
    """

    attempt: Subject
    reference: Subject
    attempt_row: int
    reference_row: int
    score: float
    mirrored: bool
    words: tuple[str, ...]
    bones: npt.NDArray[np.float64]

    @property
    def time(self) -> float:
        """Seconds into the attempt, NaN where unknown."""
        return float(self.attempt.time[self.attempt_row])

    def as_json(self) -> dict[str, Any]:
        """For programs; what is unknown is None."""
        time, other = self.time, float(self.reference.time[self.reference_row])
        return {
            "score": self.score,
            "frame": int(self.attempt.frame[self.attempt_row]),
            "time": None if math.isnan(time) else time,
            "reference": self.reference.name,
            "reference_frame": int(self.reference.frame[self.reference_row]),
            "reference_time": None if math.isnan(other) else other,
            "words": list(self.words),
        }


def worst_moments(fit: Fit, model: PoseModel) -> tuple[Moment, ...]:
    """Up to `MOMENTS` frames of the attempt, the worst first, well apart; see `GOOD` for those not worth showing."""
    score = fit.by_frame()
    rows = np.flatnonzero(np.isfinite(score))
    time = _seconds(fit.attempt.subject)[rows]
    lasting = _running_median(score[rows], time, WINDOW)
    apart = max(APART[0], APART[1] * float(time[-1] - time[0]))
    chosen: list[int] = []
    for index in np.argsort(lasting, kind="stable"):
        if len(chosen) == MOMENTS or lasting[index] >= SAME:
            break
        if all(abs(time[index] - time[one]) >= apart for one in chosen):
            chosen.append(int(index))
    # of the frames around, the one that stands for them
    shown = [rows[_typical(score[rows], lasting[index], time, time[index])] for index in chosen]
    return _explained(fit, [_match(fit, int(row)) for row in shown], model)


def _explained(fit: Fit, matches: list[tuple[int, int, float]], model: PoseModel) -> tuple[Moment, ...]:
    """Moments of (row of the reference, row of the attempt, score)."""
    if not matches:
        return ()
    mirrored = fit.attempt.mirrored
    reference, attempt = fit.reference.subject, fit.attempt.subject
    pose = _joints(attempt, [row for _, row, _ in matches], model)
    wanted = _joints(reference, [row for row, _, _ in matches], model)
    if mirrored:  # here the reference is flipped: left and right are the attempt's own then
        wanted, _ = flip(wanted, None)
    seen = (pose.isfinite() & wanted.isfinite()).all(-1, keepdim=True)
    pose, wanted = pose.where(seen, torch.nan), wanted.where(seen, torch.nan)

    def embed(poses: Tensor) -> Tensor:
        return model.embed(flip(poses, None)[0] if mirrored else poses, None)

    why = explain(pose, wanted, embed)
    bones, seen_from = bone_differences(pose, wanted, BONES).double().numpy(), views(pose)
    moments = []
    for number, (reference_row, attempt_row, score) in enumerate(matches):
        words = _words(why, number, SIDES.get(seen_from.name(number), "unclear"))
        if words or score < GOOD:
            moments.append(
                Moment(attempt, reference, attempt_row, reference_row, score, mirrored, words, bones[number])
            )
    return tuple(moments)


def _words(why: Explanation, number: int, side: Side) -> tuple[str, ...]:
    """The costliest angles of one of the poses that are explained."""
    words, trunk = [], [part.name for part in PARTS].index("trunk")
    direction_told = False
    for k in why.gain[number].argsort(descending=True, stable=True).tolist():
        if not why.gain[number, k] > 0 or not why.difference[number, k].abs() >= SMALL:
            continue
        if PARTS[k].against is None:  # trunk and whole body are the trunk's direction both: the first says it all
            if direction_told:
                continue
            direction_told = True
        angles = float(why.angle[number, k]), float(why.reference_angle[number, k])
        words.append(finding(PARTS[k].name, *angles, side, float(why.angle[number, trunk].nan_to_num(0.0))))
    return tuple(words[:FINDINGS])


def _joints(subject: Subject, rows: list[int], model: PoseModel) -> Tensor:
    """Poses [n, 15, 2], NaN where the model takes a joint for missing."""
    xy = torch.from_numpy(subject.xy[rows])
    return xy.where(model.present(subject.xy[rows], subject.confidence[rows])[..., None], torch.nan)


def _match(fit: Fit, row: int) -> tuple[int, int, float]:
    """Of the reference's frames that a frame of the attempt is matched with, the one that stands for their mean."""
    own = np.flatnonzero(fit.path[:, 1] == row)
    typical = own[np.abs(fit.score[own] - fit.score[own].mean()).argmin()]
    return int(fit.path[typical, 0]), row, float(fit.score[typical])


def _seconds(subject: Subject) -> npt.NDArray[np.float64]:
    """Times [F]; where any is unknown, frame numbers at 25 a second."""
    return subject.time if np.isfinite(subject.time).all() else subject.frame / 25.0


def _running_median(
    values: npt.NDArray[np.float64], time: npt.NDArray[np.float64], window: float
) -> npt.NDArray[np.float64]:
    """Median of the values within half a window of each time; `time` increases."""
    begins = np.searchsorted(time, time - window / 2, side="left")
    ends = np.searchsorted(time, time + window / 2, side="right")
    return np.array([np.median(values[begin:end]) for begin, end in zip(begins, ends, strict=True)])


def _typical(score: npt.NDArray[np.float64], wanted: float, time: npt.NDArray[np.float64], at: float) -> int:
    """Among the moments within half a window of `at`, the one whose score is nearest to `wanted`, then nearest."""
    far = np.abs(time - at)
    near = np.flatnonzero(far <= WINDOW / 2)
    return int(near[np.lexsort((far[near], np.abs(score[near] - wanted)))[0]])
