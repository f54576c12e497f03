"""Detects an encoder that gives every pose the same embedding: all distances are 0 and all ranks undefined."""

import torch
from torch import Tensor

from scoring.distances import ZERO_NORM

COLLAPSED_SPREAD = 1e-6
"""Spread below which an encoder counts as collapsed.

The mean cosine distance between two random poses is 2 s - s^2 for a spread s: 2e-6 here. On SPEED21 a dead encoder of
two channels has a spread of 0; live ones have 4e-4 or more after one epoch and .4 or more at the end. Before training a
live one can lie near 1e-6.
"""

_ROWS_AT_ONCE = 1 << 16


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
