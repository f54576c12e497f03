"""Numbers from a notebook: tensors, arrays or lists come in, and what comes out is of the same kind."""

from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

ArrayT = TypeVar("ArrayT")


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
