import io
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from errors import InputError
from lightning_modules.heads.temporal_parsing import ranking_loss
from lightning_modules.heads.tpt import TPT
from scoring.metrics import spearman
from tests.lightning_modules.heads.test_temporal_parsing import (
    Weights,
    shaken,
    slow_attention_losses,
    slow_linear,
    slow_parse,
)


def pairs(count: int, windows: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features of queries and exemplars, and their scores."""
    torch.manual_seed(seed)
    query, exemplar = torch.randn(2, count, windows, width)
    first, second = torch.rand(2, count, dtype=torch.float64)
    return query, exemplar, first, second


def fitted(*arguments: Any, **options: Any) -> TPT:
    torch.manual_seed(1)
    head = TPT(*arguments, **options)
    scores = torch.linspace(0, 1, 30, dtype=torch.float64).square()
    head.learn_scores(scores, torch.arange(30) % 2)
    return head


def slow_network(x: Tensor, w: Weights, name: str, last: int) -> Tensor:
    hidden = slow_linear(x, w, f"{name}.0")
    return slow_linear(torch.where(hidden > 0, hidden, 0.0), w, f"{name}.{last}")


def slow_compare(query: list[Tensor], exemplar: list[Tensor], w: Weights) -> tuple[Tensor, Tensor]:
    """Log-probabilities and positions of one pair, from its parts."""
    said = [slow_network(torch.cat([b, a]), w, "pair_encoder", 3) for a, b in zip(query, exemplar, strict=True)]
    mean = torch.stack(said).sum(0) / len(said)
    powers = torch.exp(slow_network(mean, w, "choice", 2))
    return torch.log(powers / powers.sum()), 1 / (1 + torch.exp(-slow_network(mean, w, "position", 2)))


def slow_loss(head: TPT, clips: list[tuple[Tensor, Tensor, float, float]]) -> Tensor:
    """The loss by loops over pairs, orders, intervals, parts and windows."""
    w = dict(head.named_parameters())
    parser = {name.removeprefix("parser."): value for name, value in w.items() if name.startswith("parser.")}
    edges = head.intervals.edges.tolist()
    loss, maps = torch.zeros(()), []
    for query, exemplar, own, other in clips:
        parsed = [slow_parse(clip, parser) for clip in (query, exemplar)]
        maps += [attention for _, attention in parsed]
        (first, _), (second, _) = parsed
        for one, two, difference in ((first, second, own - other), (second, first, other - own)):
            log_probability, position = slow_compare(one, two, w)
            true = next(i for i in range(len(edges) - 1) if difference < edges[i + 1] or i == len(edges) - 2)
            target = (difference - edges[true]) / (edges[true + 1] - edges[true])
            loss = loss + ((position[true] - target) ** 2 - log_probability[true]) / (2 * len(clips))
    ranking, sparsity = slow_attention_losses(maps, head.margin)
    return loss + head.ranking_weight * ranking / 2 + head.sparsity_weight * sparsity / 2


@pytest.mark.parametrize(("windows", "width", "parts"), [(6, 5, 3), (1, 4, 2), (4, 30, 1)])
def test_loss_and_gradients_equal_the_slow_version(windows: int, width: int, parts: int) -> None:
    head = fitted(windows, width, parts=parts, model_width=8, intervals=6, margin=3.0, ranking_weight=0.3)
    shaken(head)
    query, exemplar, own, other = (numbers.double() for numbers in pairs(3, windows, width))
    loss = head.loss(query, exemplar, own, other)
    expected = slow_loss(head, list(zip(query, exemplar, own.tolist(), other.tolist(), strict=True)))
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-10)
    names, parameters = zip(*head.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True)
    slow = torch.autograd.grad(expected, parameters, allow_unused=True)
    for name, one, two in zip(names, found, slow, strict=True):
        torch.testing.assert_close(one, torch.zeros_like(one) if two is None else two, atol=1e-9, rtol=1e-7, msg=name)


@torch.no_grad()
def test_predictions_equal_the_slow_version() -> None:
    head = fitted(5, 4, parts=3, model_width=8, intervals=8)
    shaken(head)
    query, exemplar, _, score = (numbers.double() for numbers in pairs(10, 5, 4))
    weights = dict(head.named_parameters())
    parts = torch.cat([head.parser(clips)[0] for clips in (exemplar, query)], -1)
    weights["choice.2.bias"].sub_(head.choice(head.pair_encoder(parts).mean(1)).mean(0))  # no interval wins everywhere
    parser = {name.removeprefix("parser."): value for name, value in weights.items() if name.startswith("parser.")}
    edges = head.intervals.edges.tolist()
    leaves = set()
    for row, predicted in enumerate(head(query, exemplar, score)):
        own, other = (slow_parse(clips[row], parser)[0] for clips in (query, exemplar))
        log_probability, position = slow_compare(own, other, weights)
        best = max(range(8), key=log_probability.tolist().__getitem__)
        leaves.add(best)
        expected = float(score[row]) + edges[best] + float(position[best]) * (edges[best + 1] - edges[best])
        assert float(predicted) == pytest.approx(expected, abs=1e-10)
    assert len(leaves) > 1


def test_the_order_of_a_pair_does_not_change_the_loss() -> None:
    head = fitted(7, 6, model_width=16).eval()
    query, exemplar, own, other = pairs(5, 7, 6)
    forth, back = head.loss(query, exemplar, own, other), head.loss(exemplar, query, other, own)
    torch.testing.assert_close(forth, back)
    assert not torch.isclose(forth, head.loss(query, exemplar, other, own), atol=1e-3)


def test_attention_is_that_of_the_loss_without_gradient() -> None:
    query, exemplar, own, other = pairs(4, 7, 6)
    options = {"model_width": 16, "sparsity_weight": 0}
    heads = [fitted(7, 6, ranking_weight=weight, **options).eval() for weight in (0, 1)]
    attention = heads[0].attention(torch.cat([query, exemplar]))
    assert attention.shape == (8, 2, 5, 7)
    assert not attention.requires_grad
    torch.testing.assert_close(attention.sum(-1), torch.ones(8, 2, 5))
    without, with_ranking = (head.loss(query, exemplar, own, other) for head in heads)
    torch.testing.assert_close(with_ranking - without, ranking_loss(attention, 2.0).double() / 2, check_dtype=False)


def test_learns_sixteen_random_clips_by_heart() -> None:
    torch.manual_seed(4)
    clips, scores = torch.randn(16, 6, 30), torch.rand(16, dtype=torch.float64)
    head = fitted(6, 30, model_width=32)
    head.learn_scores(scores, torch.zeros(16, dtype=torch.int64))
    query, exemplar = torch.tensor(list(itertools.permutations(range(16), 2))).T
    slow = set(head.slow_parameters())
    fast = [parameter for parameter in head.parameters() if parameter not in slow]
    optimizer = torch.optim.Adam([{"params": list(slow), "lr": 1e-3}, {"params": fast, "lr": 2e-3}])
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        some = torch.randperm(len(query), generator=generator)[:64]
        a, b = query[some], exemplar[some]
        optimizer.zero_grad()
        head.loss(clips[a], clips[b], scores[a], scores[b]).backward()
        optimizer.step()
    with torch.no_grad():
        predicted = head.eval()(clips[query], clips[exemplar], scores[exemplar])
    assert predicted.dtype == torch.float64
    means = torch.stack([predicted[query == clip].mean() for clip in range(16)])
    assert spearman(means, scores) == pytest.approx(1)


def test_parameters_at_the_lower_learning_rate() -> None:
    head = TPT(4, 6, model_width=16)
    slow = set(head.slow_parameters())
    fast = {name for name, parameter in head.named_parameters() if parameter not in slow}
    assert {name.split(".")[0] for name in fast} == {"choice", "position"}
    assert len(slow) + len(fast) == len(list(head.parameters()))


@pytest.mark.parametrize("windows", [1, 9])
@pytest.mark.parametrize("autocast", [False, True])
def test_low_precision(windows: int, autocast: bool) -> None:
    head = fitted(windows, 30)
    query, exemplar, own, other = pairs(4, windows, 30)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = head.loss(query, exemplar, own, other)
        predicted = head(query, exemplar, other)
        attention = head.attention(query)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert predicted.dtype == torch.float64
    assert predicted.isfinite().all()
    assert attention.dtype == torch.float32
    torch.testing.assert_close(attention.sum(-1), torch.ones(4, 2, 5))
    with torch.no_grad():
        precise = head.eval().loss(query, exemplar, own, other)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            torch.testing.assert_close(head.loss(query, exemplar, own, other), precise, rtol=0.02, atol=0.02)


def test_the_state_loads_strictly() -> None:
    head = fitted(4, 6, model_width=16).eval()
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    other = TPT(4, 6, model_width=16).eval()
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    query, exemplar, _, score = pairs(6, 4, 6)
    assert torch.equal(other(query, exemplar, score), head(query, exemplar, score))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"windows": 0}, "TPT: expected at least one window and feature, got 0, 6"),
        ({"width": 0}, "TPT: expected at least one window and feature, got 4, 0"),
        ({"parts": 0}, "TPT: parts must be at least 1, got 0"),
        ({"model_width": 30}, "TPT: model_width must be a multiple of 8, the heads of the self-attention, got 30"),
        ({"model_width": 0}, "TPT: model_width must be a multiple of 8, the heads of the self-attention, got 0"),
        ({"intervals": 5}, "the number of intervals must be even and at least 2, got 5"),
        ({"margin": -1.0}, "TPT: margin must lie in [0, 3.16] for 5 parts to fit into a clip, got -1.0"),
        ({"margin": 20.0}, "TPT: margin must lie in [0, 3.16] for 5 parts to fit into a clip, got 20.0"),
        ({"margin": float("nan")}, "TPT: margin must lie in [0, 3.16] for 5 parts to fit into a clip, got nan"),
        ({"parts": 10}, "TPT: margin must lie in [0, 1.72] for 10 parts to fit into a clip, got 2.0"),
        ({"ranking_weight": -0.1}, "TPT: ranking_weight must be a number of at least 0, got -0.1"),
        ({"sparsity_weight": float("inf")}, "TPT: sparsity_weight must be a number of at least 0, got inf"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        TPT(**{"windows": 4, "width": 6} | options)
    assert str(refused.value) == said


def test_a_margin_that_just_fits_is_taken() -> None:
    TPT(4, 6, parts=10, margin=1.72)
    TPT(4, 6, parts=18, margin=1.0)


def test_scores_without_a_difference_are_refused() -> None:
    with pytest.raises(InputError, match="different scores"):
        TPT(4, 6).learn_scores(torch.ones(5, dtype=torch.float64), torch.zeros(5, dtype=torch.int64))
