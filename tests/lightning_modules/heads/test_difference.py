import pytest
import torch
from torch import nn

from errors import InputError
from lightning_modules.heads.difference import DifferenceRegression
from tests.lightning_modules.heads import slow_core
from tests.lightning_modules.heads.pair_data import random_pairs, trained_on_few


@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
def test_equals_the_formula(pooling: str) -> None:
    torch.manual_seed(0)
    head = DifferenceRegression(3, 4, hidden=5, pooling=pooling).double()  # type: ignore[arg-type]
    data = random_pairs(7, 3, 4)
    first, second = head.network[0], head.network[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)

    def difference(query: torch.Tensor, exemplar: torch.Tensor, exemplar_score: torch.Tensor) -> float:
        pair, total = slow_core.pair_vector(query, exemplar, exemplar_score, pooling), float(second.bias)
        for i in range(5):
            total += float(second.weight[0, i]) * max(0.0, float(first.weight[i] @ pair + first.bias[i]))
        return total

    predicted, errors = [], []
    for query, exemplar, own, other in zip(*data, strict=True):
        predicted.append(float(other) + difference(query, exemplar, other))
        errors.append((difference(query, exemplar, other) - float(own - other)) ** 2)
        errors.append((difference(exemplar, query, own) - float(other - own)) ** 2)
    assert head(data[0], data[1], data[3]).tolist() == pytest.approx(predicted)
    assert float(head.loss(*data)) == pytest.approx(sum(errors) / len(errors))


def test_the_loss_does_not_know_query_from_exemplar() -> None:
    head = DifferenceRegression(3, 4).double()
    query, exemplar, own, other = random_pairs(7, 3, 4)
    torch.testing.assert_close(head.loss(query, exemplar, own, other), head.loss(exemplar, query, other, own))


def test_scores_keep_their_precision() -> None:
    query, exemplar, _, score = random_pairs(7, 3, 4)
    assert DifferenceRegression(3, 4)(query.float(), exemplar.float(), score).dtype == torch.float64


def test_overfits_sixteen_clips() -> None:
    torch.manual_seed(0)
    scores, predicted = trained_on_few(DifferenceRegression(2, 8, hidden=64), clips=16, steps=150, rate=1e-2)
    assert predicted.argsort().equal(scores.argsort())  # Spearman's rho is 1
    assert float((scores - predicted).abs().max()) < 0.05


def test_equal_scores_are_nothing_to_refuse() -> None:
    DifferenceRegression(3, 4).learn_scores(torch.ones(3), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(("windows", "width", "hidden"), [(1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, -2)])
def test_wrong_options(windows: int, width: int, hidden: int) -> None:
    with pytest.raises(InputError, match=r"^DifferenceRegression: .*got ") as error:
        DifferenceRegression(windows, width, hidden)
    assert "\n" not in str(error.value)
