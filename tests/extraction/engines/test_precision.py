"""The fast precision is used only when the keypoints say so; here of networks whose error is made up."""

from dataclasses import dataclass

import numpy as np
import pytest

from extraction.engines.precision import choose, drifts, prove
from extraction.types import Floats, Image

SIDE = 200.0


@dataclass
class Made:
    """A network that finds ten joints in a crop and is off by `error` [10] pixels to the right."""

    error: Floats
    confidence: float = 0.9
    batch: int = 4

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        assert len(pixels) <= self.batch
        first = pixels[:, 0, 0, 0].astype(np.float32)
        x = first[:, None] + np.arange(10, dtype=np.float32) + self.error
        return x.astype(np.float32), np.full((len(pixels), 10), self.confidence, np.float32)


def decode(raw: tuple[Floats, ...]) -> tuple[Floats, Floats]:
    return np.stack([raw[0], np.full_like(raw[0], 50)], axis=2), raw[1]


def proven(error: Floats | float, confidence: float = 0.9) -> tuple[str, str]:
    pixels = np.random.default_rng(0).integers(0, 200, (10, 8, 6, 3), dtype=np.uint8)
    exact = Made(np.zeros(10, np.float32), confidence)
    fast = Made(np.broadcast_to(np.float32(error), (10,)), confidence)
    choice = prove(("bf16", fast), exact, decode, pixels, SIDE)
    return choice.precision, choice.why


def test_a_fast_network_that_is_right_is_kept() -> None:
    precision, why = proven(0.5)
    assert precision == "bf16"
    assert why == "bf16: bf16 moves 95 % of 100 joints by at most 0.25 % of the box (under 0.5 % is kept)"


def test_a_fast_network_that_is_wrong_is_not() -> None:
    precision, why = proven(4.0)
    assert precision == "fp32"
    assert "2.00 % of the box" in why


def test_one_joint_in_ten_may_not_be_wrong() -> None:
    assert proven(np.eye(10, dtype=np.float32)[3] * 5)[0] == "fp32"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_fast_network_that_overflows_is_not_kept(value: float) -> None:
    assert proven(value)[0] == "fp32"


def test_joints_that_neither_sees_do_not_count() -> None:
    precision, why = proven(50.0, confidence=0.1)
    assert precision == "fp32"
    assert "no joint" in why
    xy = np.zeros((1, 2, 2), np.float32)
    seen = np.array([[0.9, 0.1]], np.float32)
    moved = xy + np.array([[1, 0], [90, 0]], np.float32)
    np.testing.assert_allclose(drifts((xy, seen), (moved, seen), SIDE), [1 / SIDE], rtol=1e-6)


def test_joints_that_only_one_sees_count() -> None:
    xy = np.zeros((1, 2, 2), np.float32)
    found = drifts((xy, np.array([[0.9, 0.1]], np.float32)), (xy - 80, np.array([[0.0, 0.9]], np.float32)), SIDE)
    assert len(found) == 2
    assert (found > 0.5).all()


@pytest.mark.parametrize(("share", "precision"), [(0.00499, "bf16"), (0.00501, "fp32")])
def test_the_bound_is_half_a_percent(share: float, precision: str) -> None:
    assert choose("bf16", np.full(100, share, np.float32)).precision == precision


def test_five_in_a_hundred_may_be_anything() -> None:
    drift = np.zeros(100, np.float32)
    drift[:5] = 1
    assert choose("fp16", drift).precision == "fp16"
    drift[:6] = 1
    assert choose("fp16", drift).precision == "fp32"
