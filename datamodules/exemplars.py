"""Which clips are compared with which in training by regression against exemplars, and their batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from datamodules.clips import Tracks
from errors import InputError
from scoring.clips import ExemplarBatch


@dataclass(frozen=True)
class ExemplarRule:
    """Pairs of a query and an exemplar: two different training clips of one action.

    Args:
        pairs_per_epoch: how many an epoch has; every clip is the query equally often, to one.

    Raises:
        InputError: out of range.
    """

    pairs_per_epoch: int = 2560

    def __post_init__(self) -> None:
        if self.pairs_per_epoch < 1:
            raise InputError(f"exemplar_pairs: pairs_per_epoch must be at least 1, got {self.pairs_per_epoch}")


class ExemplarSampler:
    """The stream of pairs, by seed and epoch alone: two processes share what one would draw.

    Args:
        action: [n] int64, of the training clips.
        rule: how many pairs.
        seed: of the stream.

    Raises:
        InputError: no action has two training clips.
    """

    def __init__(self, action: NDArray[np.int64], rule: ExemplarRule, seed: int) -> None:
        self.rule = rule
        self.seed = seed
        self.epoch = 0
        self.order = np.argsort(action, kind="stable")
        grouped = action[self.order]
        self.begin = np.searchsorted(grouped, grouped, side="left")
        self.end = np.searchsorted(grouped, grouped, side="right")
        self.paired = np.flatnonzero(self.end - self.begin > 1)
        if not len(self.paired):
            raise InputError(
                "exemplar_pairs: no action has two training clips, so that none can be compared with another of its "
                "action; give more clips"
            )
        if alone := len(action) - len(self.paired):
            rank_zero_warn(
                f"{alone} of {len(action)} training clips are the only one of their action: no pair is made of them."
            )

    def set_epoch(self, epoch: int) -> None:
        """Which epoch `draw` draws; Lightning calls this at the start of every epoch."""
        self.epoch = epoch

    def draw(self) -> NDArray[np.int64]:
        """Queries and exemplars of the epoch [2, P], numbers of training clips."""
        rng = np.random.default_rng([self.seed, self.epoch])
        count = self.rule.pairs_per_epoch
        rounds = -(-count // len(self.paired))
        query = np.concatenate([rng.permutation(self.paired) for _ in range(rounds)])[:count]
        other = self.begin[query] + rng.integers(0, self.end[query] - self.begin[query] - 1)
        other += other >= query  # skip the clip itself
        pairs: NDArray[np.int64] = self.order[np.stack([query, other])]
        return pairs


class ExemplarLoader:
    """Batches of an epoch's pairs, this process's share of each; the state in the middle of an epoch can be saved.

    Batch k of all processes together is pairs [k * B * W, (k + 1) * B * W) of the sampler, whatever W.

    Args:
        tracks: the poses of all clips, the training clips first.
        features: [K, W, C], clip features of all tracks.
        score: [K] float64, relative scores of all tracks.
        sampler: the stream of pairs.
        frames_per_clip: relative times at which poses are given.
        batch_size: pairs a process and batch (B).
        rank, world_size: this process and how many there are (W).

    Raises:
        InputError: pairs_per_epoch does not divide among the processes.
    """

    def __init__(
        self,
        tracks: Tracks,
        features: Tensor,
        score: Tensor,
        sampler: ExemplarSampler,
        frames_per_clip: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if sampler.rule.pairs_per_epoch % world_size:
            raise InputError(
                f"exemplar_pairs: pairs_per_epoch = {sampler.rule.pairs_per_epoch} does not divide among {world_size} "
                "processes; choose a multiple"
            )
        self.poses = torch.from_numpy(tracks.poses)
        self.rows = torch.from_numpy(tracks.moments(frames_per_clip))
        self.features = features
        self.score = score
        self.sampler = sampler  # under this name Lightning finds `set_epoch`
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.position = 0  # batches given out in this epoch
        self._resume: tuple[int, int] | None = None
        self._track_begin = np.searchsorted(tracks.clip, np.arange(tracks.clip.max() + 2))

    def __len__(self) -> int:
        return -(-self.sampler.rule.pairs_per_epoch // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[ExemplarBatch]:
        # Lightning stops at len() without exhausting the iterator: nothing may be left to do after the last yield.
        track = self._epoch()
        begin = 0
        if self._resume is not None and self._resume[0] == self.sampler.epoch:
            begin = self._resume[1]
        self._resume = None
        size = self.batch_size
        for batch in range(begin, len(self)):
            self.position = batch + 1
            share = track[:, batch * size : (batch + 1) * size]
            yield {"poses": self.poses[self.rows[share]], "features": self.features[share], "score": self.score[share]}

    def state_dict(self) -> dict[str, int]:
        """Epoch and batches given out, for a checkpoint."""
        return {"epoch": self.sampler.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that `state` says were given out, if the next epoch is still that one."""
        self._resume = (state["epoch"], state["position"])

    def _epoch(self) -> Tensor:
        """This process's tracks [2, n] of the whole epoch; of a clip with several performers one is drawn."""
        clips = self.sampler.draw()
        rng = np.random.default_rng([self.sampler.seed, self.sampler.epoch, 1])
        performers = self._track_begin[clips + 1] - self._track_begin[clips]
        track = self._track_begin[clips] + rng.integers(0, performers)
        return torch.from_numpy(np.ascontiguousarray(track[:, self.rank :: self.world_size]))
