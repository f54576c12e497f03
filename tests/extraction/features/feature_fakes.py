"""An extractor that says what it was shown, and clips whose frames say which they are."""

import time
from collections.abc import Sequence

import cv2
import numpy as np

from extraction.reading.media import ClipMedia
from extraction.types import Decision, Floats, Image, Weights

SIDE = 8  # of a crop


class Means:
    """The mean colour of every frame, and of the whole window: C = 6 x 3 numbers, from any number of frames.

    Args:
        batch: windows at once.
        length: frames that a window must have; None takes any number.
        broken: a shade of the first frame's red for which the network says NaN.
        delay: seconds that a batch takes.
        shift: added to everything, as other weights would.
        weights: name of the weights.
    """

    width = 18
    name = "Mean colours"

    def __init__(
        self,
        batch: int = 4,
        length: int | None = None,
        broken: int | None = None,
        delay: float = 0.0,
        shift: float = 0.0,
        weights: str = "random",
    ) -> None:
        self.batch = batch
        self.length = length
        self.broken = broken
        self.delay = delay
        self.shift = shift
        self.weights = Weights(weights, "0" * 64, "MIT")
        self.batches: list[int] = []
        self.decided: list[str | None] = []
        self.crops = 0

    def place(self, device: str) -> None:
        self.device = device

    def prepare(self, windows: Image, decided: str | None) -> Decision | None:
        self.decided.append(decided)
        return Decision(decided or "exact", "precision exact: nothing else to choose from")

    def crop(self, image: Image) -> Image:
        self.crops += 1
        return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)

    def network(self, windows: Image) -> Floats:
        assert windows.dtype == np.uint8
        assert windows.ndim == 5
        assert len(windows) <= self.batch
        self.batches.append(len(windows))
        time.sleep(self.delay)
        frames = windows.astype(np.float64).mean(axis=(2, 3))  # [B, L, 3]
        chosen = frames[:, np.linspace(0, frames.shape[1] - 1, 5).round().astype(int)]
        said = np.concatenate([chosen, frames.mean(axis=1, keepdims=True)], axis=1).reshape(len(windows), -1)
        if self.broken is not None:
            said[np.abs(frames[:, 0, 0] - self.broken) < 0.5] = np.nan
        return np.asarray(said + self.shift, np.float32)


def shades(count: int, first: int = 0, size: tuple[int, int] = (32, 24)) -> list[Image]:
    """Frames of one colour each, [h, w, 3]; no two of one clip are alike."""
    return [np.full((size[1], size[0], 3), (first + i, 2 * i % 256, 255 - i), np.uint8) for i in range(count)]


def said_of(images: Sequence[Image], frames: int, length: int, starts: Sequence[int]) -> Floats:
    """What `Means` says of a clip's windows, frame by frame."""
    rows = []
    for start in starts:
        window = []
        for k in range(start, start + length):
            place = k * (len(images) - 1) / (frames - 1)
            window.append(images[round(place)].reshape(-1, 3).mean(axis=0))
        chosen = [window[round(j * (length - 1) / 4)] for j in range(5)]
        rows.append(np.concatenate([*chosen, np.mean(window, axis=0)]))
    return np.array(rows, np.float32)


def ids(media: Sequence[ClipMedia]) -> list[str]:
    return [clip.clip_id for clip in media]
