"""From a person's box to the network's crop and back, as mmpose's `GetBBoxCenterScale` and `TopdownAffine` do it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from extraction.types import Crop, Floats, Image

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Warp:
    """How people are cut out: the box, widened, turned and brought to the shape of the network's input.

    Arithmetic and rounding are mmpose's, so that the crops are the same to the last bit.

    Attributes:
        size: width and height of the crop in pixels.
        padding: how many times its size the box is widened to.
        udp: unbiased data processing (Huang et al., CVPR 2020): the outermost pixels' middles, not their edges, fall on
            the ends of the widened box.
    """

    size: tuple[int, int]
    padding: float
    udp: bool

    def cut(self, image: Image, box: Floats, turns: int) -> Crop:
        """Cut out one person, with `cv2.warpAffine`, linear; black where the crop reaches out of the image.

        Args:
            image: uint8 [H, W, 3].
            box: [4], left, top, right, bottom; one without extent is widened to a pixel.
            turns: by how many quarter turns the body is turned clockwise in the image; the crop shows it upright.
        """
        center, extent = self._extent(box, turns)
        to_crop = self._udp_matrix(center, extent, turns) if self.udp else self._matrix(center, extent, turns)
        pixels = cv2.warpAffine(image, to_crop, self.size, flags=cv2.INTER_LINEAR)
        return Crop(np.asarray(pixels, np.uint8), np.asarray(cv2.invertAffineTransform(to_crop), np.float64))

    def shortest_side(self) -> float:
        """Crop pixels that the longer side of a box has at the least, whatever the box's shape."""
        return min(self.size) / self.padding

    def from_mmpose(self, xy: Floats) -> Floats:
        """Keypoints as mmpose's codecs decode them, [..., 2], in pixels of the crop.

        With `udp` the codecs spread the crop over its width, not over the distance of its outermost pixels.
        """
        if not self.udp:
            return xy
        size = np.array(self.size, np.float32)
        return (xy * ((size - 1) / size)).astype(np.float32)

    def _extent(self, box: Floats, turns: int) -> tuple[Floats, Floats]:
        """Middle of the box in the image; width and height, as the upright body has them, of what is cut out."""
        corners = np.asarray(box, np.float32)
        extent = np.maximum(corners[2:] - corners[:2], np.float32(1)) * np.float32(self.padding)
        w, h = extent if turns % 2 == 0 else extent[::-1]
        aspect = np.float32(self.size[0] / self.size[1])
        wide = w > h * aspect
        shaped = np.array([w, w / aspect] if wide else [h * aspect, h], np.float32)
        return (corners[2:] + corners[:2]) * np.float32(0.5), shaped

    def _matrix(self, center: Floats, extent: Floats, turns: int) -> Matrix:
        """Image to crop: middle to middle, and the whole width to the crop's whole width."""
        w, h = self.size
        left = np.array([extent[0] * -0.5, 0.0])
        for _ in range(turns % 4):
            left = np.array([-left[1], left[0]])
        source = np.zeros((3, 2), np.float32)
        source[0] = center
        source[1] = center + left
        source[2] = _corner(source[0], source[1])
        target = np.array([[w * 0.5, h * 0.5], [0.0, h * 0.5], [0.0, 0.0]], np.float32)
        target[2] = _corner(target[0], target[1])
        return np.asarray(cv2.getAffineTransform(source, target), np.float64)

    def _udp_matrix(self, center: Floats, extent: Floats, turns: int) -> Matrix:
        """Image to crop: middle to middle, and the ends of the width to the middles of the crop's outermost pixels."""
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns % 4]
        turned_back = np.array([[cos, sin], [-sin, cos]], np.float64)
        size = np.array(self.size, np.float64) - 1
        linear = turned_back * (size / extent)[:, None]
        offset = size / extent * (0.5 * extent - turned_back @ center)
        return np.column_stack([linear, offset]).astype(np.float32).astype(np.float64)


def _corner(a: Floats, b: Floats) -> Floats:
    """The point that makes a right angle with a at b, as far away."""
    direction = a - b
    return b + np.array([-direction[1], direction[0]], np.float32)
