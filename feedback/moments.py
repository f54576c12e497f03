"""The moments in which an attempt is worst, and what is different there."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from feedback.differences import Differences
from feedback.embedded_clips import Fit
from feedback.subjects import Subject
from run_folder.trained_model import TrainedModel

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


def worst_moments(fit: Fit, model: TrainedModel) -> tuple[Moment, ...]:
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


def _explained(fit: Fit, matches: list[tuple[int, int, float]], model: TrainedModel) -> tuple[Moment, ...]:
    """Moments of (row of the reference, row of the attempt, score)."""
    if not matches:
        return ()
    reference, attempt = fit.reference.subject, fit.attempt.subject
    own, other = [row for _, row, _ in matches], [row for row, _, _ in matches]
    pose = torch.from_numpy(model.masked(attempt.xy[own], attempt.confidence[own]))
    wanted = torch.from_numpy(model.masked(reference.xy[other], reference.confidence[other]))
    differences = Differences.of(pose, wanted, model, mirrored=fit.attempt.mirrored)
    moments = []
    for number, (reference_row, attempt_row, score) in enumerate(matches):
        words, bones = tuple(one.words for one in differences.findings(number)), differences.bones[number]
        if words or score < GOOD:
            moments.append(
                Moment(attempt, reference, attempt_row, reference_row, score, fit.attempt.mirrored, words, bones)
            )
    return tuple(moments)


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
