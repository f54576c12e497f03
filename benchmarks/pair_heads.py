"""Pairs per second of the heads that compare a query with an exemplar, against straight ports with Python loops.

`python -m benchmarks.pair_heads [--rounds 7]` prints a table; data: random features, as if of 10 windows (CoRe) or 20
(TPT) of 1,024 numbers, in memory. A rival has the head's weights, and loops where the methods' own code does or where
their papers' formulas do: CoRe over nodes, leaves and clips; TPT over the two clips of a pair, parts, leaves and clips.
Both sides train with fused Adam. Before anything is timed, their losses and predictions are checked to agree.
"""

import argparse
import copy
import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks._table import print_table
from lightning_modules.heads.core import CoRe, NodeLinear
from lightning_modules.heads.pair_head import PairHead
from lightning_modules.heads.score_intervals import DifferenceIntervals
from lightning_modules.heads.temporal_parsing import DURATION, ParsingLayer
from lightning_modules.heads.tpt import TPT

BATCH, WIDTH = 64, 1024
STEPS = 10  # of a round


class LoopedIntervals:
    """Leaves found, and differences read off them, clip by clip."""

    def __init__(self, intervals: DifferenceIntervals) -> None:
        self.bounds = list(itertools.pairwise(intervals.edges.tolist()))

    def leaf(self, difference: float) -> int:
        """The leaf of a difference; the outermost ones take what lies beyond."""
        for leaf, (low, high) in enumerate(self.bounds):
            if (low <= difference < high) if difference >= 0 else (low < difference <= high):
                return leaf
        return 0 if difference < 0 else len(self.bounds) - 1

    def losses(self, log_probability: Tensor, position: Tensor, difference: Tensor) -> Tensor:
        """Negative log-likelihood and squared error of the position, a leaf at a time; mean over the pairs."""
        leaves, targets = [], []
        for value in difference.tolist():
            leaf = self.leaf(value)
            low, high = self.bounds[leaf]
            leaves.append(leaf)
            targets.append((value - low) / (high - low))
        found, wanted = torch.tensor(leaves), torch.tensor(targets)
        loss = nn.functional.nll_loss(log_probability, found)
        for leaf in range(len(self.bounds)):
            mask = found == leaf
            if mask.any():
                error = nn.functional.mse_loss(position[mask, leaf], wanted[mask], reduction="sum")
                loss = loss + error / len(found)
        return loss

    def values(self, log_probability: Tensor, position: Tensor) -> Tensor:
        """The difference that the likeliest leaf of each pair stands for."""
        found = []
        for likely, places in zip(log_probability.detach(), position.detach(), strict=True):
            leaf = int(likely.argmax())
            low, high = self.bounds[leaf]
            found.append(low + (high - low) * float(places[leaf]))
        return torch.tensor(found, dtype=torch.float64)


class LoopedCoRe(PairHead):
    """CoRe with one linear layer a node, all leaves worked out."""

    def __init__(self, head: CoRe) -> None:
        super().__init__(head.windows, head.width)
        tree = head.tree
        self.root = copy.deepcopy(tree.root)
        inner = [layers(level) for level in tree.children_features]
        last = layers(tree.leaf_features)
        self.features = nn.ModuleList([*inner, nn.ModuleList(map(beside, last[::2], last[1::2]))])
        self.choices = nn.ModuleList(layers(level) for level in tree.choices)
        self.positions = layers(tree.positions)
        self.intervals = LoopedIntervals(head.intervals)

    def tree(self, exemplar: Tensor, query: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities and positions [B, leaves]."""
        pairs = torch.cat([exemplar.mean(1), query.mean(1), score[:, None].float()], 1)
        nodes = [(self.root(pairs), pairs.new_zeros(len(pairs)))]
        for make, choose in zip(self.features, self.choices, strict=True):
            below = []
            for node, (features, so_far) in enumerate(nodes):
                choice = choose[node](features).log_softmax(1)  # type: ignore[index]
                children = make[node](features).relu().chunk(2, 1)  # type: ignore[index]
                below += [(child, so_far + choice[:, side]) for side, child in enumerate(children)]
            nodes = below
        positions = [place(features) for place, (features, _) in zip(self.positions, nodes, strict=True)]
        return torch.stack([so_far for _, so_far in nodes], 1), torch.cat(positions, 1)

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        return exemplar_score + self.intervals.values(*self.tree(exemplar, query, exemplar_score))

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        difference = query_score - exemplar_score
        there = self.intervals.losses(*self.tree(exemplar, query, exemplar_score), difference)
        back = self.intervals.losses(*self.tree(query, exemplar, query_score), -difference)
        return (there + back) / 2


def layers(level: nn.Module) -> nn.ModuleList:
    """A linear layer for each node of a level."""
    assert isinstance(level, NodeLinear)
    found = nn.ModuleList()
    for weight, bias in zip(level.weight, level.bias, strict=True):
        layer = nn.Linear(*weight.shape)
        layer.load_state_dict({"weight": weight.T, "bias": bias[0]})
        found.append(layer)
    return found


def beside(left: nn.Module, right: nn.Module) -> nn.Linear:
    """One layer that gives the outputs of both."""
    assert isinstance(left, nn.Linear)
    assert isinstance(right, nn.Linear)
    both = nn.Linear(left.in_features, 2 * left.out_features)
    names = ("weight", "bias")
    both.load_state_dict({name: torch.cat([getattr(left, name), getattr(right, name)]) for name in names})
    return both


class LoopedTPT(PairHead):
    """TPT that parses one clip of a pair after the other, and compares part after part."""

    def __init__(self, head: TPT) -> None:
        super().__init__(head.windows, head.width)
        self.head = copy.deepcopy(head)
        self.intervals = LoopedIntervals(head.intervals)

    def parsed(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Parts [B, K, d] and attention [B, layers, K, W]; keys and values of all windows, as in any decoder."""
        queries = self.head.parser.queries.expand(len(clips), -1, -1)
        parts, maps = torch.zeros_like(queries), []
        for layer in self.head.parser.layers:
            assert isinstance(layer, ParsingLayer)
            alike = layer.query(parts + queries) @ layer.key(clips).transpose(1, 2) / queries.shape[2]
            attention = (alike / layer.temperature).softmax(2)
            parts = layer.cross_norm(parts + layer.dropout(attention @ layer.value(clips)))
            parts = layer.feed_forward_norm(parts + layer.dropout(layer.feed_forward(parts)))
            if layer.self_attention is not None:
                places = parts + queries
                among = layer.self_attention(places, places, parts, need_weights=False)[0]
                parts = layer.self_norm(parts + layer.dropout(among))
            maps.append(attention)
        return parts, torch.stack(maps, 1)

    def compared(self, query: Tensor, exemplar: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities and positions [B, leaves] from parts [B, K, d]."""
        parts = query.shape[1]
        total = sum(self.head.pair_encoder(torch.cat([exemplar[:, k], query[:, k]], 1)) for k in range(parts)) / parts
        return self.head.choice(total).log_softmax(1), self.head.position(total)

    def attention_losses(self, attention: Tensor) -> Tensor:
        """Of one clip of each pair: the ranking loss, and the sparsity loss by its weight."""
        clips, depth, parts, windows = attention.shape
        total = attention.new_zeros(())
        times = torch.linspace(0, DURATION, windows)
        for layer in range(depth):
            centres = [(attention[:, layer, k] * times).sum(1) for k in range(parts)]
            ends = torch.zeros(clips), torch.full((clips,), DURATION)
            ordered = [ends[0], *centres, ends[1]]
            for earlier, later in itertools.pairwise(ordered):
                hinge = nn.functional.margin_ranking_loss(later, earlier, torch.ones(clips), self.head.margin)
                total = total + self.head.ranking_weight * hinge
            for k, centre in enumerate(centres):
                spread = ((times - centre[:, None]).abs() * attention[:, layer, k]).sum(1).mean()
                total = total + self.head.sparsity_weight * spread / parts
        return total

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        (own, _), (other, _) = self.parsed(query), self.parsed(exemplar)
        return exemplar_score + self.intervals.values(*self.compared(own, other))

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        (own, attention), (other, others_attention) = self.parsed(query), self.parsed(exemplar)
        difference = query_score - exemplar_score
        there = self.intervals.losses(*self.compared(own, other), difference)
        back = self.intervals.losses(*self.compared(other, own), -difference)
        # as in TPT's own loss: the mean over all clips, halved
        seen = (self.attention_losses(attention) + self.attention_losses(others_attention)) / 4
        return (there + back) / 2 + seen


def pairs(windows: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features [BATCH, windows, WIDTH] of queries and exemplars, and their scores."""
    generator = torch.Generator().manual_seed(seed)
    query, exemplar = torch.rand(2, BATCH, windows, WIDTH, generator=generator)
    query_score, exemplar_score = torch.rand(2, BATCH, generator=generator, dtype=torch.float64)
    return query, exemplar, query_score, exemplar_score


def training(head: PairHead) -> Callable[[], None]:
    """A step: the loss, its gradient, fused Adam."""
    batch, optimizer = pairs(head.windows), torch.optim.Adam(head.parameters(), 1e-4, fused=True)

    def step() -> None:
        head.train()
        optimizer.zero_grad()
        head.loss(*batch).backward()
        optimizer.step()

    return step


def inference(head: PairHead) -> Callable[[], None]:
    query, exemplar, _, exemplar_score = pairs(head.windows)

    def predict() -> None:
        head.eval()
        with torch.inference_mode():
            head(query, exemplar, exemplar_score)

    return predict


@torch.no_grad()
def check(head: PairHead, rival: PairHead) -> None:
    """Head and rival give the same losses and predictions."""
    query, exemplar, query_score, exemplar_score = pairs(head.windows, seed=1)
    ours, theirs = (
        (one.loss(query, exemplar, query_score, exemplar_score).float(), one(query, exemplar, exemplar_score))
        for one in (head.eval(), rival.eval())
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def speed(run: Callable[[], None]) -> float:
    """Pairs per second."""
    begin = time.perf_counter()
    for _ in range(STEPS):
        run()
    return STEPS * BATCH / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which every rival runs once")
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    scores, action = torch.rand(200, dtype=torch.float64), torch.zeros(200, dtype=torch.int64)
    core, tpt = CoRe(10, WIDTH), TPT(20, WIDTH)
    for head in (core, tpt):
        head.learn_scores(scores, action)
    contests: dict[tuple[str, str], tuple[Callable[[], None], Callable[[], None]]] = {}
    for name, ours, rival in (("CoRe", core, LoopedCoRe(core)), ("TPT", tpt, LoopedTPT(tpt))):
        check(ours, rival)
        contests[name, "training step"] = training(ours), training(rival)
        contests[name, "inference"] = inference(ours), inference(rival)

    speeds: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in contests}
    for one, other in contests.values():
        one()
        other()
    for _ in range(rounds):
        for key, (one, other) in contests.items():
            speeds[key].append((speed(one), speed(other)))

    rows = []
    for (name, what), found in speeds.items():
        medians = [statistics.median(side) for side in zip(*found, strict=True)]
        ratio = statistics.median(a / b for a, b in found)
        rows.append([name, what, *[f"{median:,.0f}" for median in medians], f"{ratio:.2f}"])
    print_table(
        f"Heads that compare pairs, batch {BATCH}, random features, medians of {rounds} interleaved rounds",
        ["head", "what", "pairs/s, ours", "pairs/s, loops", "ours / loops"],
        rows,
    )


if __name__ == "__main__":
    main()
