"""From tracks to clips: a clip with several performers has several tracks, and one score."""

import torch
from torch import Tensor


def first_of_each(index: Tensor) -> Tensor:
    """Position at which each distinct value of `index` [N] first occurs, in the order of the values."""
    values, inverse = torch.unique(index, return_inverse=True)
    position = torch.arange(len(index), device=index.device)
    return position.new_full((len(values),), len(index)).scatter_reduce_(0, inverse, position, "amin")


def mean_of_each(values: Tensor, index: Tensor) -> Tensor:
    """Mean of `values` [N] over each distinct value of `index` [N], in the order of the values."""
    distinct, inverse, count = torch.unique(index, return_inverse=True, return_counts=True)
    total: Tensor = values.new_zeros(len(distinct)).index_add_(0, inverse, values)
    mean: Tensor = total / count
    return mean
