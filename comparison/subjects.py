"""Who is compared: one person in a photograph, or through a clip."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datamodules.media import ClipMedia


@dataclass(frozen=True)
class Subject:
    """One person's poses in F frames; F is 1 for a photograph.

    Attributes:
        name: what the user called it: a file's name.
        xy: [F, 15, 2] float32 pixels, NaN where missing.
        confidence: [F, 15] float32 in [0, 1], NaN where unknown.
        frame: [F] int32, frame numbers in `media`.
        time: [F] float64 seconds, NaN where unknown.
        media: where the pictures are; None if only keypoints were given.
    """

    name: str
    xy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    frame: npt.NDArray[np.int32]
    time: npt.NDArray[np.float64]
    media: ClipMedia | None
