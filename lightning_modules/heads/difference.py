"""Plain regression: of the score difference, the simpler alternative to a tree, and of the score without exemplars."""

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.heads.pair_head import PairHead, Pooling, both_orders, pair_vector, pair_width


class DifferenceRegression(PairHead):
    """A network with one hidden layer that predicts s_query - s_exemplar, trained by the squared error.

    Args:
        windows, width: see `PairHead`.
        hidden: width of the hidden layer.
        pooling: see `CoRe`.

    Raises:
        InputError: no hidden features.
    """

    def __init__(self, windows: int, width: int, hidden: int = 256, pooling: Pooling = "mean") -> None:
        super().__init__(windows, width)
        if hidden < 1:
            raise InputError(f"DifferenceRegression: hidden must be at least 1, got {hidden}")
        self.pooling = pooling
        self.network = nn.Sequential(
            nn.Linear(pair_width(windows, width, pooling), hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        return exemplar_score + self._difference(
            pair_vector(query, exemplar, exemplar_score, self.pooling), exemplar_score.dtype
        )

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """Squared error of the difference, both orders."""
        pairs, difference = both_orders(query, exemplar, query_score, exemplar_score, self.pooling)
        return (self._difference(pairs, difference.dtype) - difference).square().mean()

    def _difference(self, pairs: Tensor, dtype: torch.dtype) -> Tensor:
        difference: Tensor = self.network(pairs)[:, 0].to(dtype)
        return difference


class ScoreRegression(PairHead):
    """A linear layer from the mean of a clip's windows to its score, trained by the squared error.

    The exemplar of a pair is one more clip to train on; predictions do not depend on it.

    Args:
        windows, width: see `PairHead`.
    """

    def __init__(self, windows: int, width: int) -> None:
        super().__init__(windows, width)
        self.linear = nn.Linear(width, 1)
        nn.init.constant_(self.linear.bias, 0.5)  # the middle of the training scores' range

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        score: Tensor = self.linear(query.mean(1))[:, 0].to(exemplar_score.dtype)
        return score

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """Squared error of the scores of both clips."""
        clips, scores = torch.cat([query, exemplar]), torch.cat([query_score, exemplar_score])
        loss: Tensor = (self(clips, clips, scores) - scores).square().mean()
        return loss
