"""The part of a frame that a network sees."""

from typing import Final

import cv2
import numpy as np

from errors import InputError
from extraction.types import Image

LONGEST: Final = 16  # times the shorter side; a frame of 10,000x1 would take gigabytes when enlarged


def centre_crop(image: Image, resize: int | tuple[int, int], side: int, shrinking: int = cv2.INTER_AREA) -> Image:
    """Resize a frame and cut a square out of its middle, to the same pixels as torchvision's transforms.

    Args:
        image: uint8 [H, W, 3].
        resize: length of the shorter side, or height and width.
        side: of the square; not longer than what it is cut out of.
        shrinking: cv2's interpolation for frames that get smaller; those that get larger are interpolated linearly.

    Returns:
        uint8 [side, side, 3], contiguous.

    Raises:
        InputError: a frame that is more than 16 times as long as wide.
    """
    height, width = image.shape[:2]
    short, long = sorted((height, width))
    if long > LONGEST * short:
        raise InputError(f"a frame of {width}x{height} pixels is too narrow to be cropped; leave the clip out")
    if isinstance(resize, int):
        other = int(resize * long / short)
        new_height, new_width = (resize, other) if height <= width else (other, resize)
    else:
        new_height, new_width = resize
    if (new_height, new_width) != (height, width):
        interpolation = shrinking if new_height < height else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (new_width, new_height), interpolation=interpolation), np.uint8)
    top, left = round((new_height - side) / 2), round((new_width - side) / 2)
    return np.ascontiguousarray(image[top : top + side, left : left + side])
