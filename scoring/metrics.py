"""How well predictions agree with expert scores: rank correlation, its mean over actions, relative L2 distance.

`spearman`, `fisher_mean` and `relative_l2` take tensors, or arrays and lists of numbers, for which they give arrays.
"""

from typing import Any

import torch
from torch import Tensor

from scoring.arrays import ArrayT, as_given, as_tensor

FISHER_LIMIT = 0.999
"""Correlations are cut to this magnitude before they are averaged on Fisher's scale.

An exact +-1 occurs only where an action has a handful of clips; artanh(1) would let it outvote every other action.
"""


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
