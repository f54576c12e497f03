"""Cosine distance between embedded poses, and the score that a distance stands for."""

import torch
from torch import Tensor

ZERO_NORM = 1e-12
"""Embeddings shorter than this have no direction."""

SCORE_WIDTH = 0.3
"""Width u of eq. (6): the distance at which a score has fallen to 60.7."""


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
