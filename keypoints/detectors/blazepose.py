"""BlazePose's detector: finds a body's middle, size and direction, by the face and what hangs on it.

Numbers and steps are those of MediaPipe's graph `pose_detection_cpu.pbtxt`. It was trained for one person near the
camera: of several people it mostly finds one.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from errors import InputError
from keypoints.blazepose_geometry import MARGIN, roi_from_points
from keypoints.blazepose_network import BlazePoseNetwork
from keypoints.blazepose_weights import blazepose_file, blazepose_weights
from keypoints.types import Floats, Frame, Image, People

SIDE: Final = 224
CELLS: Final = ((8, 2), (16, 2), (32, 6))  # side of a grid's cells in pixels, and how many anchors each of them has
OVERLAP: Final = 0.3  # boxes that overlap more are one person
MAX_LOGIT: Final = 80.0  # beyond it exp() leaves float32


class BlazePoseDetector:
    """Finds people by BlazePose, in fp32 on the processor.

    Args:
        min_score: people who are less sure than this are not returned.

    Raises:
        InputError: an option out of range, or weights that are not there and cannot be fetched.
    """

    def __init__(self, min_score: float = 0.5) -> None:
        if not 0 < min_score < 1:
            raise InputError(f"BlazePose: min_score must lie between 0 and 1, got {min_score}")
        self.name = "blazepose"
        self.weights = blazepose_weights("detector")
        self.min_score = min_score
        self._network = BlazePoseNetwork(blazepose_file("detector"), outputs=(0, 1), mean=127.5, scale=127.5)
        self._anchors = anchors()

    def place(self, device: str) -> None:
        """Whatever the device, OpenVINO runs it on the processor."""

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """The people of each frame, best first.

        A box is the square around the circle that holds the body: the network says no more about its outline.
        """
        if not frames:
            return []
        raw, logits = self._network(np.stack([letterbox(frame.image) for frame in frames]))
        return [self._people(raw[i], logits[i, :, 0], frame.image.shape) for i, frame in enumerate(frames)]

    def _people(self, raw: Floats, logits: Floats, shape: tuple[int, ...]) -> People:
        score = 1 / (1 + np.exp(-logits.clip(-MAX_LOGIT, MAX_LOGIT)))
        sure = score >= self.min_score
        points, score = merge(decode(raw[sure], self._anchors[sure]), score[sure])
        height, width = shape[:2]
        side = max(height, width)
        points = points * np.float32(side / SIDE) - np.array([side - width, side - height], np.float32) / 2
        roi = roi_from_points(points[:, 2], points[:, 3])
        radius = roi[:, 2:3] / (2 * MARGIN)
        return People(np.concatenate([roi[:, :2] - radius, roi[:, :2] + radius], axis=1), score, roi)


def letterbox(image: Image) -> Image:
    """The image [H, W, 3] in the middle of a black square of 224 pixels."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    to_square = np.array([[scale, 0, (SIDE - scale * width) / 2], [0, scale, (SIDE - scale * height) / 2]])
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


def overlap(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of boxes [N, 2, 2] (corner, xy) with one [2, 2], [N]; 0 where a box has no extent."""
    shared = np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0])
    common = shared.clip(0).prod(axis=1)
    together = (boxes[:, 1] - boxes[:, 0]).clip(0).prod(axis=1) + (box[1] - box[0]).clip(0).prod() - common
    share: Floats = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return share
