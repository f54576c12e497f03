"""Which clips are compared with which in training by regression against exemplars, and their batches."""

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from datamodules.sampling.loaders import Content, EpochLoader, Sampler
from datamodules.sampling.rules import ExemplarRule
from errors import InputError
from poses.batches import ExemplarBatch


class ExemplarSampler(Sampler):
    """Draws the queries and exemplars of an epoch.

    Args:
        action: [n] int64, of the training clips.
        rule: how many pairs.
        seed: of the stream.

    Raises:
        InputError: no action has two training clips.
    """

    def __init__(self, action: NDArray[np.int64], rule: ExemplarRule, seed: int) -> None:
        super().__init__(action, np.argsort(action, kind="stable"), rule.pairs_per_epoch, seed)
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

    def draw(self) -> NDArray[np.int64]:
        """Queries and exemplars of the epoch [2, P], numbers of training clips."""
        rng = np.random.default_rng([self.seed, self.epoch])
        count = self.pairs_per_epoch
        rounds = -(-count // len(self.paired))
        query = np.concatenate([rng.permutation(self.paired) for _ in range(rounds)])[:count]
        other = self.begin[query] + rng.integers(0, self.end[query] - self.begin[query] - 1)
        other += other >= query  # skip the clip itself
        pairs: NDArray[np.int64] = self.order[np.stack([query, other])]
        return pairs


class ExemplarLoader(EpochLoader[ExemplarSampler, Tensor, ExemplarBatch]):
    """Batches of pairs of clips; see `EpochLoader`.

    Args:
        content: of all tracks.
        clip: [K] int64, index of each track's clip.
        score: [K] float64, relative scores of all tracks.
        sampler: the stream of pairs.
        batch_size, rank, world_size: see `EpochLoader`.
    """

    def __init__(
        self,
        content: Content,
        clip: NDArray[np.int64],
        score: Tensor,
        sampler: ExemplarSampler,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__("exemplar_pairs", clip, sampler, batch_size, rank, world_size)
        self.content = content
        self.score = score

    def _epoch(self) -> Tensor:
        """This process's tracks [2, n] of the whole epoch."""
        return torch.from_numpy(np.ascontiguousarray(self._tracks_of(self.sampler.draw())[:, self._mine]))

    def _batch(self, epoch: Tensor, share: slice) -> ExemplarBatch:
        track = epoch[:, share]
        return {"content": self.content[track], "score": self.score[track]}
