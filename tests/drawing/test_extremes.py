import itertools

import pytest
import torch

from drawing.extremes import extreme_pairs, extremes_figure
from poses.batches import EmbeddedClips
from scoring.distances import cosine_distance, score_from_distance
from scoring.pose_pairs import PosePair
from tests.drawing.test_evaluation_figure import assert_legible, words
from tests.scoring.build import make_clips


def score(scored: EmbeddedClips, pair: PosePair) -> float:
    a, b = (scored.embedding[track, time] for track, time in zip(pair.tracks, pair.times, strict=True))
    return float(score_from_distance(cosine_distance(a, b)))


def everything(scored: EmbeddedClips) -> list[float]:
    """Scores of all pairs of poses of different clips, one by one."""
    poses = list(itertools.product(range(len(scored)), range(scored.embedding.shape[1])))
    pairs = itertools.combinations(poses, 2)
    return sorted(
        score(scored, PosePair((a[0], b[0]), (a[1], b[1]), 0, 0))
        for a, b in pairs
        if scored.clip[a[0]] != scored.clip[b[0]]
    )


def test_of_few_poses_they_are_the_very_best_and_worst() -> None:
    scored = make_clips(6, times=4)
    best, worst = extreme_pairs(scored)
    scores = everything(scored)
    assert best[0].score == pytest.approx(scores[-1])
    assert worst[0].score == pytest.approx(scores[0])
    assert best[0].above == pytest.approx((len(scores) - 1) / len(scores))
    assert worst[0].above == 0
    for pairs, ordered in ((best, True), (worst, False)):
        assert [pair.score for pair in pairs] == pytest.approx([score(scored, pair) for pair in pairs])
        assert sorted((pair.score for pair in pairs), reverse=ordered) == [pair.score for pair in pairs]


def test_no_clip_is_shown_twice_in_a_row() -> None:
    scored = make_clips(40, clip=torch.arange(40) // 2)  # two people a clip
    for pairs in extreme_pairs(scored, count=5):
        clips = [int(scored.clip[track]) for pair in pairs for track in pair.tracks]
        assert len(clips) == len(set(clips)) == 10
    few, _ = extreme_pairs(make_clips(5), count=4)
    assert len(few) == 2


def test_the_same_every_time() -> None:
    scored = make_clips(50)
    assert extreme_pairs(scored) == extreme_pairs(scored)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_compare(n: int) -> None:
    scored = make_clips(n)
    assert extreme_pairs(scored) == ([], [])
    figure = extremes_figure(scored, ["a"], ["vault"])
    assert_legible(figure)
    assert words(figure).count("No two clips with embedded poses.") == 2


@pytest.mark.parametrize("names", ["clip", "a quite long name of a clip, with its event and athlete, number"])
def test_legible(names: str) -> None:
    scored = make_clips(30, action=torch.arange(30) % 2)
    figure = extremes_figure(scored, [f"{names} {i}" for i in range(30)], ["vault", "reverse somersault, 3.5, tucked"])
    assert_legible(figure)
    said = words(figure)
    assert {"Most alike", "Least alike"} <= set(said)
    best, worst = extreme_pairs(scored)
    assert {f"score {pair.score:.1f}" for pair in (*best, *worst)} <= set(said)


def test_collapsed_and_unknown_can_be_drawn() -> None:
    scored = make_clips(8, score=torch.full((8,), torch.nan, dtype=torch.float64))
    collapsed = scored.with_embedding(torch.ones_like(scored.embedding))
    figure = extremes_figure(collapsed, [str(i) for i in range(8)], ["vault"])
    assert_legible(figure)
    assert any("no score" in text for text in words(figure))
