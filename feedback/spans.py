"""Where the repetitions of a motion are in a clip, whatever the frame rates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feedback.embedded_clips import usable
from feedback.repetitions import find_repetitions
from feedback.subjects import Subject
from poses.normalisation import Normalisation
from poses.skeleton import flip
from run_folder.trained_model import TrainedModel

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
