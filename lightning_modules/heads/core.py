"""CoRe: contrastive regression by a group-aware regression tree (Yu et al., ICCV 2021)."""

import math

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.heads.pair_head import PairHead, Pooling, both_orders, pair_differences, pair_vector, pair_width
from lightning_modules.heads.score_intervals import DifferenceIntervals, losses_in


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

    A linear layer with ReLU gives the root's features. Every node has a layer that says how likely each of its two
    children is; a leaf's log-probability is the sum along its path. At every level each node has a layer that makes the
    features of its two children (with ReLU); every leaf has one for its features and one for the position.

    Args:
        inputs: length of the pair vector.
        depth: levels, the root's and the leaves' among them; 2^(depth - 1) leaves.
        hidden: features of a node.
    """

    def __init__(self, inputs: int, depth: int, hidden: int) -> None:
        super().__init__()
        self.root = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU())
        self.children_features = nn.ModuleList(NodeLinear(2**level, hidden, 2 * hidden) for level in range(depth - 2))
        self.choices = nn.ModuleList(NodeLinear(2**level, hidden, 2) for level in range(depth - 1))
        self.leaf_features = NodeLinear(2 ** (depth - 1), hidden, hidden)
        self.positions = NodeLinear(2 ** (depth - 1), hidden, 1)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the leaves, and the features that `position` wants.

        Shapes:
            pairs: [B, inputs].
            log-probabilities: [B, 2^(depth - 1)], leaves from left to right.
            features of the leaves' parents: [2^(depth - 2), B, hidden].
        """
        features = self.root(pairs)[None]
        log_probability = self._chosen(0, features, features.new_zeros(1, len(pairs)))
        for level, make in enumerate(self.children_features, 1):
            both = make(features).relu().unflatten(-1, (2, -1))  # [N, B, 2, hidden]
            features = both.transpose(1, 2).flatten(0, 1)
            log_probability = self._chosen(level, features, log_probability)
        return log_probability.T, features

    def _chosen(self, level: int, features: Tensor, log_probability: Tensor) -> Tensor:
        """From the log-probabilities [N, B] of a level's nodes to those [2 N, B] of their children."""
        choice: Tensor = self.choices[level](features).log_softmax(-1)  # [N, B, 2]
        return (log_probability[:, None] + choice.transpose(1, 2)).flatten(0, 1)

    def position(self, features: Tensor, leaf: Tensor) -> Tensor:
        """The predicted position [B] in one leaf [B] of each pair; `features` as `forward` gives them.

        Only that leaf of a pair is worked out: with all of them, leaves would be half of the tree's work.
        """
        rows = torch.arange(len(leaf), device=leaf.device)
        order = leaf.argsort()
        first = torch.searchsorted(leaf[order], leaf)  # pairs with a leaf farther left
        place = order.argsort() - first  # among the pairs with the same leaf
        own = features.new_zeros(2 * len(features), int(place.max()) + 1 if len(leaf) else 0, features.shape[-1])
        own = own.index_put((leaf, place), features[leaf // 2, rows])
        positions: Tensor = self.positions(self.leaf_features(own).relu())
        return positions[leaf, place, 0]


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

    def __init__(self, windows: int, width: int, depth: int = 5, hidden: int = 256, pooling: Pooling = "mean") -> None:
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
        log_probability, features = self.tree(pair_vector(query, exemplar, exemplar_score, self.pooling))
        leaf = log_probability.argmax(1)
        difference = self.intervals.value(leaf, self.tree.position(features, leaf))
        return exemplar_score + difference.to(exemplar_score.dtype)

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """Negative log-likelihood of the true leaf plus squared error of the position in it, both orders."""
        pairs, difference = both_orders(query, exemplar, query_score, exemplar_score, self.pooling)
        log_probability, features = self.tree(pairs)
        true = self.intervals.of(difference)
        own = log_probability.gather(1, true[:, None])[:, 0]
        return losses_in(self.intervals, true, own, self.tree.position(features, true), difference)
