"""Embeddings of an encoder that was trained before, such as a GCN-PSN."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from datamodules.skeleton import JOINTS
from lightning_modules.sources.base import WindowedPoses
from lightning_modules.trained import data_options, load_encoder
from scoring.distances import unit


class TrainedEmbeddings(WindowedPoses):
    """Each pose goes through the encoder of a checkpoint; the unit embeddings of a window are averaged.

    Of unit length, because cosine distances are all that training gave a meaning.

    Args:
        checkpoint: of `python run.py fit`.
        frozen: keep its weights as they are; else they train on with the head.
        windows, length: see `WindowedPoses`.

    Attributes:
        trained_on: class of the data module of the checkpoint and its options.

    Raises:
        InputError: no checkpoint, or none whose encoder can be built.
    """

    def __init__(self, checkpoint: str, frozen: bool = True, windows: int = 20, length: int = 9) -> None:
        encoder = load_encoder(Path(checkpoint))
        with torch.no_grad():
            width = encoder(torch.zeros(1, len(JOINTS), 2)).shape[-1]
        super().__init__(windows, length, width)
        self.checkpoint = checkpoint
        self.trained_on = data_options(Path(checkpoint))
        self.frozen = frozen
        self.encoder = encoder.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Self:
        """What is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to [B, W, E]."""
        embedding: Tensor = self.encoder(clips.flatten(0, 1))
        return self.means(unit(embedding).unflatten(0, clips.shape[:2]))
