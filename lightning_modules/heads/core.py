"""CoRe: contrastive regression by a group-aware regression tree (Yu et al., ICCV 2021)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.heads.base import PairHead, pair_differences, pair_vector, pair_width
from lightning_modules.heads.intervals import DifferenceIntervals, interval_losses, likeliest_value


class NodeLinear(nn.Module):
    """A linear layer of its own for each of N nodes, all at once.

    Args:
        nodes: N.
        inputs: numbers that each node is given.
        outputs: numbers that each gives.

    Shapes:
        input [N, B, inputs], output [N, B, outputs].
    """

    def __init__(self, nodes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(nodes, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(nodes, 1, outputs).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return torch.baddbmm(self.bias, features, self.weight)


class RegressionTree(nn.Module):
    """A binary tree over score differences: which leaf, and where in it.

    A linear layer with ReLU gives the root's features. At every level each node has a layer that makes the features of
    its two children (with ReLU), and one that says how likely each of the two is; a leaf's log-probability is the sum
    along its path. Every leaf has a linear layer for the position.

    Args:
        inputs: length of the pair vector.
        depth: levels, the root's and the leaves' among them; 2^(depth - 1) leaves.
        hidden: features of a node.

    Shapes:
        input [B, inputs]; log-probabilities and positions [B, 2^(depth - 1)], leaves from left to right.
    """

    def __init__(self, inputs: int, depth: int, hidden: int) -> None:
        super().__init__()
        self.root = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU())
        levels = range(depth - 1)
        self.children_features = nn.ModuleList(NodeLinear(2**level, hidden, 2 * hidden) for level in levels)
        self.choices = nn.ModuleList(NodeLinear(2**level, hidden, 2) for level in levels)
        self.positions = NodeLinear(2 ** (depth - 1), hidden, 1)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.root(pairs)[None]
        log_probability = features.new_zeros(1, len(pairs))
        for make, choose in zip(self.children_features, self.choices, strict=True):
            choice = choose(features).log_softmax(-1)  # [N, B, 2]
            log_probability = (log_probability[:, None] + choice.transpose(1, 2)).flatten(0, 1)
            both = make(features).relu().unflatten(-1, (2, -1))  # [N, B, 2, hidden]
            features = both.transpose(1, 2).flatten(0, 1)
        return log_probability.T, self.positions(features)[..., 0].T


class CoRe(PairHead):
    """Predicts the difference to an exemplar by its interval, and by the position in it (section 7 of the protocol).

    The pair vector is the exemplar's features, the query's, and the exemplar's relative score. The tree's leaves are
    intervals of relative score differences that hold equally many training pairs. Prediction: the likeliest leaf.

    Args:
        windows, width: see `PairHead`.
        depth: levels of the tree; 5 gives 16 leaves.
        hidden: features of a node.
        pooling: "mean" averages the windows as the paper does; "concatenate" keeps when something happened.

    Raises:
        InputError: an option out of range.
    """

    def __init__(
        self,
        windows: int,
        width: int,
        depth: int = 5,
        hidden: int = 256,
        pooling: Literal["mean", "concatenate"] = "mean",
    ) -> None:
        super().__init__(windows, width)
        if not 2 <= depth <= 10 or hidden < 1:
            raise InputError(f"CoRe: depth must lie in [2, 10] and hidden be at least 1, got {depth} and {hidden}")
        self.pooling = pooling
        self.tree = RegressionTree(pair_width(windows, width, pooling), depth, hidden)
        self.intervals = DifferenceIntervals(2 ** (depth - 1))

    def learn_scores(self, scores: Tensor, action: Tensor) -> None:
        """Set the intervals by the training differences."""
        self.intervals.fit(pair_differences(scores, action))

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        difference = likeliest_value(self.intervals, *self._tree(query, exemplar, exemplar_score))
        return exemplar_score + difference.to(exemplar_score.dtype)

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """Negative log-likelihood of the true leaf plus squared error of the position in it, both orders."""
        first, second = torch.cat([query, exemplar]), torch.cat([exemplar, query])
        own, other = torch.cat([query_score, exemplar_score]), torch.cat([exemplar_score, query_score])
        return interval_losses(self.intervals, *self._tree(first, second, other), own - other)

    def _tree(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.tree(pair_vector(query, exemplar, exemplar_score, self.pooling))
        return found
