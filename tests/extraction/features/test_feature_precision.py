"""The fast precision is used only when the features say so; here of networks whose error is made up."""

from dataclasses import dataclass

import numpy as np
import pytest

from extraction.features.feature_precision import choose, prove
from extraction.types import Floats, Image


def features(count: int = 20, common: float = 100.0) -> Floats:
    """Windows whose spread is 1, far from the origin."""
    drawn = np.random.default_rng(0).normal(size=(count, 50))
    drawn -= drawn.mean(axis=0)
    drawn /= np.sqrt((drawn**2).sum() / (count - 1))
    return np.asarray(drawn + common, np.float32)


def off_by(share: float, exact: Floats) -> Floats:
    """Every window moved by so much, in a direction of its own."""
    moved = np.random.default_rng(1).normal(size=exact.shape)
    return np.asarray(exact + share * moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("common", [0.0, 100.0])
@pytest.mark.parametrize(("share", "precision"), [(0.02, "bf16"), (0.098, "bf16"), (0.102, "fp32"), (3.0, "fp32")])
def test_the_bound_is_a_tenth_of_the_spread(share: float, precision: str, common: float) -> None:
    exact = features(common=common)
    choice = choose("bf16", exact, off_by(share, exact))
    assert choice.precision == precision
    assert choice.why.startswith(f"{precision}: bf16 moves 95 % of 20 windows by at most {100 * share:.1f} % of their")


def test_one_window_in_twenty_may_be_anything_and_not_two() -> None:
    exact = features(20)
    quick = exact.copy()
    quick[3] += 5
    assert choose("fp16", exact, quick).precision == "fp16"
    quick[4] += 5
    assert choose("fp16", exact, quick).precision == "fp32"


def test_of_four_windows_none_may_be_wrong() -> None:
    exact = features(4)
    quick = exact.copy()
    quick[3] += 5
    assert choose("bf16", exact, quick).precision == "fp32"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_fast_network_that_overflows_is_not_kept(value: float) -> None:
    exact = features()
    assert choose("bf16", exact, np.full_like(exact, value)).precision == "fp32"


def test_windows_that_tell_nothing_decide_for_fp32() -> None:
    alike = np.ones((4, 50), np.float32)
    assert "alike" in choose("bf16", alike, alike).why
    broken = np.full((4, 50), np.nan, np.float32)
    assert choose("bf16", broken, broken).precision == "fp32"
    assert "one window" in choose("bf16", alike[:1], alike[:1]).why


@dataclass
class Made:
    """A network that says the mean shades of a window's frames, and is off by `error`."""

    error: float
    batch: int = 4

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        assert len(pixels) <= self.batch
        return (np.asarray(pixels.mean(axis=(2, 3, 4)) + self.error, np.float32),)


@pytest.mark.parametrize(("error", "precision"), [(0.1, "bf16"), (30.0, "fp32")])
def test_all_windows_are_compared_in_batches(error: float, precision: str) -> None:
    windows = np.random.default_rng(0).integers(0, 256, (10, 8, 2, 2, 3), dtype=np.uint8)
    choice = prove("bf16", Made(error), Made(0.0), windows)
    assert choice.precision == precision
    assert "of 10 windows" in choice.why
