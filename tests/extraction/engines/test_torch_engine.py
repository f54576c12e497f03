"""Choosing between two ways of running a network by the clock."""

import time
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from extraction.engines.torch_engine import TorchEngine, faster
from tests.extraction.engines.test_engines import BATCH, CPU, SHAPE, crops, small_network

EXAMPLE = torch.zeros(2)


def slow(x: Tensor) -> Tensor:
    time.sleep(0.02)
    return x


def quick(x: Tensor) -> tuple[Tensor, Tensor]:
    return x, x


def broken(x: Tensor) -> NoReturn:
    raise RuntimeError("no compiler on this machine")


def slow_at_first(x: Tensor) -> Tensor:
    """As a compiler is: the first two calls take long."""
    slow_at_first.calls += 1  # type: ignore[attr-defined]
    time.sleep(0.2 if slow_at_first.calls <= 2 else 0)  # type: ignore[attr-defined]
    return x


def test_the_faster_one_is_taken() -> None:
    assert faster(slow, quick, EXAMPLE) is quick
    assert faster(quick, slow, EXAMPLE) is quick


def test_one_that_cannot_run_is_not_taken() -> None:
    assert faster(slow, broken, EXAMPLE) is slow


def test_compiling_does_not_count() -> None:
    slow_at_first.calls = 0  # type: ignore[attr-defined]
    assert faster(slow, slow_at_first, EXAMPLE) is slow_at_first


def test_the_body_runs_in_the_precision_and_the_normalisation_does_not() -> None:
    network = small_network()
    engine = TorchEngine(network, BATCH, SHAPE, "fp16", CPU)
    wanted = TorchEngine(network, BATCH, SHAPE, "fp32", CPU)
    np.testing.assert_allclose(engine(crops(2))[0], wanted(crops(2))[0], atol=0.01)
