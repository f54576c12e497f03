import itertools

import numpy as np
import pytest
import torch

from poses.batches import EmbeddedClips
from scoring.pose_pairs import pick_pairs
from tests.scoring.build import make_clips


def slow_score(scored: EmbeddedClips, tracks: tuple[int, int], times: tuple[int, int]) -> float:
    a, b = (scored.embedding[track, time].numpy() for track, time in zip(tracks, times, strict=True))
    distance = 1 - a @ b / np.sqrt(a @ a * (b @ b))
    return float(100 * np.exp(-((distance / 0.3) ** 2) / 2))


def test_pairs_are_high_medium_and_low_among_all_pairs() -> None:
    scored = make_clips(30)
    pairs = pick_pairs(scored)
    everything = np.array([
        slow_score(scored, (i, j), (s, t))
        for i, j in itertools.combinations(range(30), 2) for s in range(6) for t in range(6)
    ])  # fmt: skip
    low, high = np.percentile(everything, [5, 99])
    for pair, target in zip(pairs, (high, (low + high) / 2, low), strict=True):
        assert pair.score == pytest.approx(slow_score(scored, pair.tracks, pair.times))
        assert pair.score == pytest.approx(target, abs=1)
        assert pair.above == pytest.approx((everything < pair.score).mean(), abs=0.02)
    assert pairs == pick_pairs(scored)


def test_pairs_are_of_different_clips() -> None:
    scored = make_clips(12, clip=torch.arange(12) // 4)
    for seed in range(20):
        for pair in pick_pairs(scored, seed):
            assert scored.clip[pair.tracks[0]] != scored.clip[pair.tracks[1]]


def test_pairs_of_collapsed_embeddings_differ() -> None:
    pairs = pick_pairs(make_clips(9, embedding=torch.ones(9, 4, 3)))
    assert len({(pair.tracks, pair.times) for pair in pairs}) == 3
    assert [pair.score for pair in pairs] == [pytest.approx(100)] * 3
    assert [pair.above for pair in pairs] == [0] * 3


@pytest.mark.parametrize(
    ("scored", "count"),
    [
        (make_clips(1), 0),
        (make_clips(2, clip=[0, 0]), 0),
        (make_clips(2, times=1), 1),
        (make_clips(3, embedding=torch.full((3, 6, 5), torch.nan)), 0),
    ],
)
def test_fewer_pairs(scored: EmbeddedClips, count: int) -> None:
    assert len(pick_pairs(scored)) == count


def test_broken_embeddings_are_not_picked() -> None:
    scored = make_clips(4)
    scored.embedding[2, :, 0] = torch.nan
    assert not {track for pair in pick_pairs(scored) for track in pair.tracks} & {2}
