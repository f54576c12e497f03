"""Plain regression of the score difference, the simpler alternative to a tree."""

from typing import Literal

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.heads.base import PairHead, pair_vector, pair_width


class DifferenceRegression(PairHead):
    """A network with one hidden layer that predicts s_query - s_exemplar, trained by the squared error.

    Args:
        windows, width: see `PairHead`.
        hidden: width of the hidden layer.
        pooling: see `CoRe`.

    Raises:
        InputError: no hidden features.
    """

    def __init__(
        self, windows: int, width: int, hidden: int = 256, pooling: Literal["mean", "concatenate"] = "mean"
    ) -> None:
        super().__init__(windows, width)
        if hidden < 1:
            raise InputError(f"DifferenceRegression: hidden must be at least 1, got {hidden}")
        self.pooling = pooling
        self.network = nn.Sequential(
            nn.Linear(pair_width(windows, width, pooling), hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        return exemplar_score + self._difference(query, exemplar, exemplar_score)

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """Squared error of the difference, both orders."""
        first, second = torch.cat([query, exemplar]), torch.cat([exemplar, query])
        own, other = torch.cat([query_score, exemplar_score]), torch.cat([exemplar_score, query_score])
        return (self._difference(first, second, other) - (own - other)).square().mean()

    def _difference(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        pairs = pair_vector(query, exemplar, exemplar_score, self.pooling)
        difference: Tensor = self.network(pairs)[:, 0].to(exemplar_score.dtype)
        return difference
