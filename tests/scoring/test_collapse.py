import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scoring import collapse
from scoring.collapse import is_collapsed, spread


def test_spread_equals_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "_ROWS_AT_ONCE", 7)
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
