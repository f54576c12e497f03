"""What every head has in common: from the features of a query and of an exemplar to the query's score."""

from typing import Literal

import torch
from torch import Tensor, nn

from errors import InputError


class PairHead(nn.Module):
    """Predicts how much better or worse a query is than a scored exemplar of its action.

    Scores are relative to the range of the action's training scores: 0 is the lowest, 1 the highest; those of other
    clips may lie outside.

    Args:
        windows: W, windows of a clip.
        width: C, features a window.

    Shapes:
        features of queries and exemplars [B, W, C], scores [B].
    """

    def __init__(self, windows: int, width: int) -> None:
        super().__init__()
        if windows < 1 or width < 1:
            raise InputError(f"{type(self).__name__}: expected at least one window and feature, got {windows}, {width}")
        self.windows = windows
        self.width = width

    def learn_scores(self, scores: Tensor, action: Tensor) -> None:
        """Called once, before training: what a head fixes by the training scores. Most fix nothing.

        Args:
            scores: [n] relative scores of the training clips.
            action: [n] their actions; clips are only ever compared within an action.
        """

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """Predicted relative scores [B] of the queries."""
        raise NotImplementedError

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """What training minimises, a scalar: the mean over the pairs and both of their orders."""
        raise NotImplementedError

    def slow_parameters(self) -> list[nn.Parameter]:
        """Weights that train at the source's learning rate instead of the head's."""
        return []


def pair_differences(scores: Tensor, action: Tensor) -> Tensor:
    """|s_i - s_j| of every pair of different clips of one action, each pair once, [P] in no particular order.

    Shapes:
        scores: [n] float; action: [n] int.
    """
    parts = []
    for one in action.unique():
        own = scores[action == one]
        parts.append((own[:, None] - own).abs()[torch.triu(torch.ones(len(own), len(own)), 1).bool()])
    return torch.cat(parts) if parts else scores[:0]


def pair_width(windows: int, width: int, pooling: Literal["mean", "concatenate"]) -> int:
    """Length of `pair_vector`."""
    return 2 * width * (1 if pooling == "mean" else windows) + 1


def pair_vector(
    query: Tensor, exemplar: Tensor, exemplar_score: Tensor, pooling: Literal["mean", "concatenate"]
) -> Tensor:
    """The exemplar's features, the query's, and the exemplar's relative score side by side, [B, pair_width].

    Shapes:
        query, exemplar: [B, W, C].
        exemplar_score: [B].
    """
    pooled = [clips.mean(1) if pooling == "mean" else clips.flatten(1) for clips in (exemplar, query)]
    return torch.cat([*pooled, exemplar_score[:, None].to(query.dtype)], 1)
