import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from torchmetrics.functional import spearman_corrcoef

from scoring.metrics import FISHER_LIMIT, fisher_mean, ranks, relative_l2, resampled_spearman, spearman
from tests.scoring.build import scipy_rho

NAN = math.nan
columns = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-3, 3).map(lambda x: x / 3), min_size=n, max_size=n)] * 2)
)


def test_ranks_equal_scipy_in_every_row() -> None:
    values = torch.randint(0, 5, (4, 3, 9), generator=torch.Generator().manual_seed(0)).double()
    np.testing.assert_array_equal(ranks(values), rankdata(values, axis=-1))


@given(columns)
def test_spearman_equals_scipy(pair: tuple[list[float], list[float]]) -> None:
    a, b = (torch.tensor(column, dtype=torch.float64) for column in pair)
    if len(set(pair[0])) == 1 or len(set(pair[1])) == 1:
        assert spearman(a, b).isnan()
    else:
        assert spearman(a, b).item() == pytest.approx(scipy_rho(a, b))


@given(columns)
def test_spearman_is_symmetric_and_ignores_monotone_maps(pair: tuple[list[float], list[float]]) -> None:
    a, b = (torch.tensor(column, dtype=torch.float64) for column in pair)
    torch.testing.assert_close(spearman(a, b), spearman(b, a), equal_nan=True)
    torch.testing.assert_close(spearman(a.exp(), b), spearman(a, b), equal_nan=True)
    torch.testing.assert_close(spearman(-a, b), -spearman(a, b), equal_nan=True)


def test_spearman_equals_torchmetrics() -> None:
    a, b = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(0))
    expected = spearman_corrcoef(a.T, b.T)
    torch.testing.assert_close(spearman(a, b).float(), expected, atol=1e-5, rtol=0)


def test_spearman_broadcasts() -> None:
    a, b = torch.randn(3, 8), torch.randn(8)
    torch.testing.assert_close(spearman(a, b), torch.stack([spearman(row, b) for row in a]))


@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, NAN, 3.0], [1.0, 2.0, 3.0])]
)
def test_undefined_spearman(a: list[float], b: list[float]) -> None:
    assert spearman(torch.tensor(a), torch.tensor(b)).isnan()
    assert spearman(torch.tensor(b), torch.tensor(a)).isnan()


def test_constant_prediction_is_undefined_however_large_its_value() -> None:
    assert spearman(torch.full((1001,), 1e-17 + 1 / 3), torch.arange(1001.0)).isnan()


@given(columns, st.integers(0, 100))
def test_resampled_spearman_equals_spearman_of_the_resample(pair: tuple[list[float], list[float]], seed: int) -> None:
    a, b = (torch.tensor(column, dtype=torch.float64) for column in pair)
    weights = torch.randint(0, 4, (5, len(a)), generator=torch.Generator().manual_seed(seed))
    expected = [spearman(a.repeat_interleave(row), b.repeat_interleave(row)) for row in weights]
    torch.testing.assert_close(resampled_spearman(a, b, weights), torch.stack(expected), equal_nan=True)


def test_resample_is_undefined_only_where_it_holds_a_nan() -> None:
    a, b = torch.tensor([1.0, NAN, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    rho = resampled_spearman(a, b, torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]]))
    assert rho[0] == 1
    assert rho[1].isnan()


def test_fisher_mean() -> None:
    rhos = torch.tensor([0.2, NAN, 0.9, -0.4], dtype=torch.float64)
    assert fisher_mean(rhos).item() == pytest.approx(math.tanh(np.mean(np.arctanh([0.2, 0.9, -0.4]))))
    assert fisher_mean(torch.tensor([[NAN, NAN], [0.5, NAN]])).isnan().tolist() == [True, False]
    assert fisher_mean(torch.tensor([1.0, 1.0])).item() == pytest.approx(FISHER_LIMIT)
    assert fisher_mean(torch.tensor([-1.0, 0.0])).item() == pytest.approx(-math.tanh(math.atanh(FISHER_LIMIT) / 2))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_fisher_mean_lies_between_its_correlations(rhos: list[float]) -> None:
    mean = fisher_mean(torch.tensor(rhos, dtype=torch.float64)).item()
    cut = [min(max(rho, -FISHER_LIMIT), FISHER_LIMIT) for rho in rhos]
    assert min(cut) - 1e-9 <= mean <= max(cut) + 1e-9


def test_relative_l2_equals_slow_loop() -> None:
    prediction, true = [12.0, 30.0, 7.5], [10.0, 28.0, 20.0]
    expected = 100 / 3 * sum(((p - s) / (28 - 10)) ** 2 for p, s in zip(prediction, true, strict=True))
    assert relative_l2(torch.tensor(prediction), torch.tensor(true), 10, 28).item() == pytest.approx(expected)


def test_undefined_relative_l2() -> None:
    assert relative_l2(torch.ones(2), torch.ones(2), 1, 1).isnan()
    assert relative_l2(torch.ones(0), torch.ones(0), 0, 1).isnan()


def test_arrays_and_lists_give_arrays() -> None:
    a, b = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    rho = spearman(a.numpy(), b.numpy())
    assert isinstance(rho, np.ndarray)
    np.testing.assert_array_equal(rho, spearman(a, b))
    mean = fisher_mean(rho)
    assert isinstance(mean, np.float64)
    assert mean == fisher_mean(torch.from_numpy(rho))
    assert relative_l2(a.numpy(), b.numpy(), 0, 1) == pytest.approx(relative_l2(a, b, 0, 1).numpy())
    assert spearman([1, 2, 3], [10, 30, 20]) == pytest.approx(0.5)
    assert relative_l2([1, 2], [1, 4], 0, 4) == pytest.approx(12.5)
    assert spearman(torch.tensor([1, 2, 3]), torch.tensor([3, 2, 1])) == -1
    assert isinstance(spearman(a, b.numpy()), torch.Tensor)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: spearman(np.arange(5), np.arange(4)), r"one number of each for every clip .*got \[5\] and \[4\]"),
        (lambda: spearman(np.arange(1), np.arange(4)), r"got \[1\] and \[4\]"),
        (lambda: spearman(np.float64(3), np.float64(3)), r"got \[\] and \[\]"),
        (lambda: spearman(["a", "b"], [1, 2]), "spearman: give numbers"),
        (lambda: spearman(np.array(["a", "b"]), np.arange(2)), "spearman: give numbers"),
        (lambda: fisher_mean(np.array([0.5, -1.5])), r"lie in \[-1, 1\], but one is -1.5"),
        (lambda: relative_l2(torch.ones(3), torch.ones(2), 0, 1), r"relative_l2: .*got \[3\] and \[2\]"),
    ],
)
def test_what_is_no_column_of_clips_is_refused(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
