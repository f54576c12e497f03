"""Batches of clips for validation, test and prediction."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poses.batches import ClipBatch
from poses.tracks import Tracks

POSES_PER_BATCH = 16_384
LEAST = 32
"""Poses that a clip counts as at the least: features of its windows may be served in their place."""


class ClipLoader:
    """Tracks sampled at T relative times, each with what is known of its clip.

    Under several processes each takes every W-th track and none is padded; only a process that would get nothing takes
    one that another has too (Lightning skips the hooks of an empty loader): `track` tells them apart.

    Args:
        tracks: the poses.
        table: what `ClipBatch` holds beside the poses, one row a track.
        chosen: [n] indices of the tracks to give out.
        frames_per_clip: T; 0 for no poses.
        rank, world_size: this process and how many there are.
    """

    def __init__(
        self,
        tracks: Tracks,
        table: dict[str, Tensor],
        chosen: np.ndarray[tuple[int], np.dtype[np.int64]],
        frames_per_clip: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.poses = torch.from_numpy(tracks.poses)
        self.rows = torch.from_numpy(tracks.moments(frames_per_clip))
        self.table = table
        self.every = torch.from_numpy(chosen)
        mine = chosen[rank::world_size] if len(chosen) > rank else chosen[:1]
        self.chosen = torch.from_numpy(np.ascontiguousarray(mine))
        self.batch_size = max(1, POSES_PER_BATCH // max(frames_per_clip, LEAST))

    def showing(self, poses: NDArray[np.float32]) -> "ClipLoader":
        """The same clips with other poses.

        Args:
            poses: [n, T, 15, C], one entry for each of the tracks that were chosen, in their order.
        """
        other = copy.copy(self)
        other.poses = torch.from_numpy(poses).flatten(0, 1)
        other.rows = torch.zeros_like(self.rows)
        other.rows[self.every] = torch.arange(len(other.poses)).view(len(poses), -1)
        return other

    def __len__(self) -> int:
        return -(-len(self.chosen) // self.batch_size)

    def __iter__(self) -> Iterator[ClipBatch]:
        for share in self.chosen.split(self.batch_size):
            known = {name: column[share] for name, column in self.table.items()}
            yield ClipBatch(poses=self.poses[self.rows[share]], track=share, **known)  # type: ignore[typeddict-item]
