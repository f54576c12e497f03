import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.clips import Tracks
from datamodules.pairs import PairLoader, PairRule, PairSampler
from errors import InputError


def tracks_of(clip: list[int], frames: int = 7) -> Tracks:
    """Tracks whose every pose holds its own row number, so that a pose tells where it came from."""
    count = len(clip) * frames
    poses = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None], (count, 15, 2)).copy()
    return Tracks(
        poses=poses,
        rows=np.arange(count),
        start=np.arange(0, count + 1, frames),
        clip=np.array(clip),
        frame=np.tile(np.arange(frames), len(clip)),
        source=np.arange(count),
    )


def allowed(action: np.ndarray, score: np.ndarray, gap: float) -> tuple[set, set, set]:
    """The three kinds of ordered clip pairs, by the rule's words and with loops."""
    similar, far, other = set(), set(), set()
    for i, j in itertools.permutations(range(len(action)), 2):
        if action[i] != action[j]:
            other.add((i, j))
            continue
        scores = score[action == action[i]]
        if min(score[i], score[j]) > np.median(scores):
            similar.add((i, j))
        if scores.std() > 0 and abs(score[i] - score[j]) >= gap * scores.std() - 1e-12:
            far.add((i, j))
    return similar, far, other


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=2, max_size=14),
    st.sampled_from([0.5, 1.0, 1.5]),
    st.integers(0, 5),
)
def test_pairs_are_those_of_the_rule_and_all_of_them(clips: list[tuple[int, int]], gap: float, epoch: int) -> None:
    action = np.array([a for a, _ in clips])
    score = np.array([float(s) for _, s in clips])
    similar, far, other = allowed(action, score, gap)
    rule = PairRule(pairs_per_epoch=4_000, score_gap=gap)
    if not similar or not (far or other):
        with pytest.raises(InputError, match=r"no (dis)?similar pairs"):
            PairSampler(action, score, rule, seed=1)
        return
    sampler = PairSampler(action, score, rule, seed=1)
    sampler.set_epoch(epoch)
    pairs = sampler.draw()
    drawn = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    together = [pair for pair, y in zip(drawn, pairs.similar, strict=True) if y]
    apart = [pair for pair, y in zip(drawn, pairs.similar, strict=True) if not y]
    assert len(together) == len(apart) == 2_000
    assert set(together) == similar
    assert set(apart) <= far | other
    assert set(apart) & far == far  # 1,000 draws or more of at most 182 pairs: every one turns up
    assert (set(apart) & other == other) or len(other) > 100
    same_time = pairs.first_time == pairs.second_time
    assert same_time[pairs.similar].all()
    assert (same_time == (action[pairs.first] == action[pairs.second])).all()


def test_shares_of_the_kinds() -> None:
    action = np.repeat([0, 1], 10)
    score = np.tile(np.arange(10.0), 2)
    rule = PairRule(pairs_per_epoch=1_000, similar_share=0.3, other_action_share=0.2)
    pairs = PairSampler(action, score, rule, seed=0).draw()
    crossing = action[pairs.first] != action[pairs.second]
    assert Counter(zip(pairs.similar.tolist(), crossing.tolist(), strict=True)) == {
        (True, False): 300,
        (False, True): 140,
        (False, False): 560,
    }


def test_epochs_and_seeds_differ_and_repeat() -> None:
    action, score = np.zeros(20, dtype=np.int64), np.arange(20.0)

    def draw(seed: int, epoch: int) -> np.ndarray:
        sampler = PairSampler(action, score, PairRule(pairs_per_epoch=64), seed)
        sampler.set_epoch(epoch)
        return sampler.draw().first

    assert (draw(0, 3) == draw(0, 3)).all()
    assert (draw(0, 3) != draw(0, 4)).any()
    assert (draw(0, 3) != draw(1, 3)).any()


@pytest.fixture
def sampler() -> PairSampler:
    return PairSampler(np.zeros(6, dtype=np.int64), np.arange(6.0), PairRule(pairs_per_epoch=96), seed=2)


def batches(loader: PairLoader) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(batch["poses"], batch["similar"]) for batch in loader]


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_every_global_batch_is_the_same_set_whatever_the_number_of_processes(
    sampler: PairSampler, world_size: int
) -> None:
    tracks = tracks_of([0, 1, 1, 2, 3, 4, 5])
    size = 12 // world_size
    alone = batches(PairLoader(tracks, sampler, 12))
    ranks = [batches(PairLoader(tracks, sampler, size, rank, world_size)) for rank in range(world_size)]
    assert {len(rank) for rank in ranks} == {len(alone)} == {8}
    for k, (poses, similar) in enumerate(alone):
        together = torch.cat([rank[k][0] for rank in ranks], dim=1)
        labels = torch.cat([rank[k][1] for rank in ranks])
        key = sorted(zip(poses[0, :, 0, 0].tolist(), poses[1, :, 0, 0].tolist(), similar.tolist(), strict=True))
        assert key == sorted(
            zip(together[0, :, 0, 0].tolist(), together[1, :, 0, 0].tolist(), labels.tolist(), strict=True)
        )


def test_pairs_that_do_not_divide_among_processes_are_refused(sampler: PairSampler) -> None:
    with pytest.raises(InputError, match="does not divide among 5 processes"):
        PairLoader(tracks_of(list(range(6))), sampler, 4, 0, 5)


def test_a_last_smaller_batch_is_kept() -> None:
    sampler = PairSampler(np.zeros(6, dtype=np.int64), np.arange(6.0), PairRule(pairs_per_epoch=10), seed=0)
    loader = PairLoader(tracks_of(list(range(6))), sampler, 4)
    assert [len(similar) for _, similar in batches(loader)] == [4, 4, 2]
    assert len(loader) == 3


def test_resuming_goes_on_after_the_batches_given_out(sampler: PairSampler) -> None:
    tracks = tracks_of(list(range(6)))
    sampler.set_epoch(1)
    whole = batches(PairLoader(tracks, sampler, 16))
    loader = PairLoader(tracks, sampler, 16)
    iterator = iter(loader)
    for _ in range(2):
        next(iterator)
    state = loader.state_dict()
    assert state == {"epoch": 1, "position": 2}

    resumed = PairLoader(tracks, sampler, 16)
    resumed.load_state_dict(state)
    rest = batches(resumed)
    assert len(rest) == 4
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(whole[2:], rest, strict=True))
    assert len(batches(resumed)) == 6  # the next time it starts from the front

    resumed.load_state_dict(state)
    sampler.set_epoch(2)
    assert len(batches(resumed)) == 6  # another epoch: the state does not apply


def test_abandoning_the_iterator_does_not_empty_the_next_epoch(sampler: PairSampler) -> None:
    loader = PairLoader(tracks_of(list(range(6))), sampler, 16)
    iterator = iter(loader)
    for _ in range(len(loader)):
        next(iterator)  # Lightning stops here, without seeing StopIteration
    sampler.set_epoch(1)
    assert len(batches(loader)) == len(loader)


def test_members_of_a_pair_come_from_their_clips_tracks() -> None:
    # clip 1 has two performers
    tracks = tracks_of([0, 1, 1, 2, 3], frames=4)
    sampler = PairSampler(np.zeros(4, dtype=np.int64), np.array([0.0, 1, 2, 3]), PairRule(pairs_per_epoch=256), seed=0)
    pairs = sampler.draw()
    poses = torch.cat([batch["poses"] for batch in PairLoader(tracks, sampler, 64)], dim=1)
    rows = poses[..., 0, 0].numpy().astype(int)
    track, frame = rows // 4, rows % 4
    assert (tracks.clip[track[0]] == pairs.first).all()
    assert (tracks.clip[track[1]] == pairs.second).all()
    assert (frame[0] == (pairs.first_time * 4).astype(int)).all()
    assert set(track[0][pairs.first == 1]) == {1, 2}  # both performers are used


@pytest.mark.parametrize(
    "wrong",
    [
        {"pairs_per_epoch": 1},
        {"similar_share": 0.0},
        {"similar_share": 1.0},
        {"other_action_share": -0.1},
        {"score_gap": 0.0},
        {"score_gap": float("nan")},
    ],
)
def test_impossible_rules_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="pairs:"):
        PairRule(**wrong)
