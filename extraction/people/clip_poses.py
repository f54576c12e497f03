"""What the pipeline makes of a clip."""

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
