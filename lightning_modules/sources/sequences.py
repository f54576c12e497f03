"""Windows of poses, each seen as a sequence by an encoder that trains with the head."""

import torch
from torch import Tensor, nn

from lightning_modules.sources.feature_source import WindowedPoses
from poses.skeleton import JOINTS


class PoseSequences(WindowedPoses):
    """Each window of poses goes through a window encoder, such as `STGCNEncoder`.

    Args:
        encoder: windows of poses [..., L, 15, 2] to embeddings [..., E].
        windows, length: see `WindowedPoses`.
    """

    def __init__(self, encoder: nn.Module, windows: int = 10, length: int = 16) -> None:
        was_training = encoder.training
        with torch.no_grad():
            width = encoder.eval()(torch.zeros(1, length, len(JOINTS), 2)).shape[-1]
        encoder.train(was_training)
        super().__init__(windows, length, width)
        self.encoder = encoder

    def forward(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to [B, W, E]."""
        embedding: Tensor = self.encoder(self.cut(clips))
        return embedding
