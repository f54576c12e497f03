"""The batches of several data modules side by side, for models that are trained as one stack."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning import LightningDataModule

from datamodules.base import PoseDataModule
from datamodules.sampling.pairs import PairLoader
from poses.batches import PairBatch


class StackedPairs(LightningDataModule):
    """Training gives batches of M members: poses [M, 2, B, 15, C] and Y [M, B]; validation the numbers 0 to M - 1.

    Args:
        members: a data module a member, set up; several may share what they have read.
    """

    def __init__(self, members: Sequence[PoseDataModule]) -> None:
        super().__init__()
        self.members = list(members)

    def train_dataloader(self) -> "StackedLoader":
        """The members' pairs, batch by batch."""
        return StackedLoader([member.pair_loader() for member in self.members])

    def val_dataloader(self) -> range:
        """A batch a member: its number."""
        return range(len(self.members))


class StackedLoader:
    """Batches of several loaders of one length, stacked.

    Args:
        loaders: one a member.
    """

    def __init__(self, loaders: Sequence[PairLoader]) -> None:
        self.loaders = list(loaders)
        self.sampler = self  # under this name Lightning finds `set_epoch`

    def set_epoch(self, epoch: int) -> None:
        """Tell every member's stream of pairs which epoch it is."""
        for loader in self.loaders:
            loader.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[PairBatch]:
        # Lightning stops at len() without exhausting the iterator: nothing may be left to do after the last yield.
        for batches in zip(*self.loaders, strict=False):
            yield {
                "poses": torch.stack([batch["poses"] for batch in batches]),
                "similar": torch.stack([batch["similar"] for batch in batches]),
            }

    def state_dict(self) -> dict[str, Any]:
        """Epoch and batches given out, which are the same for all members."""
        return self.loaders[0].state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches that `state` says were given out."""
        for loader in self.loaders:
            loader.load_state_dict(state)
