import math
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from errors import InputError
from lightning_modules.heads.pair_head import pair_differences
from lightning_modules.heads.score_intervals import DifferenceIntervals, interval_losses, likeliest_value, losses_in
from tests.lightning_modules.heads import slow_core

COUNTS = (2, 4, 8, 16, 32)
HARD = {
    "two distinct scores": [0.0, 1.0, 0.0, 1.0, 1.0],
    "one pair": [0.0, 1.0],
    "one clip apart": [0.0] * 9 + [1.0],
    "whole numbers": [(k % 7) / 6 for k in range(40)],
    "ties at the maximum": [0.0] * 6 + [1.0] * 6 + [0.5],
    "ties but for rounding": [(k % 8) / 7 for k in range(24)],
    "nearly equal": [0.0, 1e-8, 2e-8, 1.0],
}


def relative(seed: int, n: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fitted(count: int, scores: Tensor, action: Tensor | None = None) -> DifferenceIntervals:
    intervals = DifferenceIntervals(count)
    intervals.fit(pair_differences(scores, torch.zeros(len(scores), dtype=torch.int64) if action is None else action))
    return intervals


def all_differences(scores: Tensor) -> Tensor:
    """Of every ordered pair, a clip with itself among them."""
    return (scores[:, None] - scores).flatten()


@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_pair_differences_equal_a_loop(n: int) -> None:
    scores = relative(n, n)
    action = torch.arange(n) * 5 % 3
    found = pair_differences(scores, action)
    assert sorted(found.tolist()) == sorted(slow_core.differences(scores.tolist(), action.tolist()))


def test_no_clips_have_no_differences() -> None:
    assert pair_differences(torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [*HARD, "random", "several actions"])
def test_edges_and_intervals_equal_the_slow_version(count: int, name: str) -> None:
    scores = torch.tensor(HARD[name], dtype=torch.float64) if name in HARD else relative(1, 40)
    action = torch.arange(len(scores)) % 3 if name == "several actions" else torch.zeros(len(scores), dtype=torch.int64)
    intervals = fitted(count, scores, action)
    bounds = slow_core.edges(slow_core.differences(scores.tolist(), action.tolist()), count)
    assert intervals.edges.tolist() == bounds
    assert intervals.edges.equal(-intervals.edges.flip(0))
    differences = torch.cat([all_differences(scores), torch.tensor([0.0, -0.0, 1.7, -1.7]), intervals.edges])
    found = intervals.of(differences)
    assert found.tolist() == [slow_core.interval(bounds, d) for d in differences.tolist()]
    for place, position, difference in zip(found, intervals.position(differences, found), differences, strict=True):
        expected = slow_core.position(bounds, int(place), float(difference))
        assert float(position) == pytest.approx(0.0 if expected is None else expected)


@pytest.mark.parametrize("count", COUNTS)
def test_every_interval_of_a_side_holds_equally_many_continuous_differences(count: int) -> None:
    scores = relative(3, 50)
    differences = pair_differences(scores, torch.zeros(50, dtype=torch.int64))
    intervals = fitted(count, scores)
    held = intervals.of(torch.cat([differences, -differences])).bincount(minlength=count)
    assert held.sum() == 2 * len(differences)
    assert held.equal(held.flip(0))
    assert held.max() - held.min() <= 1


def test_any_shape() -> None:
    intervals, differences = fitted(8, relative(0, 20)), all_differences(relative(5, 6)).view(2, 3, 6)
    turned = differences.transpose(0, 2)
    assert intervals.of(turned).equal(intervals.of(differences).transpose(0, 2))
    assert intervals.of(differences[0, 0, 0]).shape == ()
    assert intervals.of(differences[:0]).shape == (0, 3, 6)


def test_equal_differences_stay_together_however_they_were_worked_out() -> None:
    scores = torch.arange(8, dtype=torch.float64) / 7
    two_sevenths = scores[2:] - scores[:-2]
    assert len(two_sevenths.unique()) > 1, "rounding makes no difference on this machine: the test says nothing"
    for count in COUNTS:
        assert len(fitted(count, scores.repeat(5)).of(two_sevenths).unique()) == 1


def oracle(intervals: DifferenceIntervals, differences: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities and positions [B, intervals] of a head that knows the differences."""
    true = intervals.of(differences)
    shape = (len(differences), len(intervals))
    likely = torch.full(shape, -30.0, dtype=torch.float64).scatter(1, true[:, None], 0.0)
    positions = torch.full(shape, torch.nan, dtype=torch.float64)
    return likely, positions.scatter(1, true[:, None], intervals.position(differences, true)[:, None])


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [*HARD, "random"])
def test_an_oracle_gives_every_difference_and_has_no_loss(count: int, name: str) -> None:
    scores = torch.tensor(HARD[name], dtype=torch.float64) if name in HARD else relative(2, 30)
    intervals, differences = fitted(count, scores), all_differences(scores)
    likely, positions = oracle(intervals, differences)
    # nine decimals of edges count
    torch.testing.assert_close(likeliest_value(intervals, likely, positions), differences, rtol=0, atol=1e-9)
    assert float(interval_losses(intervals, likely, positions, differences)) == pytest.approx(0, abs=1e-12)


@given(
    scores=st.lists(st.integers(0, 12) | st.floats(-1e3, 1e3), min_size=2, max_size=12),
    half=st.integers(1, 8),
    other=st.floats(-3, 3),
)
def test_any_scores_give_finite_losses_and_an_exact_oracle(scores: list[float], half: int, other: float) -> None:
    raw = torch.tensor(scores, dtype=torch.float64)
    if float(raw.max() - raw.min()) < 1e-6:
        return
    own = (raw - raw.min()) / (raw.max() - raw.min())
    intervals = fitted(2 * half, own)
    assert intervals.edges.tolist() == slow_core.edges(slow_core.differences(own.tolist(), [0] * len(own)), 2 * half)
    differences = all_differences(own)
    torch.testing.assert_close(
        likeliest_value(intervals, *oracle(intervals, differences)), differences, rtol=0, atol=1e-9
    )
    beyond = torch.cat([differences, torch.tensor([other, -other], dtype=torch.float64)])
    predicted = torch.zeros(len(beyond), 2 * half, requires_grad=True)
    loss = interval_losses(intervals, predicted.log_softmax(1), predicted, beyond)
    loss.backward()
    assert loss.isfinite()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


def test_losses_equal_a_loop() -> None:
    intervals = fitted(8, torch.tensor(HARD["ties at the maximum"], dtype=torch.float64))
    differences = torch.tensor([0.0, 0.5, -0.5, 1.0, -1.0, 0.3, -0.2, 1.4], dtype=torch.float64)
    assert (intervals.width(intervals.of(differences)) == 0).any()
    generator = torch.Generator().manual_seed(0)
    numbers, positions = torch.randn(2, len(differences), 8, generator=generator, dtype=torch.float64)
    likely = numbers.log_softmax(1)
    bounds, total = intervals.edges.tolist(), 0.0
    for row, difference in enumerate(differences.tolist()):
        true = slow_core.interval(bounds, difference)
        target = slow_core.position(bounds, true, difference)
        total -= float(likely[row, true])
        total += 0 if target is None else (float(positions[row, true]) - target) ** 2
    found = interval_losses(intervals, likely, positions, differences)
    assert float(found) == pytest.approx(total / len(differences))
    leaves, rows = intervals.of(differences), torch.arange(len(differences))
    assert losses_in(intervals, leaves, likely[rows, leaves], positions[rows, leaves], differences) == found


def test_beyond_the_range_the_outermost_interval_goes_on() -> None:
    intervals = fitted(4, relative(4, 30))
    beyond = torch.tensor([2.0, -3.0], dtype=torch.float64)
    assert intervals.of(beyond).tolist() == [3, 0]
    assert (intervals.position(beyond, intervals.of(beyond)) - 0.5).abs().min() > 0.5
    torch.testing.assert_close(likeliest_value(intervals, *oracle(intervals, beyond)), beyond)


def test_edges_are_kept_with_the_weights() -> None:
    one, other = fitted(8, relative(0, 9)), DifferenceIntervals(8)
    assert not other.edges.equal(one.edges)
    other.load_state_dict(one.state_dict())
    assert other.edges.equal(one.edges)
    assert other.bfloat16().of(torch.tensor([0.0, 5.0], dtype=torch.float64)).tolist() == [4, 7]


@pytest.mark.parametrize("count", [-2, 0, 1, 3, 15])
def test_the_number_of_intervals_must_be_even(count: int) -> None:
    with pytest.raises(InputError, match=f"even and at least 2, got {count}$"):
        DifferenceIntervals(count)


@pytest.mark.parametrize(
    ("scores", "action"),
    [([], []), ([0.5], [0]), ([0.5, 0.5, 0.5], [0, 0, 0]), ([0.0, 1.0], [0, 1]), ([0.0, 1e-12], [0, 0])],
    ids=["no clip", "one clip", "equal scores", "no two of one action", "equal but for rounding"],
)
def test_without_different_scores_there_is_nothing_to_learn(scores: list[float], action: list[int]) -> None:
    with pytest.raises(InputError, match=r"different scores; give clips of different quality$") as error:
        fitted(8, torch.tensor(scores, dtype=torch.float64), torch.tensor(action, dtype=torch.int64))
    assert "\n" not in str(error.value)


def test_finedivings_clips_as_one_action_are_quick_and_need_no_matrix() -> None:
    scores, action = relative(0, 2251), torch.zeros(2251, dtype=torch.int64)
    with torch.profiler.profile(profile_memory=True) as profile:
        differences = pair_differences(scores, action)
    assert len(differences) == math.comb(2251, 2)
    made = sum(max(event.self_cpu_memory_usage, 0) for event in profile.events() or [])
    assert made < 2.5 * differences.nbytes, f"{made / 1e6:.0f} MB"  # n x n numbers would be twice the pairs, each
    begin = time.perf_counter()
    DifferenceIntervals(16).fit(differences)
    assert time.perf_counter() - begin < 5
