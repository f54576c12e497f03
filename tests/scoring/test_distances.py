import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist, cosine

from scoring.distances import cosine_distance, pairwise_distance, score_from_distance, unit

FLOATS = [torch.float32, torch.float64]
vectors = hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3).map(lambda x: x if abs(x) > 1e-3 else 0.0))


@pytest.mark.parametrize("dtype", FLOATS)
def test_cosine_distance_equals_scipy_pair_by_pair(dtype: torch.dtype) -> None:
    a, b = torch.randn(2, 7, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
    expected = [cosine(x, y) for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    torch.testing.assert_close(cosine_distance(a, b), torch.tensor(expected, dtype=dtype), atol=1e-6, rtol=1e-5)
    assert cosine_distance(a, b).dtype == dtype


@given(vectors, vectors)
def test_distances_stay_in_range_and_are_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    first, second = torch.from_numpy(a), torch.from_numpy(b)
    distance = cosine_distance(first, second)
    assert bool(((distance >= 0) & (distance <= 2)).all())
    torch.testing.assert_close(distance, cosine_distance(second, first))
    torch.testing.assert_close(pairwise_distance(first, second).diagonal(), distance)
    scores = score_from_distance(distance)
    assert bool(((scores > 0) & (scores <= 100)).all())


def test_pairwise_distance_equals_scipy_in_every_batch() -> None:
    a, b = torch.randn(3, 4, 5, dtype=torch.float64), torch.randn(3, 6, 5, dtype=torch.float64)
    expected = np.stack([cdist(x, y, "cosine") for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(pairwise_distance(a, b), torch.from_numpy(expected))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-13])
def test_embedding_without_direction_is_at_distance_one_with_zero_gradient(dtype: torch.dtype, size: float) -> None:
    a = torch.full((2, 3), size, dtype=dtype, requires_grad=True)
    b = torch.tensor([[1.0, 2.0, 3.0], [size] * 3], dtype=dtype, requires_grad=True)
    distance = cosine_distance(a, b)
    by_a, by_b = torch.autograd.grad(distance.sum(), (a, b))
    assert distance.tolist() == pytest.approx([1, 1])
    assert not by_a.any()
    assert not by_b.any()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_length_does_not_matter(scale: float) -> None:
    a, b = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(cosine_distance(a * scale, b), cosine_distance(a, b), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(unit(a * scale).norm(dim=-1), torch.ones(9))


def test_opposite_vectors_are_two_apart() -> None:
    a = torch.tensor([[1.0, -2.0, 3.0]])
    assert cosine_distance(a, -a).item() == pytest.approx(2)
    assert cosine_distance(a, a).item() == pytest.approx(0, abs=1e-6)


def test_gradient_of_distance() -> None:
    a, b = (torch.randn(4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(cosine_distance, (a, b))
    assert torch.autograd.gradcheck(lambda x, y: score_from_distance(pairwise_distance(x, y)), (a, b))


@pytest.mark.parametrize(("distance", "score"), [(0.070, 97.3), (0.241, 72.5), (0.620, 11.8)])
def test_scores_of_the_papers_figure(distance: float, score: float) -> None:
    assert score_from_distance(torch.tensor(distance)).item() == pytest.approx(score, abs=0.15)


def test_width_of_the_score() -> None:
    assert score_from_distance(torch.tensor(0.5), u=0.5).item() == pytest.approx(100 * math.exp(-0.5))
