import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.labels import ClipLabel, hold_out, phase_times
from errors import InputError


def labels(actions: list[str], groups: list[str | None]) -> list[ClipLabel]:
    return [
        ClipLabel(f"clip{i:03}", action, float(i), "train", group=group)
        for i, (action, group) in enumerate(zip(actions, groups, strict=True))
    ]


@given(st.lists(st.sampled_from("abc"), min_size=7, max_size=60), st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 3))
def test_without_groups_every_action_gives_its_share(actions: list[str], share: float, seed: int) -> None:
    clips = labels(actions, [None] * len(actions))
    held = hold_out(clips, share, seed)
    for action in set(actions):
        count = sum(clip.action == action for clip in clips)
        out = sum(clip.action == action and clip.clip_id in held for clip in clips)
        assert out < count
        assert abs(out - share * count) <= 1


@given(st.lists(st.integers(0, 9), min_size=4, max_size=60), st.integers(0, 3))
def test_groups_stay_together(groups: list[int], seed: int) -> None:
    clips = labels(["a"] * len(groups), [str(group) for group in groups])
    if len(set(groups)) == 1:
        with pytest.raises(InputError, match="at least two groups"):
            hold_out(clips, 0.2, seed)
        return
    held = hold_out(clips, 0.2, seed)
    inside = {clip.group for clip in clips if clip.clip_id in held}
    outside = {clip.group for clip in clips if clip.clip_id not in held}
    assert inside
    assert outside
    assert not inside & outside
    assert len(held) <= max(0.2 * len(clips), min(map(groups.count, groups)))


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    clips = labels(["a"] * 30, [str(i // 2) for i in range(30)])
    assert hold_out(clips, 0.2, 0) == hold_out(clips[::-1], 0.2, 0)
    assert len({frozenset(hold_out(clips, 0.2, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        hold_out(labels(["a"] * 9, [None] * 9), share, 0)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        hold_out(labels(["a", "b"], [None, None]), 0.2, 0)


def test_phases_begin_at_relative_times() -> None:
    label = ClipLabel("a", "x", 1.0, "train", phases=(5, 8))
    assert phase_times(label, np.arange(3, 13)) == [0.0, 0.2, 0.5, 1.0]
    assert phase_times(ClipLabel("a", "x", 1.0, "train"), np.arange(3)) == [0.0, 1.0]
    for phases in ((3, 8), (8, 5), (5, 13), (5, 5)):
        with pytest.raises(InputError, match=r"clip 'a': phases begin at frames"):
            phase_times(ClipLabel("a", "x", 1.0, "train", phases=phases), np.arange(3, 13))
