"""The pairs of poses that train the Siamese network: one global, seeded stream, drawn without Python per pair."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.sampling.loaders import EpochLoader, Sampler
from datamodules.sampling.rules import PairRule
from errors import InputError
from poses.batches import PairBatch
from poses.tracks import Tracks


@dataclass(frozen=True)
class Pairs:
    """Clip indices [n], relative times [n] in [0, 1) and Y of eq. (4) [n] of n pairs."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_time: NDArray[np.float64]
    second_time: NDArray[np.float64]
    similar: NDArray[np.float32]


class PairSampler(Sampler):
    """Draws the pairs of an epoch; the same (seed, epoch) gives the same pairs on every machine and process count.

    Args:
        action: [N] int64, action of each training clip.
        score: [N] float64, its score.
        rule: which pairs.
        seed: seed of the stream.

    Raises:
        InputError: there are no similar pairs, or no dissimilar ones.
    """

    def __init__(self, action: NDArray[np.int64], score: NDArray[np.float64], rule: PairRule, seed: int) -> None:
        # Sorted by action, then score: an action is a run, its high scores and its far scores are ends of that run.
        super().__init__(action, np.lexsort((score, action)), rule.pairs_per_epoch, seed)
        self.rule = rule
        action, score = action[self.order], score[self.order]
        self.high = np.empty(len(action), dtype=np.int64)  # where the clips above the action's median begin
        self.low_begin, self.low_end = np.empty((2, len(action)), dtype=np.int64)  # far below: [low_begin, low_end)
        self.far_begin, self.far_end = np.empty((2, len(action)), dtype=np.int64)  # and far above
        self.scaled = np.zeros(len(action))  # scores in standard deviations of the action's
        for begin in np.unique(self.begin):
            run = slice(begin, self.end[begin])
            scores = score[run]
            self.high[run] = begin + np.searchsorted(scores, np.median(scores), side="right")
            self.low_begin[run] = self.low_end[run] = begin
            self.far_begin[run] = self.far_end[run] = self.end[begin]
            if scores[0] == scores[-1]:  # their deviation may be above 0 by rounding
                continue
            deviation = scores.std()
            self.scaled[run] = scores / deviation
            gap = rule.score_gap * deviation
            self.low_end[run] = begin + np.searchsorted(scores, scores - gap, side="right")
            self.far_begin[run] = begin + np.searchsorted(scores, scores + gap, side="left")
            if rule.score_gap_limit is not None:
                limit = rule.score_gap_limit * deviation
                self.low_begin[run] = begin + np.searchsorted(scores, scores - limit, side="left")
                self.far_end[run] = begin + np.searchsorted(scores, scores + limit, side="right")
        place = np.arange(len(action))
        self.similar_anchors = np.flatnonzero((place >= self.high) & (self.end - self.high >= 2))
        self.far_anchors = np.flatnonzero((self.low_end > self.low_begin) | (self.far_end > self.far_begin))
        self.graded_anchors = np.flatnonzero(self.end - self.begin >= 2)
        self.other_exists = bool(len(action)) and bool((self.end - self.begin < len(action)).any())
        self._check(len(np.unique(action)))

    def _check(self, actions: int) -> None:
        rule = self.rule
        if rule.graded:
            if not self.scaled.any():
                raise InputError(
                    f"no graded pairs: none of the {actions} actions has two training clips with different scores; add "
                    "clips"
                )
            return
        if not len(self.similar_anchors):
            raise InputError(
                f"no similar pairs: none of the {actions} actions has two training clips scored above its median; give "
                "at least four clips with different scores for one action"
            )
        if not len(self.far_anchors) and not self.other_exists:
            limit = "" if rule.score_gap_limit is None else f" to {rule.score_gap_limit:g}"
            raise InputError(
                "no dissimilar pairs: there is one action and none of its training scores differ by "
                f"{rule.score_gap:g}{limit} standard deviations; widen pairs.score_gap or add clips or actions"
            )

    def draw(self) -> Pairs:
        """All pairs of the epoch, shuffled."""
        rng = np.random.default_rng([self.seed, self.epoch])
        rule, count = self.rule, self.pairs_per_epoch
        similar = min(max(round(count * rule.similar_share), 1), count - 1)
        other = round((count - similar) * rule.other_action_share) if self.other_exists else 0
        if rule.graded:
            similar = count - other
        elif not len(self.far_anchors):
            other = count - similar
        far = count - similar - other
        alike = self._graded if rule.graded else self._similar
        parts = [alike(rng, similar), self._other_action(rng, other), self._far(rng, far)]
        first, second = (np.concatenate([part[i] for part in parts]) for i in range(2))
        first_time, second_time = rng.random((2, count))
        if rule.matching == "time":
            second_time[:similar] = first_time[:similar]
            second_time[similar + other :] = first_time[similar + other :]
        target = np.zeros(count, dtype=np.float32)
        difference = np.abs(self.scaled[first] - self.scaled[second])[:similar]
        target[:similar] = np.exp(-difference) if rule.graded else 1
        shuffle = rng.permutation(count)
        return Pairs(
            self.order[first][shuffle],
            self.order[second][shuffle],
            first_time[shuffle],
            second_time[shuffle],
            target[shuffle],
        )

    def _similar(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = rng.choice(self.similar_anchors, count)
        second = self.high[first] + rng.integers(0, self.end[first] - self.high[first] - 1)
        return first, second + (second >= first)  # skip the clip itself

    def _graded(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = rng.choice(self.graded_anchors, count)
        second = self.begin[first] + rng.integers(0, self.end[first] - self.begin[first] - 1)
        return first, second + (second >= first)  # skip the clip itself

    def _other_action(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        first = rng.integers(0, len(self.order), count)
        size = self.end[first] - self.begin[first]
        second = rng.integers(0, len(self.order) - size)
        return first, second + np.where(second >= self.begin[first], size, 0)  # skip the action itself

    def _far(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        first = rng.choice(self.far_anchors, count)
        below = self.low_end[first] - self.low_begin[first]
        choice = rng.integers(0, below + self.far_end[first] - self.far_begin[first])
        return first, np.where(choice < below, self.low_begin[first] + choice, self.far_begin[first] + choice - below)


class PairLoader(EpochLoader[PairSampler, tuple[Tensor, Tensor], PairBatch]):
    """Batches of pairs of poses; see `EpochLoader`.

    Args:
        tracks: poses, those of the training clips first.
        sampler: the stream of pairs.
        batch_size, rank, world_size: see `EpochLoader`.
    """

    def __init__(
        self, tracks: Tracks, sampler: PairSampler, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__("pairs", tracks.clip, sampler, batch_size, rank, world_size)
        self.tracks = tracks
        self.poses = torch.from_numpy(tracks.poses)

    def _epoch(self) -> tuple[Tensor, Tensor]:
        """This process's poses [2, n, 15, 2] and Y [n] of the whole epoch, gathered at once: batches are views."""
        pairs = self.sampler.draw()
        track = self._tracks_of(np.stack([pairs.first, pairs.second]))
        rows = self.tracks.at(track, np.stack([pairs.first_time, pairs.second_time]))
        poses = self.poses[torch.from_numpy(np.ascontiguousarray(rows[:, self._mine]))]
        return poses, torch.from_numpy(pairs.similar[self._mine])

    def _batch(self, epoch: tuple[Tensor, Tensor], share: slice) -> PairBatch:
        poses, similar = epoch
        return {"poses": poses[:, share], "similar": similar[share]}
