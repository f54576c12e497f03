import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from errors import InputError
from scoring.distances import cosine_distance
from scoring.losses import ContrastiveLoss


def contrastive_loss(distance: Tensor, similar: Tensor, margin: float) -> Tensor:
    return torch.lerp((margin - distance).clamp(min=0).square(), distance.square(), similar).mean() / 2


def slow(first: Tensor, second: Tensor, similar: Tensor, margin: float) -> float:
    total = 0.0
    for a, b, y in zip(first.tolist(), second.tolist(), similar.tolist(), strict=True):
        lengths = math.hypot(*a) * math.hypot(*b)
        distance = 1 - sum(x * z for x, z in zip(a, b, strict=True)) / lengths if lengths else 1.0
        total += 0.5 * y * distance**2 + 0.5 * (1 - y) * max(0.0, margin - distance) ** 2
    return total / len(similar)


def pairs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 9, 5, dtype=dtype, generator=generator)
    similar = torch.tensor([0, 1, 1, 0, 0.3, 1, 0.9, 0.5, 0], dtype=dtype)
    return first.requires_grad_(), second.requires_grad_(), similar


@pytest.mark.parametrize("margin", [0.3, 0.7, 1.35, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_equals_slow_loop(margin: float, dtype: torch.dtype) -> None:
    first, second, similar = pairs(dtype)
    expected = pytest.approx(slow(first, second, similar, margin), rel=1e-5)
    assert ContrastiveLoss(margin)(first, second, similar).item() == expected
    assert contrastive_loss(cosine_distance(first, second), similar, margin).item() == expected


@pytest.mark.parametrize("margin", [0.3, 1.35])
def test_gradient_equals_autograd_and_finite_differences(margin: float) -> None:
    first, second, similar = pairs()
    loss = ContrastiveLoss(margin)
    written = torch.autograd.grad(3 * loss(first, second, similar), (first, second))
    derived = torch.autograd.grad(
        3 * contrastive_loss(cosine_distance(first, second), similar, margin), (first, second)
    )
    torch.testing.assert_close(written, derived)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, similar), (first, second))


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_embedding_of_length_zero_gets_no_gradient(y: float) -> None:
    first, second = torch.zeros(1, 4, requires_grad=True), torch.ones(1, 4, requires_grad=True)
    loss = ContrastiveLoss(1.35)(first, second, torch.tensor([y]))
    loss.backward()
    assert loss.item() == pytest.approx(0.5 if y else 0.5 * 0.35**2)
    assert first.grad is not None
    assert not first.grad.any()
    assert second.grad is not None
    assert not second.grad.any()


@given(st.integers(0, 1000), st.sampled_from([1e-4, 1.0, 1e4]))
def test_loss_ignores_lengths_and_order_and_stays_in_range(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 6, 4, dtype=torch.float64, generator=generator)
    similar = (2 * torch.rand(6, dtype=torch.float64, generator=generator) - 0.5).clamp(0, 1)  # 0, 1, and between
    loss = ContrastiveLoss(1.35)
    value = loss(first, second, similar)
    assert 0 <= value.item() <= 2
    torch.testing.assert_close(loss(first * scale, second, similar), value)
    torch.testing.assert_close(loss(second, first, similar), value)


def test_dissimilar_pairs_beyond_the_margin_cost_nothing() -> None:
    first = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = ContrastiveLoss(0.9)(first, torch.tensor([[0.0, 1.0]]), torch.zeros(1))
    loss.backward()
    assert loss.item() == 0
    assert first.grad is not None
    assert not first.grad.any()


@pytest.mark.parametrize("y", [0.0, 0.25, 0.8, 1.0])
def test_a_graded_pair_settles_where_its_target_says(y: float) -> None:
    angle = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    still = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for _ in range(2000):
        loss = ContrastiveLoss(1.2)(torch.stack([angle.cos(), angle.sin()], dim=1), still, angle.new_tensor([y]))
        (slope,) = torch.autograd.grad(loss, angle)
        angle.data -= 0.3 * slope
    assert 1 - angle.cos().item() == pytest.approx((1 - y) * 1.2, abs=1e-3)


def test_half_precision_is_computed_in_single() -> None:
    first, second, similar = pairs(torch.float32)
    loss = ContrastiveLoss()(first.bfloat16(), second.bfloat16(), similar)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow(first.bfloat16(), second.bfloat16(), similar, 1.35), rel=1e-5)


def test_nan_is_not_hidden() -> None:
    first, second, similar = pairs()
    broken = first.detach().clone()
    broken[0, 0] = torch.nan
    assert ContrastiveLoss()(broken, second, similar).isnan()


@pytest.mark.parametrize("margin", [0.0, -1.0, 2.1, math.nan])
def test_margin_out_of_range(margin: float) -> None:
    with pytest.raises(InputError, match="margin"):
        ContrastiveLoss(margin)
