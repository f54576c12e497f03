"""Pairs of poses of different clips that a model finds alike, or not: those that are shown of it."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from poses.batches import EmbeddedClips
from scoring.distances import cosine_distance, score_from_distance

RANDOM_PAIRS: Final = 20_000
"""Pairs of poses among which those to show are looked for."""

LEVELS: Final = ("high", "medium", "low")
"""How alike the pairs of `pick_pairs` are, in their order."""


@dataclass(frozen=True)
class PosePair:
    """Two poses of different clips.

    Attributes:
        tracks: indices of the two tracks.
        times: indices of the poses in their tracks.
        score: how alike they are by eq. (6), in (0, 100].
        above: share of the random pairs that score less, in [0, 1).
    """

    tracks: tuple[int, int]
    times: tuple[int, int]
    score: float
    above: float


def pick_pairs(scored: EmbeddedClips, seed: int = 0) -> list[PosePair]:
    """Pairs of poses of high, of medium and of low similarity, among random pairs of different clips.

    High is the 99th percentile of the scores, low the 5th; medium is nearest to the middle between the two (the median
    will not do: a trained model gives most pairs of poses next to nothing).

    Args:
        scored: N tracks.
        seed: of the random pairs; the same seed gives the same pairs.

    Returns:
        Three different pairs, high first; fewer where there are not as many.
    """
    ends, scores = random_pairs(scored, seed)
    if not len(scores):
        return []
    times = scored.embedding.shape[1]
    low, high = scores.quantile(torch.tensor([0.05, 0.99], dtype=scores.dtype)).tolist()
    chosen: list[int] = []
    for target in (high, (low + high) / 2, low):
        nearest = (scores - target).abs().argsort(stable=True)[: len(chosen) + 1].tolist()
        chosen += [index for index in nearest if index not in chosen][:1]
    return [pose_pair(index, ends, scores, times) for index in chosen]


def pose_pair(index: int, ends: Tensor, scores: Tensor, times: int) -> PosePair:
    """One of the pairs that `random_pairs` gives, of tracks of so many poses."""
    one, other = ends[:, index].tolist()
    above = float((scores < scores[index]).double().mean())
    return PosePair((one // times, other // times), (one % times, other % times), float(scores[index]), above)


def random_pairs(scored: EmbeddedClips, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random pairs of poses of different clips and their scores by eq. (6), `RANDOM_PAIRS` at most, none twice.

    Args:
        scored: N tracks of T poses.
        seed: the same seed gives the same pairs.

    Returns:
        The two poses of each pair [2, P], numbered through all tracks: track x T + time; and the scores [P].
    """
    n, times = scored.embedding.shape[:2]
    if not scored.poses.shape[1]:  # the data are features: there is nothing to show
        n = 0
    if n < 2 or not times:
        return torch.empty(2, 0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)

    def draw(end: int) -> Tensor:
        return torch.randint(end, (RANDOM_PAIRS,), generator=generator)

    # a pair has one order and one number, so that none occurs twice
    first, poses = draw(n), n * times
    one, other = first * times + draw(times), (first + 1 + draw(n - 1)) % n * times + draw(times)
    numbers = (torch.minimum(one, other) * poses + torch.maximum(one, other)).unique()
    ends = torch.stack([numbers // poses, numbers % poses])
    clip = scored.clip.cpu()[ends // times]
    ends = ends[:, clip[0] != clip[1]]
    a, b = scored.embedding.flatten(0, 1)[ends.to(scored.embedding.device)].double()
    scores = score_from_distance(cosine_distance(a, b)).cpu()
    return ends[:, scores.isfinite()], scores[scores.isfinite()]
