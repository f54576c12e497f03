"""A made-up world whose people are upright bars, white above and grey below, and what finds them there."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from errors import InputError
from extraction.reading.media import ClipMedia
from extraction.types import Crop, Decision, Floats, Frame, Image, Keypoints, People, Weights
from poses.skeleton import KEYPOINTS, Source

HIGH, LOW = 255, 90
SIDE = 16  # of a crop
_SIDEWAYS = np.array(["left" in name for name in KEYPOINTS["coco17"]])
_HEIGHT = {"nose": 0.05, "eye": 0.03, "ear": 0.05, "shoulder": 0.2, "elbow": 0.35, "wrist": 0.5, "hip": 0.55}
_HEIGHT |= {"knee": 0.75, "ankle": 0.95}
PLACES = np.array(
    [
        (0.5 if name == "nose" else 0.3 + 0.4 * left, _HEIGHT[name.split("_")[-1]])
        for name, left in zip(KEYPOINTS["coco17"], _SIDEWAYS, strict=True)
    ]
)
"""[17, 2], where a person's keypoints are, as shares of the box."""


def picture(*people: tuple[int, int, int, int], turns: int = 0, size: tuple[int, int] = (160, 120)) -> Image:
    """An image [h, w, 3] with people at (left, top, width, height), the whole turned clockwise by quarter turns."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for left, top, width, height in people:
        image[top : top + height, left : left + width] = LOW
        image[top : top + height // 2, left : left + width] = HIGH
    return np.ascontiguousarray(np.rot90(image, -turns))


def keypoints_of(left: float, top: float, width: float, height: float) -> Floats:
    """[17, 2], where the keypoints of a person are."""
    return np.asarray(np.array([left, top]) + PLACES * (width - 1, height - 1), np.float32)


def write_photograph(path: Path, image: Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def write_frames(folder: Path, images: Sequence[Image]) -> Path:
    """A clip as a folder of frames, numbered from 1."""
    for number, image in enumerate(images, 1):
        write_photograph(folder / f"img_{number:05d}.png", image)
    return folder


def walking(frames: int, start: int = 10, step: int = 3, top: int = 40) -> list[Image]:
    """Somebody walks to the right."""
    return [picture((start + step * frame, top, 20, 60)) for frame in range(frames)]


def photograph(path: Path, clip_id: str | None = None) -> ClipMedia:
    return ClipMedia(clip_id or path.stem, "photographs", (path,), (0,), None, path.parent)


def frame_folder(folder: Path, performers: int = 1) -> ClipMedia:
    files = tuple(sorted(folder.glob("*.png")))
    numbers = tuple(int(path.stem.split("_")[1]) for path in files)
    return ClipMedia(folder.name, "clips", files, numbers, performers, folder)


class BarDetector:
    """Finds everything that is not black; refuses the clip `broken`.

    Args:
        broken: id of a clip.
        delay: seconds that a chunk of frames takes.
    """

    name = "bars"
    weights = Weights("none", None, "Apache-2.0")

    def __init__(self, broken: str = "", delay: float = 0.0) -> None:
        self.broken = broken
        self.delay = delay

    def place(self, device: str) -> None:
        self.device = device

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        assert len({frame.image.shape for frame in frames}) == 1
        if clip_id == self.broken:
            raise InputError(f"no boxes for clip {clip_id!r}; give some")
        if self.delay:
            import time

            time.sleep(self.delay)
        return [self._one(frame.image) for frame in frames]

    def _one(self, image: Image) -> People:
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > LOW // 2).astype(np.uint8))
        left, top, width, height = stats[1:, :4].astype(np.float32).T
        boxes = np.stack([left, top, left + width - 1, top + height - 1], axis=1)
        return People(boxes, np.ones(len(boxes), np.float32))


class BarEstimator:
    """Puts keypoints where the bars of `picture` have them; sure of itself only where the white half is above.

    Args:
        batch: crops at once.
        second_look: whether to ask for another look, and to be a pixel off in the first.
    """

    name = "bars"
    weights = Weights("random", "0" * 64, "MIT")
    layout: Source = "coco17"

    def __init__(self, batch: int = 4, second_look: bool = False) -> None:
        self.batch = batch
        self.second_look = second_look
        self.batches: list[int] = []
        self.decided: list[str | None] = []

    def place(self, device: str) -> None:
        self.device = device

    def prepare(self, pixels: Image, decided: str | None) -> Decision | None:
        self.decided.append(decided)
        return Decision(decided or "exact", "precision exact: nothing else to choose from")

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        left, top, right, bottom = box
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
        if roi is None and self.second_look:
            corners += 1
        corners = np.roll(corners, -turns, axis=0)  # the crop's top left corner is where the body's is
        end = SIDE - 1
        target = np.array([(0, 0), (end, 0), (end, end)], np.float32)
        to_image = cv2.getAffineTransform(target, corners[:3])
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(image, to_image, (SIDE, SIDE), flags=flags)
        return Crop(np.asarray(pixels, np.uint8), np.asarray(to_image, np.float64))

    def network(self, pixels: Image) -> tuple[Floats, ...]:
        assert pixels.dtype == np.uint8
        assert len(pixels) <= self.batch
        self.batches.append(len(pixels))
        halves = pixels.reshape(len(pixels), 2, -1).astype(np.float32).mean(axis=2)
        return (halves,)

    def decode(self, raw: tuple[Floats, ...], crops: Sequence[Crop]) -> Keypoints:
        (halves,) = raw
        points = np.concatenate([PLACES * (SIDE - 1), np.ones((len(PLACES), 1))], axis=1)
        xy = np.stack([points @ crop.to_image.T for crop in crops]).astype(np.float32)
        sure = np.where(halves[:, 0] > halves[:, 1] + 50, 0.9, 0.25).astype(np.float32)
        confidence = np.repeat(sure[:, None], len(PLACES), axis=1)
        return Keypoints(xy, confidence, np.ones((len(crops), 4), np.float32) if self.second_look else None)
