import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from tslearn.metrics import dtw_path_from_metric

from poses.batches import EmbeddedClips
from scoring import alignment
from scoring.alignment import Alignment, DTWAlignment, IdentityAlignment, PhaseAlignment
from tests.scoring.build import make_clips

ALIGNMENTS = [IdentityAlignment(), PhaseAlignment(), DTWAlignment()]
NAN = math.nan


def distances(queries: EmbeddedClips, exemplars: EmbeddedClips, q: int, e: int) -> list[list[float]]:
    """D of every pose of one clip against every pose of another, in plain numpy float64."""
    a, b = queries.embedding[q].double().numpy(), exemplars.embedding[e].double().numpy()
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return [[1 - float(np.dot(x, y)) for y in b] for x in a]


def means(values: list[float], u: float = 0.3) -> tuple[float, float]:
    return float(np.mean(values)), float(np.mean([100 * math.exp(-0.5 * (d / u) ** 2) for d in values]))


def slow_dtw(cells: list[list[float]]) -> list[float]:
    """D along the best path, found by a loop over cells; ties: both, then query, then exemplar."""
    rows, columns = len(cells), len(cells[0])
    total = [[math.inf] * (columns + 1) for _ in range(rows + 1)]
    total[0][0] = 0
    for i in range(rows):
        for j in range(columns):
            total[i + 1][j + 1] = cells[i][j] + min(total[i][j], total[i][j + 1], total[i + 1][j])
    i, j, path = rows, columns, []
    while i and j:
        path.append(cells[i - 1][j - 1])
        before = [total[i - 1][j - 1], total[i - 1][j], total[i][j - 1]]
        step = before.index(min(before))
        i, j = i - (step != 2), j - (step != 1)
    return path


def slow_moment(clip: list[float], times: int, m: int) -> int:
    """Pose of a clip at canonical moment m of `times`, phases beginning at the relative times `clip`."""
    phases = len(clip) - 1
    moment = (m + 0.5) / times * phases
    phase = int(moment)
    return min(times - 1, int((clip[phase] + (moment - phase) * (clip[phase + 1] - clip[phase])) * times))


def check(aligned: alignment.Aligned, expected: list[list[tuple[float, float]]], atol: float = 1e-9) -> None:
    torch.testing.assert_close(
        torch.stack(aligned, -1).double(), torch.tensor(expected, dtype=torch.float64), atol=atol, rtol=0
    )


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_identity_equals_slow_loop(dtype: torch.dtype, atol: float) -> None:
    queries, exemplars = make_clips(3, seed=1, dtype=dtype), make_clips(70, seed=2, dtype=dtype)
    result = IdentityAlignment()(queries, exemplars)
    expected = [
        [means([row[t] for t, row in enumerate(distances(queries, exemplars, q, e))]) for e in range(70)]
        for q in range(3)
    ]
    check(result, expected, atol)
    torch.testing.assert_close(IdentityAlignment().distance(queries, exemplars), result.distance)


def test_phase_equals_slow_loop_and_identity_where_numbers_of_phases_differ() -> None:
    begins: list[list[float]] = [[0, 0.3, 1], [0, 1], [0, 0.5, 0.5, 0.9, 1], [0, 0.8, 1], [NAN], [0, 0.1, 0.2, 0.4, 1]]
    phases = torch.tensor([row + [NAN] * (5 - len(row)) for row in begins], dtype=torch.float64)
    known = [row if len(row) > 1 else [0.0, 1.0] for row in begins]
    queries, exemplars = make_clips(6, times=11, seed=1, phases=phases), make_clips(6, times=11, seed=2, phases=phases)
    expected: list[list[tuple[float, float]]] = [[] for _ in range(6)]
    for q in range(6):
        for e in range(6):
            cells = distances(queries, exemplars, q, e)
            if len(known[q]) == len(known[e]):
                path = [cells[slow_moment(known[q], 11, m)][slow_moment(known[e], 11, m)] for m in range(11)]
            else:
                path = [cells[t][t] for t in range(11)]
            expected[q].append(means(path))
    result = PhaseAlignment()(queries, exemplars)
    check(result, expected)
    torch.testing.assert_close(PhaseAlignment().distance(queries, exemplars), result.distance)


def test_one_phase_is_identity() -> None:
    queries, exemplars = make_clips(4, seed=1), make_clips(5, seed=2)
    torch.testing.assert_close(PhaseAlignment()(queries, exemplars), IdentityAlignment()(queries, exemplars))


def test_phase_matches_the_same_motion_at_another_tempo() -> None:
    steps = torch.eye(2, dtype=torch.float64)
    early = torch.tensor([0] * 4 + [1] * 16)
    late = torch.tensor([0] * 12 + [1] * 8)
    motions = torch.stack((steps[early], steps[late]))
    phases = torch.tensor([[0, 0.2, 1], [0, 0.6, 1]], dtype=torch.float64)
    clips = make_clips(2, embedding=motions, phases=phases)
    assert PhaseAlignment()(clips, clips).distance.max().item() == pytest.approx(0, abs=1e-12)
    assert IdentityAlignment()(clips, clips).distance.max().item() == pytest.approx(0.4)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (5, 9), (9, 5), (1, 6), (6, 1), (1, 1), (2, 1)])
def test_dtw_equals_slow_loop(rows: int, columns: int, dtype: torch.dtype, atol: float) -> None:
    queries, exemplars = make_clips(6, rows, seed=1, dtype=dtype), make_clips(5, columns, seed=2, dtype=dtype)
    expected = [[means(slow_dtw(distances(queries, exemplars, q, e))) for e in range(5)] for q in range(6)]
    check(DTWAlignment()(queries, exemplars), expected, atol)


def test_dtw_sum_equals_tslearn() -> None:
    queries, exemplars = make_clips(4, 8, seed=3), make_clips(3, 10, seed=4)
    result = DTWAlignment()(queries, exemplars)
    for q in range(4):
        for e in range(3):
            pair = queries.embedding[q], exemplars.embedding[e]
            # tslearn's other backend first compiles for several seconds.
            path, cost = dtw_path_from_metric(*pair, metric=cosine, be="pytorch")
            assert result.distance[q, e].item() * len(path) == pytest.approx(float(cost), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))
def test_dtw_sum_of_random_shapes(seed: int, rows: int, columns: int, width: int) -> None:
    queries, exemplars = make_clips(2, rows, width, seed), make_clips(3, columns, width, seed + 1)
    result = DTWAlignment()(queries, exemplars)
    expected = [[means(slow_dtw(distances(queries, exemplars, q, e))) for e in range(3)] for q in range(2)]
    check(result, expected, 1e-8)


def test_dtw_of_equal_sums_prefers_moving_on_in_both_clips() -> None:
    x, y, z = torch.eye(3, dtype=torch.float64)
    first = make_clips(1, embedding=torch.stack((x, z, z))[None])
    second = make_clips(1, embedding=torch.stack((y, z, z))[None])
    # Of the paths with sum 1, one has 3 cells and two have 4.
    assert DTWAlignment()(first, second).distance.item() == pytest.approx(1 / 3)


def test_dtw_does_not_depend_on_how_pairs_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, exemplars = make_clips(11, seed=1), make_clips(13, seed=2)
    whole = DTWAlignment()(queries, exemplars)
    monkeypatch.setattr(alignment, "_DTW_PAIRS", 12)
    monkeypatch.setattr(alignment, "_DTW_SIDE", 5)
    torch.testing.assert_close(DTWAlignment()(queries, exemplars), whole)


def test_identity_does_not_depend_on_how_pairs_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, exemplars = make_clips(11, seed=1), make_clips(130, seed=2)
    whole = IdentityAlignment()(queries, exemplars)
    monkeypatch.setattr(alignment, "_IDENTITY_CELLS", 900)
    torch.testing.assert_close(IdentityAlignment()(queries, exemplars), whole)


@pytest.mark.parametrize("one", ALIGNMENTS, ids=lambda one: one.name)
def test_every_alignment(one: Alignment) -> None:
    queries, exemplars = make_clips(5, seed=1), make_clips(4, seed=2)
    result = one(queries, exemplars, u=0.1)
    assert result.distance.shape == result.score.shape == (5, 4)
    assert bool(((result.distance >= 0) & (result.distance <= 2)).all())
    torch.testing.assert_close(one.distance(queries, exemplars), result.distance)
    assert bool((one(queries, exemplars, u=0.5).score > result.score).all())

    itself = one(queries, queries)
    torch.testing.assert_close(itself.distance.diagonal(), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(itself.score.diagonal(), torch.full((5,), 100, dtype=torch.float64))


@pytest.mark.parametrize("one", ALIGNMENTS, ids=lambda one: one.name)
def test_only_clips_with_broken_embeddings_are_undefined(one: Alignment) -> None:
    queries, exemplars = make_clips(3, seed=1), make_clips(4, seed=2)
    clean = one(queries, exemplars)
    embedding = queries.embedding.clone()
    embedding[1, 2, 0] = torch.nan
    broken = one(queries.with_embedding(embedding), exemplars)
    assert bool(broken.distance[1].isnan().all())
    assert bool(broken.score[1].isnan().all())
    torch.testing.assert_close(broken.score[[0, 2]], clean.score[[0, 2]])


@pytest.mark.parametrize("one", ALIGNMENTS, ids=lambda one: one.name)
def test_no_clips(one: Alignment) -> None:
    clips, none = make_clips(3), make_clips(0)
    assert one(none, clips).score.shape == (0, 3)
    assert one(clips, none).distance.shape == (3, 0)


@pytest.mark.parametrize("one", [IdentityAlignment(), PhaseAlignment()], ids=lambda one: one.name)
def test_alignment_by_time_needs_as_many_poses(one: Alignment) -> None:
    with pytest.raises(ValueError, match="6 and 7 poses"):
        one(make_clips(1, times=6), make_clips(1, times=7))


@pytest.mark.parametrize("one", ALIGNMENTS, ids=lambda one: one.name)
def test_embeddings_of_length_zero(one: Alignment) -> None:
    clips = make_clips(2, embedding=torch.zeros(2, 6, 5))
    torch.testing.assert_close(one(clips, make_clips(2, dtype=torch.float32)).distance, torch.ones(2, 2))


def test_labels() -> None:
    assert [one.label("vote") for one in ALIGNMENTS] == ["vote", "vote (phase)", "vote (DTW)"]
