import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from torch import Tensor

from scoring.evaluation import ClipTable
from scoring.metrics import FISHER_LIMIT, resampling_weights
from scoring.pooling import compare_seeds, pool, rank_normalised
from tests.scoring.build import scipy_rho


def table(clips: list[int], seed: int = 0, **predictions: Tensor) -> ClipTable:
    """A table whose known columns follow from the clip's number."""
    clip = torch.tensor(clips)
    random = torch.rand(2, len(clips), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return ClipTable(
        clip=clip,
        action=clip % 2,
        group=clip // 3,
        score=clip.double() * 10,
        difficulty=torch.where(clip > 2, clip.double(), torch.nan),
        predictions=predictions or {"far": random[0], "near": random[1]},
    )


@given(st.lists(st.tuples(st.one_of(st.integers(-3, 3), st.just(math.nan)), st.integers(0, 2)), max_size=20))
def test_rank_normalised_is_the_place_among_those_of_the_action(rows: list[tuple[float, int]]) -> None:
    values = torch.tensor([float(value) for value, _ in rows], dtype=torch.float64)
    action = torch.tensor([action for _, action in rows], dtype=torch.int64)
    expected = np.full(len(rows), math.nan)
    for one in range(3):
        own = [i for i, (value, other) in enumerate(rows) if other == one and not math.isnan(value)]
        expected[own] = (rankdata(values[own].numpy()) - 0.5) / max(1, len(own))
    found = rank_normalised(values, action)
    np.testing.assert_allclose(found.numpy(), expected)
    np.testing.assert_array_equal(rank_normalised(values * 7 - 1, action).numpy(), found.numpy())


def test_rank_normalised_of_equal_predictions_is_the_middle() -> None:
    assert rank_normalised(torch.full((4,), 99.0), torch.zeros(4, dtype=torch.int64)).tolist() == [0.5] * 4


def test_folds_are_joined_in_the_order_of_the_clips() -> None:
    folds = [table([5, 1, 3], seed=1), table([4, 0, 2], seed=2)]
    joined = pool([[fold] for fold in folds])
    assert joined.clip.tolist() == [0, 1, 2, 3, 4, 5]
    assert joined.score.tolist() == [0, 10, 20, 30, 40, 50]
    assert joined.action.tolist() == [0, 1, 0, 1, 0, 1]
    assert joined.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert joined.difficulty.nan_to_num(-1).tolist() == [-1, -1, -1, 3, 4, 5]
    for fold in folds:
        for clip, value in zip(fold.clip.tolist(), fold.predictions["near"].tolist(), strict=True):
            assert joined.predictions["near"][clip] == value


def test_runs_of_a_fold_are_averaged_by_rank_where_asked_for() -> None:
    first, second = table([0, 2, 4], seed=1), table([4, 0, 2], seed=2)
    joined = pool([[first, second]], by_rank={"far"})

    def column(of: ClipTable, name: str) -> Tensor:
        return of.predictions[name][of.clip.argsort()]

    torch.testing.assert_close(joined.predictions["near"], (column(first, "near") + column(second, "near")) / 2)
    places = [rank_normalised(column(one, "far"), torch.zeros(3)) for one in (first, second)]
    torch.testing.assert_close(joined.predictions["far"], (places[0] + places[1]) / 2)


def test_scales_of_different_models_do_not_matter_by_rank() -> None:
    folds = [table([0, 2, 4], far=torch.tensor([1.0, 2, 3])), table([6, 8, 10], far=torch.tensor([-50.0, -40, -30]))]
    assert scipy_rho(pool([[fold] for fold in folds]).predictions["far"], range(6)) < 0
    assert pool([[fold] for fold in folds], {"far"}).predictions["far"].tolist() == [1 / 6, 0.5, 5 / 6] * 2


def test_only_predictors_of_every_table_are_kept() -> None:
    assert list(pool([[table([0])], [table([1], near=torch.ones(1), more=torch.ones(1))]]).predictions) == ["near"]


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="two folds"):
        pool([[table([0, 1])], [table([1, 2])]])
    with pytest.raises(ValueError, match="different clips"):
        pool([[table([0, 1]), table([1, 2])]])


def test_seeds_are_averaged_in_every_resample() -> None:
    n, draws = 24, 200
    generator = torch.Generator().manual_seed(3)
    true = torch.randn(n, generator=generator, dtype=torch.float64)
    seeds = true + torch.randn(3, n, generator=generator, dtype=torch.float64)
    seeds[2] = 7.0  # collapsed: undefined everywhere, counts as 0
    other = true + 2 * torch.randn(n, generator=generator, dtype=torch.float64)
    groups = torch.arange(n) // 3
    found = compare_seeds(seeds, other, true, groups, draws=draws, seed=5)

    def slow(rows: list[int]) -> tuple[float, float]:
        own = np.mean([scipy_rho(seeds[s, rows], true[rows]) for s in (0, 1)] + [0.0])
        return float(own), float(own) - scipy_rho(other[rows], true[rows])

    assert (found.rho, found.difference) == pytest.approx(slow(list(range(n))))
    assert found.by_seed.tolist() == pytest.approx([scipy_rho(seeds[0], true), scipy_rho(seeds[1], true), 0])
    weights = resampling_weights(n, draws, torch.Generator().manual_seed(5), groups)
    values = [slow(torch.arange(n).repeat_interleave(row).tolist()) for row in weights.long()]
    ends = np.quantile(values, [0.025, 0.975], axis=0)
    assert found.interval == pytest.approx(tuple(ends[:, 0]))
    assert found.difference_interval == pytest.approx(tuple(ends[:, 1]))


def test_a_predictor_against_itself_differs_by_nothing() -> None:
    true = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = true + torch.randn(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = compare_seeds(other[None], other, true)
    assert found.difference == 0
    assert found.difference_interval == (0, 0)


def test_two_models_with_seeds_are_compared_by_their_mean_rhos_over_actions() -> None:
    n, draws = 24, 100
    generator = torch.Generator().manual_seed(4)
    true = torch.randn(n, generator=generator, dtype=torch.float64)
    first, second = (true + torch.randn(count, n, generator=generator, dtype=torch.float64) for count in (2, 3))
    second[1] = 7.0  # collapsed: counts as 0 here too
    actions = torch.arange(n) % 2
    found = compare_seeds(first, second, true, draws=draws, seed=5, actions=actions)

    def fisher(prediction: Tensor, rows: Tensor) -> float:
        rhos = [scipy_rho(prediction[own], true[own]) for own in (rows[actions[rows] == one] for one in (0, 1))]
        return float(np.tanh(np.arctanh(np.clip(rhos, -FISHER_LIMIT, FISHER_LIMIT)).mean()))

    def slow(rows: Tensor) -> tuple[float, float]:
        own = float(np.mean([fisher(one, rows) for one in first]))
        return own, own - float(np.mean([fisher(second[0], rows), 0.0, fisher(second[2], rows)]))

    assert (found.rho, found.difference) == pytest.approx(slow(torch.arange(n)))
    weights = resampling_weights(n, draws, torch.Generator().manual_seed(5), strata=actions)
    values = [slow(torch.arange(n).repeat_interleave(row)) for row in weights.long()]
    ends = np.quantile(values, [0.025, 0.975], axis=0)
    assert found.interval == pytest.approx(tuple(ends[:, 0]))
    assert found.difference_interval == pytest.approx(tuple(ends[:, 1]))
