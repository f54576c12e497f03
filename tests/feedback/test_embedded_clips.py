import math
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tslearn.metrics import dtw_path_from_metric

from feedback.embedded_clips import warping_path
from scoring.alignment import DTWAlignment
from scoring.distances import pairwise_distance
from tests.scoring.build import make_clips


def slow_sum(cells: list[list[float]], wait: float) -> float:
    """Smallest sum of distances, by recursion over cells."""

    @cache
    def best(i: int, j: int) -> float:
        if i < 0 or j < 0:
            return math.inf
        before = 0.0 if i == j == 0 else min(best(i - 1, j - 1), best(i - 1, j) + wait, best(i, j - 1) + wait)
        return cells[i][j] + before

    return best(len(cells) - 1, len(cells[0]) - 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10_000), st.booleans(), st.sampled_from([0, 0.3]))
def test_the_path_is_the_best_one(rows: int, columns: int, seed: int, coarse: bool, wait: float) -> None:
    distance = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if coarse:  # many ties
        distance = (3 * distance).round()
    path = warping_path(distance, wait)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [rows - 1, columns - 1]
    steps = {tuple(step) for step in path.diff(dim=0).tolist()}
    assert steps <= {(1, 1), (0, 1), (1, 0)}
    waits = int((path.diff(dim=0).sum(1) == 1).sum())
    total = float(distance[path[:, 0], path[:, 1]].sum()) + wait * waits
    assert total == pytest.approx(slow_sum(distance.tolist(), wait))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (20, 33)])
def test_the_path_is_that_of_tslearn(shape: tuple[int, int]) -> None:
    distance = torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs, _ = dtw_path_from_metric(distance.numpy(), metric="precomputed")
    assert warping_path(distance).tolist() == [list(map(int, pair)) for pair in theirs]


def test_the_means_along_the_path_are_those_of_the_alignment_of_clips() -> None:
    queries, exemplars = make_clips(3, times=9, seed=1), make_clips(2, times=7, seed=2)
    aligned = DTWAlignment()(queries, exemplars)
    for q in range(3):
        for e in range(2):
            distance = pairwise_distance(exemplars.embedding[e], queries.embedding[q])
            path = warping_path(distance)
            assert float(distance[path[:, 0], path[:, 1]].mean()) == pytest.approx(float(aligned.distance[q, e]))


@pytest.mark.parametrize("distance", [torch.zeros(0, 3), torch.zeros(3, 0), torch.full((2, 2), torch.nan)])
def test_no_poses_and_missing_poses_are_refused(distance: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="finite"):
        warping_path(distance)
