"""What detectors, estimators and feature extractors take and give; the protocols that make each of them one file.

Images are uint8 [H, W, 3], RGB. Coordinates are pixels, x to the right, y down; (0, 0) is
the middle of the first pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from poses.skeleton import Source

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """Which weights ran.

    Attributes:
        name: what a reader can look up: a file's or a model's name.
        sha256: hash of the weights file (hexadecimal); None if there is no file, as with given boxes or random weights.
        licence: SPDX name, or "unknown".
    """

    name: str
    sha256: str | None
    licence: str


class Frame(NamedTuple):
    """One image of a clip.

    Attributes:
        number: frame number as in the cache.
        time: seconds from the clip's beginning; NaN where unknown.
        image: uint8 [H, W, 3], RGB.
    """

    number: int
    time: float
    image: Image


class People(NamedTuple):
    """N people found in one image, N may be 0.

    Shapes:
        boxes: [N, 4] float32, left, top, right, bottom; may reach out of the image.
        score: [N] float32 in [0, 1]; 1 for given boxes.
        roi: [N, 4] float32, or None: x and y of the middle, side in pixels and rotation in radians (clockwise, as seen)
            of a square in which the body stands upright, from detectors that know it.
    """

    boxes: Floats
    score: Floats
    roi: Floats | None = None


class Crop(NamedTuple):
    """A person, cut out for the network.

    Attributes:
        pixels: uint8 [h, w, 3], RGB; the network normalises.
        to_image: [2, 3] float64, affine map of crop pixels (x, y, 1) to image pixels.
    """

    pixels: Image
    to_image: npt.NDArray[np.float64]


class Keypoints(NamedTuple):
    """Keypoints of B people in the estimator's own layout.

    Shapes:
        xy: [B, K, 2] float32, image pixels.
        confidence: [B, K] float32 in [0, 1].
        roi: [B, 4] float32 as in `People`, or None: where the estimator would look if it looked again.
    """

    xy: Floats
    confidence: Floats
    roi: Floats | None = None


class Decision(NamedTuple):
    """What an estimator or extractor chose on the first crops or windows of a run.

    Attributes:
        choice: such as "bf16"; given back to `prepare` when the run goes on another time.
        line: for the screen: what was chosen and why.
    """

    choice: str
    line: str


class Placed(Protocol):
    """What has a network.

    Attributes:
        name: for the cache's provenance and the screen.
        weights: which weights run.
    """

    name: str
    weights: Weights

    def place(self, device: str) -> None:
        """Called once before use: run on "cpu", "cuda:0", ...."""
        ...


class Detector(Placed, Protocol):
    """Finds people."""

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """The people of each frame, best first; all frames are of one clip and one size, in order."""
        ...


class Prepares(Placed, Protocol):
    """Has something to choose when it sees what it is to look at.

    Attributes:
        batch: how many crops or windows `network` takes at once at the most. What is said of one depends neither on the
            others nor on how many there are, to the last bit.
    """

    batch: int

    def prepare(self, pixels: Image, decided: str | None, /) -> Decision | None:
        """Called once, with the first crops [B, h, w, 3] or windows [B, L, h, w, 3] of a run: choose a precision.

        Args:
            pixels: the crops, or windows of cropped frames.
            decided: what was chosen before for the same cache; then the same again.

        Returns:
            What was chosen; None if there was nothing to choose.
        """
        ...


class Estimator(Prepares, Protocol):
    """Finds a person's keypoints: `decode(network(crops), crops)`.

    Attributes:
        layout: a key of `poses.skeleton.KEYPOINTS`.
    """

    layout: Source

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        """Cut a person out; called from several threads.

        Args:
            image: uint8 [H, W, 3].
            box: [4].
            roi: [4] as in `People`, used instead of the box by estimators that know what to do with it.
            turns: by how many quarter turns the body is turned clockwise in the image: 2 cuts a person who stands on
                the head out so that the crop shows the head up.
        """
        ...

    def network(self, pixels: Image) -> tuple[Floats, ...]:
        """What the network says of crops uint8 [B, h, w, 3], B at most `batch`; float32 arrays, first axis B."""
        ...

    def decode(self, raw: tuple[Floats, ...], crops: Sequence[Crop]) -> Keypoints:
        """Keypoints in image pixels from what the network said of the same B crops."""
        ...


class Extractor(Prepares, Protocol):
    """From windows of frames to clip features.

    Attributes:
        width: C, how many numbers the features of a window are.
        length: how many frames a window must have; None: any number from 8.
    """

    width: int
    length: int | None

    def crop(self, image: Image) -> Image:
        """The part of a frame that the network sees, resized; called from several threads.

        Args:
            image: uint8 [H, W, 3], RGB.

        Returns:
            uint8 [h, w, 3], of one size for all frames; the network normalises.
        """
        ...

    def network(self, windows: Image) -> Floats:
        """Features [B, C] float32 of windows uint8 [B, L, h, w, 3], cropped frames in order, B at most `batch`."""
        ...
