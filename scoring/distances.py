"""Cosine distance between embedded poses, the score that a distance stands for, and whether all distances are 0.

An encoder that gives every pose the same embedding has collapsed: all ranks are undefined.
"""

import torch
from torch import Tensor

ZERO_NORM = 1e-12
"""Embeddings shorter than this have no direction."""

SCORE_WIDTH = 0.3
"""Width u of eq. (6): the distance at which a score has fallen to 60.7."""

COLLAPSED_SPREAD = 1e-6
"""Spread below which an encoder counts as collapsed.

The mean cosine distance between two random poses is 2 s - s^2 for a spread s: 2e-6 here. On SPEED21 a dead encoder of
two channels has a spread of 0; live ones have 4e-4 or more after one epoch and .4 or more at the end. Before training a
live one can lie near 1e-6.
"""

_ROWS_AT_ONCE = 1 << 16


def unit(embedding: Tensor) -> Tensor:
    """Embeddings [..., E] scaled to length 1; those without a direction become 0 and pass no gradient."""
    norm: Tensor = torch.linalg.vector_norm(embedding, dim=-1, keepdim=True)
    return embedding / norm.masked_fill(norm < ZERO_NORM, torch.inf)


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distance of two embeddings, eq. (5) of arXiv 2511.01194: D = 1 - cosine similarity.

    Shapes:
        a, b: [..., E], broadcast against each other.

    Returns:
        [...], in [0, 2]. An embedding of length zero lies at distance 1 from everything, with zero gradient.
    """
    return (1 - (unit(a) * unit(b)).sum(-1)).clamp(0, 2)


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """`cosine_distance` of every row of a [..., n, E] to every row of b [..., m, E]: [..., n, m]."""
    return (1 - unit(a) @ unit(b).mT).clamp(0, 2)


def score_from_distance(distance: Tensor, u: float = SCORE_WIDTH) -> Tensor:
    """Score of a pose at a distance from its reference, eq. (6): 100 exp(-(D / u)^2 / 2), in (0, 100]."""
    return 100 * torch.exp(-0.5 * (distance / u) ** 2)


def spread(embedding: Tensor) -> Tensor:
    """How far embeddings point in different directions: 1 - |mean of the unit vectors|.

    Embeddings of length zero count as one more direction, at right angles to all others: if all are zero, the spread
    is 0.

    Shapes:
        embedding: [..., E], taken as one list of embeddings.

    Returns:
        Scalar in [0, 1]: 0 when all point the same way, 1 when they cancel. NaN when one is not finite.
    """
    rows = embedding.detach().flatten(0, -2)
    total = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, device=rows.device)
    for part in torch.split(rows, _ROWS_AT_ONCE):
        # float32 sums of this many equal vectors are off by more than the threshold.
        part = part.double()
        norm = torch.linalg.vector_norm(part, dim=-1)
        zero = norm < ZERO_NORM
        total[:-1] += norm.reciprocal().masked_fill(zero, 0) @ part
        total[-1] += zero.sum()
    result: Tensor = 1 - torch.linalg.vector_norm(total) / len(rows)
    return result.clamp(0, 1)


def is_collapsed(embedding: Tensor, threshold: float = COLLAPSED_SPREAD) -> bool:
    """Whether embeddings [..., E] all point the same way (`spread` below the threshold) or are not finite."""
    return not bool(spread(embedding) >= threshold)
