"""Squares in which BlazePose sees a body upright."""

from typing import Final

import numpy as np
import numpy.typing as npt

from extraction.types import Floats

MARGIN: Final = (
    1.25  # by how much the square is larger than the circle around the body (RectTransformation of the graph)
)


def roi_from_points(middle: npt.NDArray[np.float32], top: npt.NDArray[np.float32]) -> Floats:
    """Squares from the two points that BlazePose's networks give for a body.

    Args:
        middle: [N, 2] pixels, the middle of the hips.
        top: [N, 2] pixels, straight up the body, on the circle around the middle that holds the whole body.

    Returns:
        [N, 4] as in `extraction.types.People`.
    """
    up = top - middle
    side = 2 * MARGIN * np.hypot(up[:, 0], up[:, 1])
    rotation = np.arctan2(up[:, 0], -up[:, 1])
    roi: Floats = np.concatenate([middle, side[:, None], rotation[:, None]], axis=1).astype(np.float32)
    return roi


def crop_to_image(roi: Floats, size: int) -> npt.NDArray[np.float64]:
    """The affine map from the pixels of a crop to those of the image.

    Args:
        roi: [4] as in `extraction.types.People`.
        size: side of the crop in pixels.

    Returns:
        [2, 3].
    """
    x, y, side, rotation = (float(value) for value in roi)
    scale = side / size
    right: npt.NDArray[np.float64] = scale * np.array(
        [np.cos(rotation), np.sin(rotation)]
    )  # where one pixel to the right in the crop leads
    down = scale * np.array([-np.sin(rotation), np.cos(rotation)])
    corner = np.array([x, y]) - (right + down) * size / 2
    return np.stack([right, down, corner], axis=1)
