"""Embeddings of an encoder that was trained before, such as a GCN-PSN."""

from pathlib import Path
from typing import Self

from torch import Tensor

from lightning_modules.sources.embeddings import PoseEmbeddings
from run_folder.trained import load_encoder
from scoring.distances import unit


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
