"""Batches of clips for validation, test and prediction."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from poses.batches import ClipBatch, TrackFacts

POSES_PER_BATCH = 16_384
LEAST = 32
"""Poses that a clip counts as at the least: it may have a few windows of features in their place."""


class Content(Protocol):
    """What tracks consist of; a tensor [K, ...] is one."""

    def __getitem__(self, track: Tensor, /) -> Tensor:
        """Poses [..., T, 15, C] or features [..., W, C] of tracks [...]."""
        ...


class ClipLoader:
    """Tracks, each with its content and what is known of its clip.

    Under several processes each takes every W-th track and none is padded; only a process that would get nothing takes
    one that another has too (Lightning skips the hooks of an empty loader): `track` tells them apart.

    Args:
        content: of all tracks.
        facts: of all tracks.
        chosen: [n] indices of the tracks to give out.
        rank, world_size: this process and how many there are.
    """

    def __init__(
        self,
        content: Content,
        facts: TrackFacts,
        chosen: np.ndarray[tuple[int], np.dtype[np.int64]],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.content = content
        self.facts = facts
        mine = chosen[rank::world_size] if len(chosen) > rank else chosen[:1]
        self.chosen = torch.from_numpy(np.ascontiguousarray(mine))
        self.batch_size = max(1, POSES_PER_BATCH // max(content[self.chosen[:1]].shape[1], LEAST))

    def __len__(self) -> int:
        return -(-len(self.chosen) // self.batch_size)

    def __iter__(self) -> Iterator[ClipBatch]:
        for share in self.chosen.split(self.batch_size):
            yield ClipBatch(content=self.content[share], **vars(self.facts[share]))
