"""BlazePose's landmarks: 33 keypoints of a person, upright in a square crop around the middle of the hips.

Numbers and steps are those of MediaPipe's graphs `pose_landmark_by_roi_cpu.pbtxt` and
`tensors_to_pose_landmarks_and_segmentation.pbtxt`.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from extraction.engines.blazepose_network import BlazePoseNetwork, crop_to_image, roi_from_points
from extraction.types import Crop, Decision, Floats, Image, Keypoints
from extraction.weights.blazepose_weights import blazepose_file, blazepose_weights
from poses.skeleton import Source

SIDE: Final = 256
LANDMARKS: Final = 33
POINTS: Final = 35  # the landmarks, the middle of the hips, the point that gives size and direction
BOX_MARGIN: Final = 1.4  # side of the first crop over longer side of the box: nobody was lost, with 1.25 two of 17 were
MIN_PRESENCE: Final = 0.5
WINDOW: Final = 7  # side of the part of a heatmap that a landmark is refined in
MIN_PEAK: Final = 0.5


class BlazePoseEstimator:
    """Finds a person's 33 landmarks by BlazePose (the variant "full"), in fp32 on the processor.

    With only a box to go by, the first look is at a square around it; what the network says of the body's middle, size
    and direction is returned as `Keypoints.roi`, for a second look: its errors are about a sixth smaller.

    Confidence is the landmark's visibility: how likely it is in the picture and not hidden. MediaPipe's "presence" (in
    the picture, hidden or not) does not enter. Where the network sees no person, all confidences are 0.

    Raises:
        InputError: the weights are not there and cannot be fetched.
    """

    layout: Source = "blazepose33"

    def __init__(self) -> None:
        self.name = "blazepose"
        self.weights = blazepose_weights("landmarks")
        self.batch = 8
        self._network = BlazePoseNetwork(blazepose_file("landmarks"), outputs=(0, 1, 3), mean=0.0, scale=255.0)

    def place(self, device: str) -> None:
        """Whatever the device, OpenVINO runs it on the processor."""

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        """The square of `roi`, or else one around the box, turned so that the body is upright; black outside."""
        if roi is None:
            side = BOX_MARGIN * float((box[2:] - box[:2]).max())
            roi = np.array([*(box[:2] + box[2:]) / 2, side, 0], np.float32)
        to_image = crop_to_image(roi + np.array([0, 0, 0, turns * np.pi / 2]), SIDE)
        pixels = cv2.warpAffine(image, to_image, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return Crop(np.asarray(pixels, np.uint8), to_image)

    def network(self, pixels: Image) -> tuple[Floats, ...]:
        """Landmarks [B, 195], presence of a person [B, 1] and heatmaps [B, 64, 64, 39] of crops [B, 256, 256, 3]."""
        return self._network(pixels)

    def decode(self, raw: tuple[Floats, ...], crops: Sequence[Crop]) -> Keypoints:
        """Keypoints in image pixels, and where to look again; no second look (NaN) where nobody was seen."""
        landmarks, presence, heatmaps = raw
        landmarks = landmarks.reshape(len(crops), -1, 5)[:, :POINTS]
        seen = presence[:, 0] >= MIN_PRESENCE
        xy = refine(landmarks[..., :2], heatmaps[..., :POINTS])
        to_image = np.stack([crop.to_image for crop in crops])
        xy = (xy @ to_image[:, :, :2].transpose(0, 2, 1) + to_image[:, None, :, 2]).astype(np.float32)
        visibility = np.where(seen[:, None], sigmoid(landmarks[:, :LANDMARKS, 3]), np.float32(0))
        roi = np.where(seen[:, None], roi_from_points(xy[:, LANDMARKS], xy[:, LANDMARKS + 1]), np.float32(np.nan))
        return Keypoints(xy[:, :LANDMARKS], visibility, roi)

    def prepare(self, pixels: Image, decided: str | None) -> Decision | None:
        """Nothing to choose: fp32."""
        return None


def refine(xy: Floats, heatmaps: Floats) -> Floats:
    """Landmarks moved to the middle of what their heatmaps show around them, where that is sure enough.

    Args:
        xy: [B, K, 2] crop pixels.
        heatmaps: [B, h, w, K] logits.

    Returns:
        [B, K, 2]; unchanged where the landmark lies outside the crop or its heatmap's peak near it is under `MIN_PEAK`.
    """
    people, height, width, count = heatmaps.shape
    cell = np.array([SIDE / width, SIDE / height], np.float32)
    middle = np.trunc(xy / cell).astype(np.int64)
    inside = ((middle >= 0) & (middle < [width, height])).all(axis=-1)
    reach = np.arange(WINDOW) - WINDOW // 2
    column = middle[..., 0, None] + reach  # [B, K, 7]
    row = middle[..., 1, None] + reach
    person, point = np.ogrid[:people, :count]
    window = heatmaps[
        person[..., None, None],
        row.clip(0, height - 1)[..., :, None],
        column.clip(0, width - 1)[..., None, :],
        point[..., None, None],
    ]
    exists = ((row >= 0) & (row < height))[..., :, None] & ((column >= 0) & (column < width))[..., None, :]
    weight = np.where(exists, sigmoid(window), np.float32(0))
    total = weight.sum(axis=(-2, -1))
    refined = (
        np.stack([(weight.sum(axis=-2) * column).sum(axis=-1), (weight.sum(axis=-1) * row).sum(axis=-1)], axis=-1)
        / np.maximum(total, np.finfo(np.float32).tiny)[..., None]
    )
    sure = inside & (weight.max(axis=(-2, -1)) >= MIN_PEAK)
    return np.where(sure[..., None], refined * cell, xy).astype(np.float32)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-logits))."""
    share: Floats = (1 / (1 + np.exp(-logits.clip(-80, 80)))).astype(np.float32)
    return share
