"""CoRe as its paper describes it, one pair, node and leaf at a time, float64: what the fast version must equal."""

import math
from itertools import combinations

import torch
from torch import Tensor, nn

from lightning_modules.heads.core import CoRe, NodeLinear


def differences(scores: list[float], actions: list[int]) -> list[float]:
    """|s_i - s_j| of every pair of one action."""
    return [abs(a - b) for (a, p), (b, q) in combinations(zip(scores, actions, strict=True), 2) if p == q]


def edges(magnitudes: list[float], count: int) -> list[float]:
    """Edges of `count` intervals: each side's hold the same number of the magnitudes in order."""
    ordered, half = sorted(round(m, 9) for m in magnitudes), count // 2
    outer = [ordered[math.floor(side * len(ordered) / half)] for side in range(1, half)] + [max(ordered)]
    return [-m for m in reversed(outer)] + [0.0] + outer


def interval(bounds: list[float], difference: float) -> int:
    """The interval that a difference lies in: tried one after the other, from the outermost inwards."""
    half = (len(bounds) - 1) // 2
    for side in range(half - 1, 0, -1):
        if round(abs(difference), 9) >= bounds[half + side]:
            return half + side if difference >= 0 else half - 1 - side
    return half if difference >= 0 else half - 1


def position(bounds: list[float], place: int, difference: float) -> float | None:
    """Where in an interval a difference lies; None where the interval has no width."""
    low, high = bounds[place], bounds[place + 1]
    return (difference - low) / (high - low) if high > low else None


def value(bounds: list[float], place: int, position: float) -> float:
    """What a position of an interval stands for."""
    return bounds[place] * (1 - position) + bounds[place + 1] * position


def linear(layer: nn.Module, node: int, features: Tensor) -> Tensor:
    """What one node's layer makes of the features of one pair."""
    assert isinstance(layer, NodeLinear)
    return layer.weight[node].T @ features + layer.bias[node, 0]


def pair_vector(query: Tensor, exemplar: Tensor, exemplar_score: Tensor, pooling: str) -> Tensor:
    """Of one pair: clips [W, C]."""
    numbers = []
    for clip in (exemplar, query):
        if pooling == "mean":
            numbers += [sum(window[i] for window in clip) / len(clip) for i in range(clip.shape[1])]
        else:
            numbers += [number for window in clip for number in window]
    return torch.stack([*numbers, exemplar_score])


def leaves(head: CoRe, pair: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Log-probability and position of every leaf for one pair vector, from left to right."""
    tree = head.tree
    root = tree.root[0]
    assert isinstance(root, nn.Linear)

    def below(level: int, node: int, features: Tensor, log_probability: Tensor) -> list[tuple[Tensor, Tensor]]:
        if level == len(tree.choices):
            return [(log_probability, linear(tree.positions, node, features)[0])]
        choice = linear(tree.choices[level], node, features)
        total = choice.exp().sum()
        found = []
        for side in range(2):
            if level < len(tree.choices) - 1:
                both = linear(tree.children_features[level], node, features)
                child = both[: len(both) // 2] if side == 0 else both[len(both) // 2 :]
            else:
                child = linear(tree.leaf_features, 2 * node + side, features)
            own = log_probability + (choice[side].exp() / total).log()
            found += below(level + 1, 2 * node + side, child * (child > 0), own)
        return found

    features = root.weight @ pair + root.bias
    return below(0, 0, features * (features > 0), features.new_zeros(()))


def loss(head: CoRe, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
    """Mean over pairs and orders of the negative log-likelihood of the leaf plus the position's squared error."""
    bounds, terms = head.intervals.edges.tolist(), []
    for i in range(len(query)):
        clips = (query[i], query_score[i]), (exemplar[i], exemplar_score[i])
        for (one, own), (other, given) in (clips, clips[::-1]):
            found = leaves(head, pair_vector(one, other, given, head.pooling))
            true = interval(bounds, float(own - given))
            target = position(bounds, true, float(own - given))
            terms.append(-found[true][0])
            if target is not None:
                terms[-1] = terms[-1] + (found[true][1] - target) ** 2
    return torch.stack(terms).mean()


@torch.no_grad()
def predictions(head: CoRe, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> list[float]:
    """The exemplar's score plus what the likeliest leaf says."""
    bounds, scores = head.intervals.edges.tolist(), []
    for one, other, given in zip(query, exemplar, exemplar_score, strict=True):
        found = leaves(head, pair_vector(one, other, given, head.pooling))
        best = max(range(len(found)), key=lambda leaf: float(found[leaf][0]))
        scores.append(float(given) + value(bounds, best, float(found[best][1])))
    return scores
