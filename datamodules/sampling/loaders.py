"""Loaders: of clips to score, and what loaders of training pairs share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from errors import InputError
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


class Sampler:
    """A stream of pairs of training clips, by seed and epoch alone: several processes share what one would draw.

    Args:
        action: [n] int64, of the training clips.
        order: [n] int64, the clips sorted by action; place i of the sampler is clip order[i], and the places of its
            action are [begin[i], end[i]).
        pairs_per_epoch: of all processes together.
        seed: of the stream.
    """

    def __init__(self, action: NDArray[np.int64], order: NDArray[np.int64], pairs_per_epoch: int, seed: int) -> None:
        self.order = order
        self.pairs_per_epoch = pairs_per_epoch
        self.seed = seed
        self.epoch = 0
        self.begin, self.end = (np.searchsorted(action[order], action[order], side) for side in ("left", "right"))

    def set_epoch(self, epoch: int) -> None:
        """Which epoch is drawn; Lightning calls this at the start of every epoch."""
        self.epoch = epoch


E = TypeVar("E")
B = TypeVar("B")
S = TypeVar("S", bound=Sampler)


class EpochLoader(ABC, Generic[S, E, B]):
    """Batches of an epoch's pairs, this process's share of each; the state in the middle of an epoch can be saved.

    Batch k of all processes together is pairs [k * B * W, (k + 1) * B * W) of the sampler, whatever W: the effective
    batch is `batch_size` times the number of processes.

    Args:
        option: what the sampler's rule is called in a config.
        clip: [K] int64, index of each track's clip: the training clips come first, in the order of the sampler's clips.
        sampler: the stream of pairs.
        batch_size: pairs a process and batch (B).
        rank, world_size: this process and how many there are (W).

    Raises:
        InputError: pairs_per_epoch does not divide among the processes.
    """

    def __init__(
        self, option: str, clip: NDArray[np.int64], sampler: S, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if sampler.pairs_per_epoch % world_size:
            raise InputError(
                f"{option}: pairs_per_epoch = {sampler.pairs_per_epoch} does not divide among {world_size} "
                "processes; choose a multiple"
            )
        self.sampler = sampler  # under this name Lightning finds `set_epoch`
        self.batch_size = batch_size
        self.position = 0  # batches given out in this epoch
        self._mine = slice(rank, None, world_size)  # B consecutive ones of these lie in [k B W, (k + 1) B W)
        self._world_size = world_size
        self._resume: tuple[int, int] | None = None
        self._track_begin = np.searchsorted(clip, np.arange(clip.max() + 2))

    @abstractmethod
    def _epoch(self) -> E:
        """This process's pairs of the whole epoch."""

    @abstractmethod
    def _batch(self, epoch: E, share: slice) -> B:
        """Some of them."""

    def __len__(self) -> int:
        return -(-self.sampler.pairs_per_epoch // (self.batch_size * self._world_size))

    def __iter__(self) -> Iterator[B]:
        # Lightning stops at len() without exhausting the iterator: nothing may be left to do after the last yield.
        epoch = self._epoch()
        begin = 0
        if self._resume is not None and self._resume[0] == self.sampler.epoch:
            begin = self._resume[1]
        self._resume = None
        size = self.batch_size
        for batch in range(begin, len(self)):
            self.position = batch + 1
            yield self._batch(epoch, slice(batch * size, (batch + 1) * size))

    def state_dict(self) -> dict[str, int]:
        """Epoch and batches given out, for a checkpoint."""
        return {"epoch": self.sampler.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that `state` says were given out, if the next epoch is still that one."""
        self._resume = (state["epoch"], state["position"])

    def _tracks_of(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """A track of each clip [2, P]; of one with several performers one is drawn."""
        rng = np.random.default_rng([self.sampler.seed, self.sampler.epoch, 1])
        performers = self._track_begin[clips + 1] - self._track_begin[clips]
        track: NDArray[np.int64] = self._track_begin[clips] + rng.integers(0, performers)
        return track
