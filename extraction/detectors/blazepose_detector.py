"""BlazePose's detector: finds a body's middle, size and direction, by the face and what hangs on it.

Numbers and steps are those of MediaPipe's graph `pose_detection_cpu.pbtxt`, which sees the whole picture at 224 pixels:
enough for one person near the camera. People who are small in a wide picture are found in close-ups, which are ours.
"""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from errors import InputError
from extraction.engines.blazepose_network import MARGIN, BlazePoseNetwork, roi_from_points
from extraction.types import Floats, Frame, Image, People
from extraction.weights.blazepose_weights import blazepose_file, blazepose_weights

SIDE: Final = 224
CELLS: Final = ((8, 2), (16, 2), (32, 6))  # side of a grid's cells in pixels, and how many anchors each of them has
OVERLAP: Final = 0.3  # faces that overlap more are one person
SAME_MIDDLE: Final = 0.08  # of the smaller square's side: bodies whose middles are nearer are one person
MAX_CLOSE_UPS: Final = 7
MAX_LOGIT: Final = 80.0  # beyond it exp() leaves float32


class BlazePoseDetector:
    """Finds people by BlazePose, in fp32 on the processor.

    Args:
        min_score: people who are less sure than this are not returned.
        close_ups: whether to look at overlapping squares as high as the picture (as wide, if it is upright), too: four
            looks instead of one in 16:9. Without them, people who are small in the picture are mostly missed.

    Raises:
        InputError: an option out of range, or weights that are not there and cannot be fetched.
    """

    def __init__(self, min_score: float = 0.5, close_ups: bool = True) -> None:
        if not 0 < min_score < 1:
            raise InputError(f"BlazePose: min_score must lie between 0 and 1, got {min_score}")
        self.name = "blazepose"
        self.weights = blazepose_weights("detector")
        self.min_score = min_score
        self.close_ups = close_ups
        self._network = BlazePoseNetwork(blazepose_file("detector"), outputs=(0, 1), mean=127.5, scale=127.5)
        self._anchors = anchors()

    def place(self, device: str) -> None:
        """Whatever the device, OpenVINO runs it on the processor."""

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """The people of each frame, best first.

        A box is the square around the circle that holds the body: the network says no more about its outline.
        """
        people = []
        for frame in frames:
            height, width = frame.image.shape[:2]
            squares = views(height, width, self.close_ups)
            raw, logits = self._network(np.stack([cut(frame.image, square) for square in squares]))
            people.append(self._people(raw, logits[..., 0], squares))
        return people

    def _people(self, raw: Floats, logits: Floats, squares: Floats) -> People:
        score = 1 / (1 + np.exp(-logits.clip(-MAX_LOGIT, MAX_LOGIT)))
        view, anchor = np.nonzero(score >= self.min_score)
        scale = squares[view, 2, None, None] / SIDE
        points = decode(raw[view, anchor], self._anchors[anchor]) * scale + squares[view, None, :2]
        points, score = merge(points, score[view, anchor])
        roi = roi_from_points(points[:, 2], points[:, 3])
        alone = distinct(roi)
        roi, score = roi[alone], score[alone]
        radius = roi[:, 2:3] / (2 * MARGIN)
        return People(np.concatenate([roi[:, :2] - radius, roi[:, :2] + radius], axis=1), score, roi)


def views(height: int, width: int, close_ups: bool) -> Floats:
    """Squares to look at, [V, 3]: left, top, side in pixels; the first holds the whole image, in its middle."""
    longer, shorter = max(height, width), min(height, width)
    whole = [(width - longer) / 2, (height - longer) / 2, longer]
    spare = longer - shorter
    count = min(math.ceil(2 * spare / shorter) + 1, MAX_CLOSE_UPS)  # neighbours share half of what they show, or more
    if not close_ups or not spare:
        return np.array([whole], np.float32)
    start = np.linspace(0, spare, count)
    other = np.zeros(count)
    left, top = (start, other) if width > height else (other, start)
    close = np.stack([left, top, np.full(count, shorter)], axis=1)
    squares: Floats = np.concatenate([[whole], close]).astype(np.float32)
    return squares


def cut(image: Image, square: Floats) -> Image:
    """What a square [left, top, side] of the image shows, at 224 pixels; black outside the image."""
    left, top, side = square.tolist()
    scale = SIDE / side
    to_square = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
    return np.asarray(cv2.warpAffine(image, to_square, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def anchors() -> Floats:
    """[2254, 2] middles of the cells, in pixels of the square, in the order of the network's rows."""
    grids = []
    for size, count in CELLS:
        middles = (np.arange(SIDE // size, dtype=np.float32) + 0.5) * size
        x, y = np.meshgrid(middles, middles)
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(count, axis=0))
    anchors_of_all: Floats = np.concatenate(grids)
    return anchors_of_all


def decode(raw: Floats, middles: Floats) -> Floats:
    """Points in pixels of the square.

    Args:
        raw: [N, 12], what the network says: x, y, width and height of a box (of the face), x and y of four points, all
            but the size relative to the anchor.
        middles: [N, 2], the anchors.

    Returns:
        [N, 6, 2]: left top and right bottom of the box, middle of the hips, the point that gives size and direction of
        the body, middle of the shoulders, the point that gives size and direction of the upper body.
    """
    places = raw.reshape(-1, 6, 2)
    half = places[:, 1] / 2
    corners = np.stack([places[:, 0] - half, places[:, 0] + half], axis=1)
    points: Floats = np.concatenate([corners, places[:, 2:]], axis=1) + middles[:, None]
    return points


def merge(points: Floats, score: Floats) -> tuple[Floats, Floats]:
    """One answer for all that are about the same person: weighted non-maximum suppression.

    The surest takes all whose boxes overlap with its own by more than `OVERLAP`, and becomes their mean, weighted by
    their scores; then the surest of the rest.

    Args:
        points: [N, 6, 2] as from `decode`.
        score: [N].

    Returns:
        [M, 6, 2] and [M], surest first.
    """
    order = np.argsort(-score, kind="stable")
    points, score = points[order], score[order]
    merged, sureness = [points[:0]], [score[:0]]
    while len(score):
        same = overlap(points[:, :2], points[0, :2]) > OVERLAP
        same[0] = True  # a box without extent overlaps with nothing
        merged.append(np.average(points[same], axis=0, weights=score[same])[None])
        sureness.append(score[:1])
        points, score = points[~same], score[~same]
    return np.concatenate(merged).astype(np.float32), np.concatenate(sureness)


def distinct(roi: Floats) -> npt.NDArray[np.intp]:
    """Which of the squares [N, 4], surest first, are not a surer one's person seen again, cut off, in another view."""
    kept: list[int] = []
    for i, (x, y, side, _) in enumerate(roi.tolist()):
        away = np.hypot(roi[kept, 0] - x, roi[kept, 1] - y)
        if (away > SAME_MIDDLE * np.minimum(roi[kept, 2], side)).all():
            kept.append(i)
    return np.array(kept, np.intp)


def overlap(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of boxes [N, 2, 2] (corner, xy) with one [2, 2], [N]; 0 where a box has no extent."""
    shared = np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0])
    common = shared.clip(0).prod(axis=1)
    together = (boxes[:, 1] - boxes[:, 0]).clip(0).prod(axis=1) + (box[1] - box[0]).clip(0).prod() - common
    share: Floats = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return share
