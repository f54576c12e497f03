"""Embeddings of single poses, averaged over windows; the encoder trains with the head."""

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.sources.feature_source import WindowedPoses
from poses.skeleton import JOINTS


class PoseEmbeddings(WindowedPoses):
    """Each pose goes through a pose encoder, and the embeddings of a window are averaged.

    Args:
        encoder: poses [..., 15, 2] to embeddings [..., E].
        windows, length: see `WindowedPoses`.

    Raises:
        InputError: the encoder takes windows.
    """

    def __init__(self, encoder: nn.Module, windows: int = 20, length: int = 9) -> None:
        with torch.no_grad():
            made = encoder(torch.zeros(2, len(JOINTS), 2))
        if made.ndim != 2:
            raise InputError(
                f"PoseEmbeddings: {type(encoder).__name__} takes windows of poses, not single poses; take the source "
                "PoseSequences"
            )
        super().__init__(windows, length, made.shape[-1])
        self.encoder = encoder

    def forward(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to [B, W, E]."""
        return self.means(self.embed(clips))

    def embed(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to the embeddings [B, T, E] of each."""
        embedding: Tensor = self.encoder(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return embedding
