"""The plain score head: no exemplars."""

import torch
from torch import Tensor, nn

from lightning_modules.heads.pair_head import PairHead


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
