"""What every head has in common: from the features of a query and of an exemplar to the query's score."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pdist

from errors import InputError

Pooling = Literal["mean", "concatenate"]


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
    parts = [pdist(scores[action == one, None], p=1) for one in action.unique()]
    return torch.cat(parts) if parts else scores[:0]


def pair_width(windows: int, width: int, pooling: Pooling) -> int:
    """Length of `pair_vector`."""
    return 2 * width * (1 if pooling == "mean" else windows) + 1


def pair_vector(query: Tensor, exemplar: Tensor, exemplar_score: Tensor, pooling: Pooling) -> Tensor:
    """The exemplar's features, the query's, and the exemplar's relative score side by side, [B, pair_width].

    Shapes:
        query, exemplar: [B, W, C].
        exemplar_score: [B].
    """
    return _side_by_side(_pooled(exemplar, pooling), _pooled(query, pooling), exemplar_score)


def both_orders(
    query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor, pooling: Pooling
) -> tuple[Tensor, Tensor]:
    """Pair vectors [2 B, pair_width] and score differences [2 B] of the pairs, then of the same ones swapped.

    Shapes:
        query, exemplar: [B, W, C].
        query_score, exemplar_score: [B].
    """
    one, other = _pooled(query, pooling), _pooled(exemplar, pooling)
    vectors = torch.cat([_side_by_side(other, one, exemplar_score), _side_by_side(one, other, query_score)])
    difference = query_score - exemplar_score
    return vectors, torch.cat([difference, -difference])


def _pooled(clips: Tensor, pooling: Pooling) -> Tensor:
    return clips.mean(1) if pooling == "mean" else clips.flatten(1)


def _side_by_side(exemplar: Tensor, query: Tensor, exemplar_score: Tensor) -> Tensor:
    return torch.cat([exemplar, query, exemplar_score[:, None].to(query.dtype)], 1)
