import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import Tensor

from scoring import metrics
from scoring.metrics import bootstrap_interval, fisher_mean, resampling_weights, rho_statistic, spearman
from tests.scoring.build import scipy_rho


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def related(n: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    x, y = torch.randn(2, n, dtype=torch.float64, generator=generator())
    return x, x + noise * y


def test_clips_are_drawn_with_replacement() -> None:
    weights = resampling_weights(7, 4000, generator())
    assert weights.shape == (4000, 7)
    assert bool((weights.sum(1) == 7).all())
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.06)
    np.testing.assert_allclose(weights.var(0), 6 / 7, atol=0.08)
    assert len(torch.unique(weights, dim=0)) > 1000


def test_groups_are_drawn_whole() -> None:
    groups = torch.tensor([4, 9, 4, -1, 9, 9, -1])
    weights = resampling_weights(7, 2000, generator(), groups=groups)
    assert bool((weights[:, 0] == weights[:, 2]).all())
    assert bool((weights[:, [1, 4]] == weights[:, [5, 5]]).all())
    assert bool((weights[:, 3] != weights[:, 6]).any())
    assert bool((weights[:, [0, 1, 3, 6]].sum(1) == 4).all())
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.1)


def test_clips_are_drawn_within_strata() -> None:
    strata = torch.tensor([5, 0, 5, 2, 0, 5, 5])
    weights = resampling_weights(7, 2000, generator(), strata=strata)
    for stratum in (0, 2, 5):
        assert bool((weights[:, strata == stratum].sum(1) == (strata == stratum).sum()).all())
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.1)
    assert bool((weights[:, 3] == 1).all())


def test_groups_and_strata_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        resampling_weights(2, 1, generator(), groups=torch.tensor([0, 1]), strata=torch.tensor([0, 0]))


@pytest.mark.parametrize(("n", "noise"), [(28, 0.35), (150, 1.0)])
def test_interval_of_rho_equals_scipy(n: int, noise: float) -> None:
    x, y = related(n, noise)
    ends = bootstrap_interval(rho_statistic(x[None], y), n, draws=4000)[0]
    data: Any = (x.numpy(), y.numpy())
    expected = bootstrap(
        data,
        scipy_rho,
        paired=True,
        vectorized=False,
        n_resamples=999,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert ends.tolist() == pytest.approx([expected.low, expected.high], abs=0.04)


def test_interval_by_group_equals_slow_loop() -> None:
    x, y = related(40)
    groups = torch.randint(0, 9, (40,), generator=generator())
    members = [(groups == group).nonzero()[:, 0] for group in range(9)]
    random = np.random.default_rng(0)
    rhos = []
    for _ in range(700):
        drawn = torch.cat([members[group] for group in random.integers(0, 9, 9)])
        rhos.append(float(spearman(x[drawn], y[drawn])))
    ends = bootstrap_interval(rho_statistic(x[None], y), 40, groups=groups, draws=4000)[0]
    assert ends.tolist() == pytest.approx(np.quantile(rhos, [0.025, 0.975]).tolist(), abs=0.04)


def test_interval_of_fisher_mean_equals_slow_loop() -> None:
    x, y = related(45)
    actions = torch.tensor([0, 2, 5] * 15)
    random = np.random.default_rng(0)
    means = []
    for _ in range(700):
        rhos = []
        for action in (0, 2, 5):
            members = (actions == action).nonzero()[:, 0]
            drawn = members[torch.from_numpy(random.integers(0, 15, 15))]
            rhos.append(spearman(x[drawn], y[drawn]))
        means.append(float(fisher_mean(torch.stack(rhos))))
    ends = bootstrap_interval(rho_statistic(x[None], y, actions), 45, strata=actions, draws=4000)[0]
    assert ends.tolist() == pytest.approx(np.quantile(means, [0.025, 0.975]).tolist(), abs=0.04)


def test_every_clip_once_is_the_statistic_itself() -> None:
    x, y = related(30)
    actions = torch.tensor([0, 1, 1] * 10)
    once = torch.ones(1, 30)
    torch.testing.assert_close(rho_statistic(torch.stack((x, -x)), y)(once)[0], spearman(torch.stack((x, -x)), y))
    rhos = torch.stack([spearman(x[actions == a], y[actions == a]) for a in (0, 1)])
    torch.testing.assert_close(rho_statistic(x[None], y, actions)(once)[0, 0], fisher_mean(rhos))


def test_interval_is_repeatable_and_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = related(20)
    statistic = rho_statistic(x[None], y)
    whole = bootstrap_interval(statistic, 20, seed=3)
    assert torch.equal(bootstrap_interval(statistic, 20, seed=3), whole)
    assert not torch.equal(bootstrap_interval(statistic, 20, seed=4), whole)
    monkeypatch.setattr(metrics, "_WEIGHTS_AT_ONCE", 20 * 128)
    torch.testing.assert_close(bootstrap_interval(statistic, 20, seed=3), whole)


def test_undefined_resamples_are_left_out() -> None:
    # With two clips every other resample holds one of them twice.
    ends = bootstrap_interval(rho_statistic(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 4.0])), 2)
    assert ends.tolist() == [[1, 1]]
    assert bootstrap_interval(rho_statistic(torch.ones(1, 3), torch.arange(3.0)), 3).isnan().all()


def test_statistic_with_several_values_and_other_levels() -> None:
    values = torch.arange(50.0)

    def mean(weights: Tensor) -> Tensor:
        return torch.stack((weights @ values.double(), -(weights @ values.double())), -1) / 50

    wide, narrow = (bootstrap_interval(mean, 50, level=level) for level in (0.99, 0.5))
    assert wide.shape == (2, 2)
    assert wide[0, 0] < narrow[0, 0] < narrow[0, 1] < wide[0, 1]
    assert wide[1].tolist() == pytest.approx([-wide[0, 1].item(), -wide[0, 0].item()])
    half = 0.6745 * math.sqrt(values.double().var(correction=0).item() / 50)
    assert narrow[0].tolist() == pytest.approx([24.5 - half, 24.5 + half], abs=0.3)
