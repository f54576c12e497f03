"""Sources of clip features from poses: coordinates, embeddings of single poses or of windows, trained before or not."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.sources.feature_source import WindowedPoses
from poses.skeleton import JOINTS
from run_folder.trained import load_encoder
from scoring.distances import unit


class Coordinates(WindowedPoses):
    """The mean pose of each window, x and y of 15 joints: nothing is learnt before the head.

    Args:
        windows, length: see `WindowedPoses`.
    """

    def __init__(self, windows: int = 20, length: int = 9) -> None:
        super().__init__(windows, length, 2 * len(JOINTS))

    def forward(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to [B, W, 30]."""
        return self.means(clips[..., :2].flatten(2))


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


class TrainedEmbeddings(PoseEmbeddings):
    """Each pose goes through the encoder of a checkpoint; the unit embeddings of a window are averaged.

    Of unit length, because cosine distances are all that training gave a meaning.

    Args:
        checkpoint: of `python run.py fit`, which refuses one that was trained on other parts of the same data.
        frozen: keep its weights as they are; else they train on with the head.
        windows, length: see `WindowedPoses`.

    Raises:
        InputError: no checkpoint, or none whose encoder can be built.
    """

    def __init__(self, checkpoint: str, frozen: bool = True, windows: int = 20, length: int = 9) -> None:
        super().__init__(load_encoder(Path(checkpoint)).requires_grad_(not frozen), windows, length)
        self.frozen = frozen

    def train(self, mode: bool = True) -> Self:
        """What is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def embed(self, clips: Tensor) -> Tensor:
        """See `PoseEmbeddings`; of unit length."""
        return unit(super().embed(clips))


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
