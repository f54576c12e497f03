import pytest
import torch

from errors import InputError
from lightning_modules.heads.difference import ScoreRegression
from tests.lightning_modules.heads.pair_data import random_pairs, trained_on_few


def test_equals_the_formula() -> None:
    torch.manual_seed(0)
    head = ScoreRegression(3, 4).double()
    query, exemplar, own, other = random_pairs(7, 3, 4)
    weight: list[float] = head.linear.weight[0].tolist()
    bias = float(head.linear.bias)
    assert bias == 0.5

    def score(clip: list[list[float]]) -> float:
        return bias + sum(w * sum(window[i] for window in clip) / len(clip) for i, w in enumerate(weight))

    assert head(query, exemplar, other).tolist() == pytest.approx([score(clip) for clip in query.tolist()])
    clips = [*query.tolist(), *exemplar.tolist()]
    errors = [(score(clip) - true) ** 2 for clip, true in zip(clips, [*own.tolist(), *other.tolist()], strict=True)]
    assert float(head.loss(query, exemplar, own, other)) == pytest.approx(sum(errors) / len(errors))


def test_predictions_do_not_depend_on_the_exemplar() -> None:
    head = ScoreRegression(3, 4)
    query, exemplar, own, other = (given.float() for given in random_pairs(7, 3, 4))
    assert head(query, exemplar, other).equal(head(query, 100 - exemplar, own))
    assert head(query, exemplar, other.double()).dtype == torch.float64


def test_the_loss_does_not_know_query_from_exemplar() -> None:
    head = ScoreRegression(3, 4).double()
    query, exemplar, own, other = random_pairs(7, 3, 4)
    torch.testing.assert_close(head.loss(query, exemplar, own, other), head.loss(exemplar, query, other, own))


def test_learns_as_many_clips_as_it_has_weights() -> None:
    torch.manual_seed(0)
    scores, predicted = trained_on_few(ScoreRegression(2, 8), clips=6, steps=300, rate=0.1)
    torch.testing.assert_close(predicted, scores, rtol=0, atol=0.02)


@pytest.mark.parametrize(("windows", "width"), [(0, 1), (1, 0)])
def test_wrong_options(windows: int, width: int) -> None:
    with pytest.raises(InputError, match=r"^ScoreRegression: .*got "):
        ScoreRegression(windows, width)
