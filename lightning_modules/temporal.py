"""Temporal heads: from the embeddings of a clip's single poses to those of fewer moments."""

import torch
from torch import Tensor, nn

from errors import InputError
from scoring.distances import unit


class SegmentMean(nn.Module):
    """The mean of the unit embeddings in each of S equal segments of the clip.

    A single pose of a video is off by its estimator's error, and by where in a movement the moment happens to fall. The
    mean over a segment is off by less; and with an encoder that is not linear it says more than the mean pose does: for
    random Fourier features it is the mean embedding of the segment's poses in the space of a kernel.

    Only relative times enter: as many poses are taken from a short clip as from a long one.

    Args:
        segments: S; a divisor of the number of poses, the data module's `frames_per_clip`.

    Shapes:
        input [..., T, E], output [..., S, E].
    """

    def __init__(self, segments: int = 20) -> None:
        super().__init__()
        if segments < 1:
            raise InputError(f"SegmentMean: segments is {segments}, expected 1 or more")
        self.segments = segments

    def forward(self, embedding: Tensor) -> Tensor:
        """See the class.

        Raises:
            InputError: the poses do not divide among the segments.
        """
        times = embedding.shape[-2]
        if times % self.segments:
            raise InputError(
                f"temporal_head: {times} poses a clip do not divide among {self.segments} segments; give "
                f"--data.frames_per_clip a multiple of {self.segments}"
            )
        return torch.mean(unit(embedding).unflatten(-2, (self.segments, -1)), dim=-2)
