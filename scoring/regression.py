"""The *regression* scorer: a trained network says how much better or worse a clip is than each of M exemplars."""

from typing import Protocol

import torch
from torch import Tensor, nn

from errors import InputError
from poses.batches import EmbeddedClips
from scoring.scorers import ClipScorer

_NUMBERS_AT_ONCE = 1 << 24  # of the exemplars' features
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # splitmix64 (Steele et al., OOPSLA 2014)


class Head(Protocol):
    """See `lightning_modules.heads.pair_head.PairHead`."""

    def __call__(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """Relative scores [B] of queries, from features [B, W, C] and the exemplars' relative scores [B]."""
        ...


class RegressionScorer(ClipScorer):
    """Mean over M exemplars of the action of what the head predicts from each.

    Scores are relative to the range of the training scores, see `EmbeddedClips.relative_score`. Which exemplars a query
    gets is drawn once and for all: by the seed and the numbers of the two tracks, whatever the other queries. Where an
    action has fewer than M, all of them serve.

    Args:
        head: see `Head`; its weights are trained elsewhere.
        exemplars: M.
        seed: of the draw.
    """

    name = "regression"
    calibrated = True

    def __init__(self, head: nn.Module, exemplars: int = 10, seed: int = 0):
        super().__init__((exemplars,))
        if exemplars < 1:
            raise InputError(f"exemplars must be 1 or more, but is {exemplars}")
        self.head = head
        self.exemplars = exemplars
        self.seed = seed

    def predict_action(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """See `ClipScorer`."""
        chosen = draw(queries.track, exemplars.track, self.exemplars, self.seed)
        weights = next(self.head.parameters())
        features, known = (clips.embedding.to(weights.dtype) for clips in (queries, exemplars))
        score = exemplars.relative_score
        share = max(1, _NUMBERS_AT_ONCE // (chosen.shape[1] * known[0].numel()))
        found = []
        for rows in torch.arange(len(queries), device=chosen.device).split(share):
            own, picked = rows.repeat_interleave(chosen.shape[1]), chosen[rows].flatten()
            said = self.head(features[own], known[picked], score[picked])
            found.append(said.double().unflatten(0, chosen[rows].shape).mean(1))
        low, high = queries.score_range.unbind(1)
        return (low + torch.cat(found) * (high - low))[None]


def draw(query: Tensor, exemplar: Tensor, count: int, seed: int) -> Tensor:
    """Indices [nq, min(count, ne)] of the exemplars that each query is compared with, each once.

    A hash of the seed and the two numbers stands for a random number: what a query draws depends on nothing else.

    Shapes:
        query: [nq] int64; exemplar: [ne] int64; numbers that tell tracks apart.
    """
    key = _mixed(_mixed(query[:, None] + _signed(_MIX[0] * (seed + 1))) ^ exemplar)
    return key.topk(min(count, len(exemplar)), dim=1, largest=False).indices


def _mixed(number: Tensor) -> Tensor:
    for shift, factor in zip((30, 27), _MIX[1:], strict=True):
        number = (number ^ ((number >> shift) & ((1 << (64 - shift)) - 1))) * _signed(factor)
    return number ^ ((number >> 31) & ((1 << 33) - 1))


def _signed(number: int) -> int:
    """The 64 bits of a number as torch's int64 reads them; its products overflow on purpose."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
