"""What the pipeline makes of a clip; short gaps of a pose sequence, filled in."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from extraction.reading.media import ClipMedia
from extraction.types import Floats, Image


@dataclass(frozen=True)
class ClipPoses:
    """The poses of P people in the F frames of a clip: its performers, or everybody where the media say so.

    Attributes:
        media: the clip.
        size: width and height of its frames in pixels.
        frame: [F] int32, frame numbers.
        time: [F] float64 seconds, NaN where unknown.
        xy: [P, F, 15, 2] float32 pixels, NaN where missing; P is 0 where nobody was found.
        confidence: [P, F, 15] float32 in [0, 1], NaN in frames where the person was not found.
        boxes: [P, F, 4] float32 pixels, NaN in frames where the person was not found.
        interpolated: [P, F] bool, where a joint or more was filled in between two seen ones.
        dropped: people who were found but are not among the P.
        looks: crops that the network saw for this clip.
        turned: people of a frame who were taken from a turned crop.
        strip: uint8 [h, w, 3] RGB, a picture of the clip with its people, None if none was asked for.
    """

    media: ClipMedia
    size: tuple[int, int]
    frame: npt.NDArray[np.int32]
    time: npt.NDArray[np.float64]
    xy: Floats
    confidence: Floats
    boxes: Floats
    interpolated: npt.NDArray[np.bool_]
    dropped: int
    looks: int
    turned: int
    strip: Image | None


@dataclass(frozen=True)
class FailedClip:
    """A clip that could not be read or holds nobody.

    Attributes:
        media: the clip.
        reason: what is wrong and what to do, one line.
    """

    media: ClipMedia
    reason: str


def fill_gaps(xy: Floats, confidence: Floats, longest: int) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Fills in joints that are missing between two frames in which they are seen, along a straight line in time.

    A joint that is missing at the beginning, at the end or for more than `longest` frames stays missing. It gets the
    lesser of the two confidences; unknown if one is unknown.

    Args:
        xy: [F, 15, 2], NaN where missing.
        confidence: [F, 15].
        longest: frames of a gap at the most.

    Returns:
        xy and confidence, as given but for the gaps, and [F] bool, where a joint or more was filled in.
    """
    filled, sureness = xy.copy(), confidence.copy()
    interpolated = np.zeros(len(xy), np.bool_)
    seen = np.isfinite(xy).all(axis=2)
    for joint in range(xy.shape[1]):
        frames = np.flatnonzero(seen[:, joint])
        for before, after in itertools.pairwise(frames):
            if not 1 < after - before <= longest + 1:
                continue
            gap = np.arange(before + 1, after)
            share = ((gap - before) / (after - before))[:, None].astype(xy.dtype)
            filled[gap, joint] = (1 - share) * xy[before, joint] + share * xy[after, joint]
            sureness[gap, joint] = np.minimum(confidence[before, joint], confidence[after, joint])
            interpolated[gap] = True
    return filled, sureness, interpolated
