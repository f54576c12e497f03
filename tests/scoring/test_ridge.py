import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from errors import InputError
from scoring import ridge as module
from scoring.ridge import RidgeScorer, ridge
from tests.scoring.build import make_clips

LAMBDAS = (0.01, 1.0, 30.0, 1000.0)


def data(n: int, features: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, queries = (torch.rand(size, features, generator=generator) for size in (n, 7))
    return x, 50 + 10 * torch.randn(n, generator=generator, dtype=torch.float64), queries


@pytest.mark.parametrize(("n", "features"), [(30, 5), (5, 30), (12, 12), (2, 3), (1, 4)])
@pytest.mark.parametrize("factors", [16, 0], ids=["cholesky", "eigenvalues"])
def test_ridge_equals_sklearn(n: int, features: int, factors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FACTORS", factors)
    x, y, queries = data(n, features)
    expected = [Ridge(penalty).fit(x.double().numpy(), y).predict(queries.double().numpy()) for penalty in LAMBDAS]
    torch.testing.assert_close(ridge(x, y, queries, LAMBDAS), torch.from_numpy(np.stack(expected)))


def test_clips_that_are_not_finite_are_left_out() -> None:
    x, y, queries = data(9, 4)
    clean = ridge(x[:7], y[:7], queries, LAMBDAS)
    x[7, 1], y[8] = torch.nan, torch.nan
    torch.testing.assert_close(ridge(x, y, queries, LAMBDAS), clean)
    queries[2, 0] = torch.nan
    assert ridge(x, y, queries, LAMBDAS).isnan().any(0).tolist() == [False, False, True, *[False] * 4]
    assert ridge(x[7:], y[7:], queries, LAMBDAS).isnan().all()


def test_constant_features_predict_the_mean() -> None:
    prediction = ridge(torch.ones(4, 3), torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.ones(2, 3), (1.0,))
    assert prediction.tolist() == [[3, 3]]


def test_scorer_regresses_on_unit_embeddings_per_action() -> None:
    action = torch.tensor([0, 1] * 6)
    queries, exemplars = make_clips(12, seed=1, action=action), make_clips(12, seed=2, action=action)
    prediction = RidgeScorer(LAMBDAS).predict_all(queries, exemplars)
    for one in (0, 1):
        x, q = (
            np.stack([(clip / np.linalg.norm(clip, axis=1, keepdims=True)).ravel() for clip in clips.numpy()])
            for clips in (exemplars.embedding[action == one], queries.embedding[action == one])
        )
        for row, penalty in zip(prediction[:, action == one], LAMBDAS, strict=True):
            expected = Ridge(penalty).fit(x, exemplars.score[action == one]).predict(q)
            np.testing.assert_allclose(row, expected)


@pytest.mark.parametrize("lambdas", [(0.0,), (-1.0, 1.0), (float("nan"),)])
def test_penalties_must_be_positive(lambdas: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="above 0"):
        RidgeScorer(lambdas)
    with pytest.raises(ValueError, match="above 0"):
        ridge(torch.ones(2, 2), torch.ones(2), torch.ones(1, 2), lambdas)
