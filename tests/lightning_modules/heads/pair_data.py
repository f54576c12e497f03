"""Random pairs for the tests of heads, and a training by hand on a few clips."""

import torch
from torch import Tensor

from lightning_modules.heads.pair_head import PairHead


def random_pairs(n: int, windows: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features [n, windows, width] of queries and of exemplars, then their scores [n]; float64."""
    generator = torch.Generator().manual_seed(seed)
    query, exemplar = torch.randn(2, n, windows, width, generator=generator, dtype=torch.float64)
    query_score, exemplar_score = torch.rand(2, n, generator=generator, dtype=torch.float64)
    return query, exemplar, query_score, exemplar_score


def trained_on_few(head: PairHead, clips: int, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Train a head on all pairs of random clips; their scores, and the means of the predictions from all the others."""
    features, _, scores, _ = random_pairs(clips, head.windows, head.width, seed=1)
    features, scores = features.float(), (scores - scores.min()) / (scores.max() - scores.min())
    head.learn_scores(scores, torch.zeros(clips, dtype=torch.int64))
    first, second = torch.triu_indices(clips, clips, 1)
    optimizer = torch.optim.Adam(head.parameters(), rate)
    for _ in range(steps):
        optimizer.zero_grad()
        head.loss(features[first], features[second], scores[first], scores[second]).backward()
        optimizer.step()
    with torch.inference_mode():
        mean = [
            head(features[i].expand(clips - 1, -1, -1), features[others], scores[others]).mean()
            for i in range(clips)
            for others in [torch.arange(clips) != i]
        ]
    return scores, torch.stack(mean)
