"""What runs the network: one class an engine, all with the same call."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from extraction.types import Floats, Image

Precision = Literal["fp32", "bf16", "fp16"]


class Engine(Protocol):
    """Runs a `Network` on up to `batch` crops, or windows of a video's frames.

    Attributes:
        batch: how many crops one call takes at the most.
    """

    batch: int

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        """What the network says of crops uint8 [B, h, w, 3], RGB, or windows [B, L, h, w, 3]; float32, first axis B.

        What is said of a crop depends neither on the others nor on how many there are, to the last bit.
        """
        ...


class Network(nn.Module):
    """A network that takes crops as they lie in memory: channels last, eight bits, not normalised.

    Windows of a video's frames are taken likewise, for bodies that want [B, 3, L, h, w]; the flip test is for images.

    Args:
        body: from normalised images [B, 3, h, w] to heatmaps [B, K, H, W], or to several tensors with first axis B.
        mean: of each channel, 0 to 255, in the order in which the body wants the channels.
        std: of each channel, likewise.
        rgb: whether the body wants red first; else blue.
        flip: channels of the heatmaps of the mirrored image, in the order of the image's own: the result is then the
            mean of both, the flip test. None: no flip test.
        shift: move the mirrored image's heatmaps one cell to the right, which networks trained without UDP want.

    Attributes:
        body: as above; engines may bring it to another precision.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (255.0, 255.0, 255.0),
        rgb: bool = True,
        flip: Sequence[int] | None = None,
        shift: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        self.mean: Tensor
        self.std: Tensor
        self.rgb = rgb
        self.flip = None if flip is None else list(flip)
        self.shift = shift

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Heatmaps of crops uint8 [B, h, w, 3], RGB; features of windows [B, L, h, w, 3]."""
        images = pixels.movedim(-1, 1).to(torch.float32)
        channels = (3, *[1] * (pixels.ndim - 2))
        if not self.rgb:
            images = images.flip(1)
        images = ((images - self.mean.view(channels)) / self.std.view(channels)).to(next(self.body.parameters()).dtype)
        heatmaps: Tensor | tuple[Tensor, ...] = self.body(images)
        if self.flip is None:
            return heatmaps
        assert isinstance(heatmaps, Tensor)
        mirrored = self.body(images.flip(3)).flip(3)[:, self.flip]
        if self.shift:
            mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=3)
        both: Tensor = (heatmaps + mirrored) * 0.5
        return both


def filled(pixels: Image, batch: int) -> Image:
    """The crops and black ones behind them: always `batch` of them, so that a network always does the same sums."""
    if len(pixels) == batch:
        return pixels
    if len(pixels) > batch:
        raise ValueError(f"{len(pixels)} crops for an engine that takes {batch}")
    return np.concatenate([pixels, np.zeros((batch - len(pixels), *pixels.shape[1:]), np.uint8)])
