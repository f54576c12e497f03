from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from errors import InputError
from lightning_modules.heads.core import CoRe, NodeLinear, RegressionTree
from lightning_modules.heads.pair_head import both_orders, pair_vector, pair_width
from tests.lightning_modules.heads import slow_core
from tests.lightning_modules.heads.pair_data import random_pairs, trained_on_few

DEPTHS = (2, 3, 4, 5, 6)
WINDOWS, WIDTH = 3, 4


def fitted(depth: int, scores: str = "random", pooling: Literal["mean", "concatenate"] = "mean") -> CoRe:
    """A head with weights large enough for leaves to differ, in float64."""
    torch.manual_seed(depth)
    head = CoRe(WINDOWS, WIDTH, depth, hidden=6, pooling=pooling).double()
    for parameter in head.parameters():
        parameter.data *= 2
    given, action = torch.rand(40, dtype=torch.float64), torch.arange(40) % 3
    head.learn_scores((given * 6).round() / 6 if scores == "tied" else given, action)
    return head


def batch(n: int = 12, scores: str = "random") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    query, exemplar, query_score, exemplar_score = random_pairs(n, WINDOWS, WIDTH)
    if scores == "tied":
        query_score, exemplar_score = (query_score * 6).round() / 6, (exemplar_score * 6).round() / 6
        query_score[0], exemplar_score[0], query_score[1], exemplar_score[1] = 1, 0, 0.5, 0.5
    query_score[2], exemplar_score[2] = 2.5, -0.3  # beyond every training difference
    return query, exemplar, query_score, exemplar_score


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_tree_equals_a_walk_from_node_to_node(depth: int) -> None:
    head = fitted(depth)
    query, exemplar, _, score = batch()
    pairs = pair_vector(query, exemplar, score, "mean")
    log_probability, features = head.tree(pairs)
    assert log_probability.shape == (len(pairs), 2 ** (depth - 1))
    torch.testing.assert_close(log_probability.exp().sum(1), torch.ones(len(pairs), dtype=torch.float64))
    walks = [slow_core.leaves(head, pair) for pair in pairs]
    torch.testing.assert_close(log_probability, torch.stack([torch.stack([p for p, _ in walk]) for walk in walks]))
    for leaf in range(log_probability.shape[1]):
        found = head.tree.position(features, torch.full((len(pairs),), leaf))
        torch.testing.assert_close(found, torch.stack([walk[leaf][1] for walk in walks]))
    mixed = torch.randint(0, 2 ** (depth - 1), (len(pairs),), generator=torch.Generator().manual_seed(0))
    found = head.tree.position(features, mixed)
    torch.testing.assert_close(found, torch.stack([walk[leaf][1] for walk, leaf in zip(walks, mixed, strict=True)]))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("scores", ["random", "tied"])
@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
def test_loss_gradient_and_predictions_equal_the_slow_version(
    depth: int, scores: str, pooling: Literal["mean", "concatenate"]
) -> None:
    head = fitted(depth, scores, pooling)
    query, exemplar, query_score, exemplar_score = batch(5, scores)
    query.requires_grad_()
    exemplar.requires_grad_()
    wanted = [*head.parameters(), query, exemplar]
    fast = head.loss(query, exemplar, query_score, exemplar_score)
    slow = slow_core.loss(head, query, exemplar, query_score, exemplar_score)
    torch.testing.assert_close(fast, slow)
    for one, other in zip(
        torch.autograd.grad(fast, wanted),
        torch.autograd.grad(slow, wanted, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    expected = slow_core.predictions(head, query, exemplar, exemplar_score)
    assert head(query, exemplar, exemplar_score).tolist() == pytest.approx(expected)


def test_float32_is_close_to_float64() -> None:
    head, data = fitted(5), batch(30)
    expected, loss = head(*data[:2], data[3]), head.loss(*data)
    single = head.float()
    features = data[0].float(), data[1].float()
    assert single(*features, data[3]).dtype == torch.float64
    torch.testing.assert_close(single(*features, data[3]), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single.loss(*features, *data[2:]).double(), loss, rtol=1e-4, atol=1e-4)


def test_numbers_of_half_precision() -> None:
    head, data = fitted(5).float(), batch(30)
    features = data[0].float(), data[1].float()
    expected = head.loss(*features, *data[2:])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head.loss(*features, *data[2:]), expected, rtol=0.02, atol=0.02)
    whole = head.bfloat16()
    features = features[0].bfloat16(), features[1].bfloat16()
    assert whole.loss(*features, *data[2:]).isfinite()
    assert whole(*features, data[3]).dtype == torch.float64


@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
def test_pair_vectors_of_both_orders(pooling: Literal["mean", "concatenate"]) -> None:
    query, exemplar, query_score, exemplar_score = batch()
    vectors, difference = both_orders(query, exemplar, query_score, exemplar_score, pooling)
    clips = [*zip(query, exemplar, exemplar_score, strict=True), *zip(exemplar, query, query_score, strict=True)]
    torch.testing.assert_close(vectors, torch.stack([slow_core.pair_vector(*pair, pooling) for pair in clips]))
    assert vectors.shape[1] == pair_width(WINDOWS, WIDTH, pooling)
    both = zip([*query_score, *exemplar_score], [*exemplar_score, *query_score], strict=True)
    assert difference.tolist() == [float(own - other) for own, other in both]


@pytest.mark.parametrize("scores", ["random", "tied"])
def test_the_loss_does_not_know_query_from_exemplar(scores: str) -> None:
    head = fitted(5, scores)
    query, exemplar, query_score, exemplar_score = batch(scores=scores)
    there = head.loss(query, exemplar, query_score, exemplar_score)
    torch.testing.assert_close(there, head.loss(exemplar, query, exemplar_score, query_score))
    assert not head(query, exemplar, exemplar_score).allclose(head(exemplar, query, query_score))


@pytest.mark.parametrize("scores", ["random", "tied"])
def test_a_tree_that_knows_the_leaf_and_the_position_gives_the_scores(
    scores: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = fitted(5, scores)
    query, exemplar, query_score, exemplar_score = batch(200, scores)
    true = head.intervals.of(query_score - exemplar_score)
    known = torch.full((len(true), 16), -9.0).scatter(1, true[:, None], 0.0)
    place = head.intervals.position(query_score - exemplar_score, true)
    monkeypatch.setattr(RegressionTree, "forward", lambda *_: (known, None))
    monkeypatch.setattr(RegressionTree, "position", lambda _, __, leaf: place.where(leaf == true, torch.nan))
    torch.testing.assert_close(head(query, exemplar, exemplar_score), query_score, rtol=0, atol=1e-9)


def test_pairs_do_not_depend_on_the_rest_of_the_batch() -> None:
    head, (query, exemplar, _, score) = fitted(5), batch(30)
    together = head(query, exemplar, score)
    alone = [head(query[i : i + 1], exemplar[i : i + 1], score[i : i + 1]) for i in range(len(query))]
    torch.testing.assert_close(together, torch.cat(alone))
    assert head(query[:0], exemplar[:0], score[:0]).shape == (0,)


def test_size_and_first_weights_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    head = CoRe(10, 1024)
    nodes = 1 + 2 + 4 + 8
    assert sum(p.numel() for p in head.parameters()) == (
        2049 * 256 + 256 + nodes * (256 * 512 + 512 + 256 * 2 + 2) + 16 * (256 + 1)
    )
    layer, one = NodeLinear(8, 100, 30), torch.nn.Linear(100, 30)
    for ours, theirs in ((layer.weight.data, one.weight.data), (layer.bias.data, one.bias.data)):
        assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.2)
        assert float(ours.abs().max()) <= 0.1
    assert head.slow_parameters() == []


def test_overfits_sixteen_clips() -> None:
    torch.manual_seed(0)
    scores, predicted = trained_on_few(CoRe(2, 8, hidden=32), clips=16, steps=150, rate=1e-2)
    assert predicted.argsort().equal(scores.argsort())  # Spearman's rho is 1
    assert float((scores - predicted).abs().max()) < 0.05


@pytest.mark.parametrize(
    "options",
    [{"depth": 1}, {"depth": 11}, {"depth": -3}, {"hidden": 0}, {"windows": 0}, {"width": 0}, {"windows": -1}],
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^CoRe: .*got ") as error:
        CoRe(**{"windows": 2, "width": 3, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0], [0.0], []])
def test_without_different_scores_there_is_nothing_to_learn(scores: list[float]) -> None:
    with pytest.raises(InputError, match=r"give clips of different quality$"):
        CoRe(2, 3).learn_scores(torch.tensor(scores, dtype=torch.float64), torch.zeros(len(scores), dtype=torch.int64))
