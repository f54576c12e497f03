"""Percentile bootstrap intervals, by clip and by group, for any statistic that takes resampling weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from scoring.metrics import fisher_mean, resampled_spearman

Statistic = Callable[[Tensor], Tensor]
"""From weights [B, n], how often each clip occurs in each of B resamples, to values [B, ...]; NaN where undefined."""

_WEIGHTS_AT_ONCE = 1 << 20


def resampling_weights(
    n: int, draws: int, generator: torch.Generator, groups: Tensor | None = None, strata: Tensor | None = None
) -> Tensor:
    """How often each of n clips occurs in each bootstrap resample.

    Args:
        n: number of clips.
        draws: number of resamples.
        generator: where the draws come from.
        groups: [n]; whole groups are drawn, with all their clips, as many as there are. A clip of unknown group (-1) is
            a group of its own.
        strata: [n]; clips are drawn within each stratum, so that every resample holds as many of each. Not with groups,
            which may lie across strata.

    Returns:
        [draws, n] float64, whole numbers.
    """
    if groups is not None and strata is not None:
        raise ValueError("groups are drawn from the whole set: give groups or strata, not both")
    unit = torch.arange(n) if groups is None else torch.where(groups < 0, groups.max() + 1 + torch.arange(n), groups)
    units, unit = torch.unique(unit, return_inverse=True)
    stratum = torch.zeros_like(units) if strata is None else strata
    order = stratum.argsort(stable=True)
    _, inverse, size = torch.unique(stratum[order], return_inverse=True, return_counts=True)
    begin, size = (size.cumsum(0) - size)[inverse], size[inverse]
    chance = torch.rand(draws, len(units), generator=generator, dtype=torch.float64)
    drawn = order[begin + (chance * size).long()]
    times = torch.zeros_like(chance).scatter_add_(1, drawn, torch.ones_like(chance))
    return times[:, unit]


def bootstrap_interval(
    statistic: Statistic,
    n: int,
    *,
    groups: Tensor | None = None,
    strata: Tensor | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Tensor:
    """Percentile bootstrap interval of a statistic of n clips.

    Args:
        statistic: see `Statistic`.
        n: number of clips.
        groups: see `resampling_weights`.
        strata: see `resampling_weights`.
        draws: number of resamples.
        level: share of the resamples inside the interval.
        seed: seed of the draws; the same seed draws the same clips for every statistic.

    Returns:
        [..., 2] float64, lower and upper end. Resamples in which the statistic is undefined are left out; NaN where all
        are.
    """
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // max(1, n))
    sizes = [min(at_once, draws - start) for start in range(0, draws, at_once)]
    values = torch.cat([statistic(resampling_weights(n, size, generator, groups, strata)) for size in sizes]).double()
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    return values.nanquantile(ends, dim=0).movedim(0, -1)


def rho_statistic(predictions: Tensor, true: Tensor, actions: Tensor | None = None) -> Statistic:
    """Spearman's rho of P predictions, as a function of resampling weights: [B, n] -> [B, P].

    Shapes:
        predictions: [P, n].
        true: [n].
        actions: [n]; with them the statistic is the Fisher mean of rho per action, without the pooled rho.
    """
    parts = (
        [torch.arange(len(true))]
        if actions is None
        else [(actions == a).nonzero()[:, 0] for a in torch.unique(actions)]
    )

    def statistic(weights: Tensor) -> Tensor:
        rhos = [
            torch.stack([resampled_spearman(row[part], true[part], weights[:, part]) for part in parts], -1)
            for row in predictions
        ]
        return torch.stack([rho[:, 0] if actions is None else fisher_mean(rho) for rho in rhos], -1)

    return statistic
