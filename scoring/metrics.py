"""How well predictions agree with expert scores: rank correlation, its mean over actions, relative L2 distance.

`spearman`, `fisher_mean` and `relative_l2` take tensors, or arrays and lists of numbers, for which they give arrays.
How sure such a number is: `bootstrap_interval`, by clip and by group.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

ArrayT = TypeVar("ArrayT")
Statistic = Callable[[Tensor], Tensor]
"""From weights [B, n], how often each clip occurs in each of B resamples, to values [B, ...]; NaN where undefined."""

_WEIGHTS_AT_ONCE = 1 << 20

FISHER_LIMIT = 0.999
"""Correlations are cut to this magnitude before they are averaged on Fisher's scale.

An exact +-1 occurs only where an action has a handful of clips; artanh(1) would let it outvote every other action.
"""


def as_tensor(name: str, given: Any) -> Tensor:
    """What was given as a floating tensor.

    Args:
        name: what it is, for the error message.
        given: a tensor, an array or a list.

    Raises:
        ValueError: it does not hold numbers.
    """
    try:
        tensor = given if isinstance(given, Tensor) else torch.tensor(np.asarray(given))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: give numbers, as tensors, arrays or lists ({error})") from None
    return tensor if tensor.is_floating_point() else tensor.double()


def as_given(result: Tensor, *given: ArrayT) -> ArrayT:
    """An array in the place of the tensor where no tensor was given, or a number where it is a single one."""
    return cast(ArrayT, result if any(isinstance(one, Tensor) for one in given) else result.cpu().numpy()[()])


def ranks(values: Tensor) -> Tensor:
    """Ranks along the last dimension, 1 for the smallest; equal values share the mean of their ranks.

    Shapes:
        values: [..., n], no NaN.

    Returns:
        [..., n] float64.
    """
    ordered, values = values.sort(-1).values, values.contiguous()
    below = torch.searchsorted(ordered, values)
    return (below + torch.searchsorted(ordered, values, right=True) + 1).double() / 2


def spearman(a: ArrayT, b: ArrayT) -> ArrayT:
    """Spearman's rank correlation along the last dimension.

    Shapes:
        a, b: [..., n], broadcast against each other.

    Returns:
        [...] float64 in [-1, 1]; NaN where either side is constant, holds a NaN, or n < 2.

    Raises:
        ValueError: not numbers, or not one of each for every clip.
    """
    first, second = _columns("spearman", a, b)
    x, y = ranks(first), ranks(second)
    middle = (first.shape[-1] + 1) / 2
    x, y = x - middle, y - middle
    rho = (x * y).sum(-1) / (x.square().sum(-1) * y.square().sum(-1)).sqrt()
    return as_given(rho.clamp(-1, 1).masked_fill(first.isnan().any(-1) | second.isnan().any(-1), torch.nan), a, b)


def resampled_spearman(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """`spearman` of many resamples of the same clips, without sorting each of them.

    Shapes:
        a, b: [n].
        weights: [B, n], how often each clip occurs in each resample: whole numbers, at least 0.

    Returns:
        [B] float64; NaN where `spearman` of the resample is NaN.
    """
    weights = weights.double()
    middle = (weights.sum(-1, keepdim=True) + 1) / 2
    x, y = _resampled_ranks(a, weights) - middle, _resampled_ranks(b, weights) - middle
    weighted = weights * x
    rho = (weighted * y).sum(-1) / ((weighted * x).sum(-1) * (weights * y.square()).sum(-1)).sqrt()
    broken = (weights[:, a.isnan() | b.isnan()] > 0).any(-1)
    return rho.clamp(-1, 1).masked_fill(broken, torch.nan)


def fisher_mean(rhos: ArrayT) -> ArrayT:
    """Mean of correlations on Fisher's scale, tanh(mean(artanh rho)), along the last dimension.

    Shapes:
        rhos: [..., A] in [-1, 1], cut to +-`FISHER_LIMIT`; NaN is left out.

    Returns:
        [...]; NaN where every one is NaN.

    Raises:
        ValueError: not numbers, or one outside [-1, 1].
    """
    (values,) = _columns("fisher_mean", rhos)
    if bool((values.abs() > 1 + 1e-6).any()):  # what rounding makes of 1 is let through
        raise ValueError(f"fisher_mean: correlations lie in [-1, 1], but one is {float(values[values.abs() > 1][0])}")
    return as_given(values.clamp(-FISHER_LIMIT, FISHER_LIMIT).atanh().nanmean(-1).tanh(), rhos)


def relative_l2(prediction: ArrayT, true: ArrayT, low: ArrayT | float, high: ArrayT | float) -> ArrayT:
    """R-l2 x 100: the mean of ((prediction - true) / (high - low))^2 along the last dimension, times 100.

    Shapes:
        prediction, true: [..., n].
        low, high: range of the true scores, scalar or [...].

    Returns:
        [...]; NaN where the range is empty or n is 0.

    Raises:
        ValueError: not numbers, or not one of each for every clip.
    """
    predicted, wanted = _columns("relative_l2", prediction, true)
    extent = torch.as_tensor(high, dtype=wanted.dtype) - torch.as_tensor(low, dtype=wanted.dtype)
    error = 100 * (predicted - wanted).square().mean(-1) / extent.masked_fill(extent <= 0, torch.nan).square()
    return as_given(error, prediction, true)


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


def _columns(name: str, *given: Any) -> list[Tensor]:
    """What `name` was given, as floating tensors with as many values along the last dimension."""
    columns = [as_tensor(name, one) for one in given]
    counts = {one.shape[-1] if one.ndim else 0 for one in columns}
    if len(counts) > 1 or not all(one.ndim for one in columns):
        shapes = " and ".join(str(list(one.shape)) for one in columns)
        raise ValueError(f"{name}: give one number of each for every clip along the last dimension; got {shapes}")
    return columns


def _resampled_ranks(values: Tensor, weights: Tensor) -> Tensor:
    ordered, order = values.sort()
    total = torch.nn.functional.pad(weights[:, order].cumsum(-1), (1, 0))
    below = torch.searchsorted(ordered, values)
    return (total[:, below] + total[:, torch.searchsorted(ordered, values, right=True)] + 1) / 2
