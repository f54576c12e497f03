"""Choosing between two ways of running a network by the clock."""

from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor

from extraction.engines import torch_engine
from extraction.engines.torch_engine import TorchEngine, faster
from tests.extraction.engines.test_engines import BATCH, CPU, SHAPE, crops, small_network

EXAMPLE = torch.zeros(2)


class Clock:
    """Stands for the time that functions take."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(torch_engine, "time", clock)
    return clock


class Takes:
    """A function that takes so many seconds, one call after the other; the last holds for all that follow."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.clock = clock
        self.seconds = list(seconds)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.clock.now += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        return x, x


def broken(x: Tensor) -> NoReturn:
    raise RuntimeError("no compiler on this machine")


def test_the_faster_one_is_taken(clock: Clock) -> None:
    slow, quick = Takes(clock, 0.02), Takes(clock, 0.01)
    assert faster(slow, quick, EXAMPLE) is quick
    assert faster(quick, slow, EXAMPLE) is quick


def test_one_that_cannot_run_is_not_taken(clock: Clock) -> None:
    slow = Takes(clock, 0.02)
    assert faster(slow, broken, EXAMPLE) is slow


def test_compiling_does_not_count(clock: Clock) -> None:
    slow, compiled = Takes(clock, 0.02), Takes(clock, 10.0, 10.0, 0.01)
    assert faster(slow, compiled, EXAMPLE) is compiled


def test_the_body_runs_in_the_precision_and_the_normalisation_does_not() -> None:
    network = small_network()
    engine = TorchEngine(network, BATCH, SHAPE, "fp16", CPU)
    wanted = TorchEngine(network, BATCH, SHAPE, "fp32", CPU)
    np.testing.assert_allclose(engine(crops(2))[0], wanted(crops(2))[0], atol=0.01)
