"""What a video feature extractor takes and gives; the protocol that makes each of them one file."""

from typing import Protocol

from extraction.types import Decision, Floats, Image, Weights


class Extractor(Protocol):
    """From windows of frames to features.

    Attributes:
        name: for the cache's provenance and the screen.
        weights: which weights run.
        width: C, how many numbers the features of a window are.
        length: how many frames a window must have; None: any number from 8.
        batch: how many windows `network` takes at once at the most.
    """

    name: str
    weights: Weights
    width: int
    length: int | None
    batch: int

    def place(self, device: str) -> None:
        """Called once before use: run on "cpu", "cuda:0", ...."""
        ...

    def crop(self, image: Image) -> Image:
        """The part of a frame that the network sees, resized; called from several threads.

        Args:
            image: uint8 [H, W, 3], RGB.

        Returns:
            uint8 [h, w, 3], of one size for all frames; the network normalises.
        """
        ...

    def network(self, windows: Image) -> Floats:
        """Features of windows.

        What is said of a window depends neither on the others nor on how many there are, to the last bit.

        Args:
            windows: uint8 [B, L, h, w, 3], cropped frames in order, B at most `batch`.

        Returns:
            [B, C] float32.
        """
        ...

    def prepare(self, windows: Image, decided: str | None) -> Decision | None:
        """Called once, with the first windows of a run [B, L, h, w, 3]: time to choose a precision.

        Args:
            windows: cropped frames.
            decided: what was chosen before for the same cache; then the same again.

        Returns:
            What was chosen; None if there was nothing to choose.
        """
        ...
