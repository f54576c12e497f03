import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist, cosine

from scoring import distances
from scoring.distances import cosine_distance, is_collapsed, pairwise_distance, score_from_distance, spread, unit

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


def test_spread_equals_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_ROWS_AT_ONCE", 7)
    embedding = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)) + 1
    units = [row / row.norm() for row in embedding.view(-1, 3)]
    assert spread(embedding).item() == pytest.approx(1 - torch.stack(units).mean(0).norm().item(), abs=1e-6)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_spread_is_in_range_and_ignores_lengths(seed: int, scale: float) -> None:
    embedding = torch.randn(10, 4, generator=torch.Generator().manual_seed(seed))
    value = spread(embedding)
    assert 0 <= value <= 1
    torch.testing.assert_close(spread(embedding * scale), value, atol=1e-6, rtol=0)


def test_opposite_directions_cancel() -> None:
    assert spread(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])).item() == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_embeddings_are_collapsed_however_many(dtype: torch.dtype) -> None:
    embedding = torch.randn(50, dtype=dtype, generator=torch.Generator().manual_seed(0)).expand(70_000, 50)
    assert spread(embedding).item() < 1e-9
    assert is_collapsed(embedding)


def test_zero_embeddings_are_collapsed() -> None:
    assert spread(torch.zeros(3, 4, 5)).item() == 0
    assert is_collapsed(torch.zeros(3, 4, 5))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_embeddings_that_are_not_finite_count_as_collapsed(value: float) -> None:
    embedding = torch.randn(3, 4, 5)
    embedding[1, 2, 3] = value
    assert is_collapsed(embedding)


def test_different_embeddings_are_not_collapsed() -> None:
    assert not is_collapsed(torch.randn(3, 4, 5))
    assert is_collapsed(torch.randn(3, 4, 5), threshold=1.1)
