import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from datamodules.speed21 import read_metadata
from feedback.repetitions import FASTEST, WAIT_WEIGHT, Repetition, best_fit, find_repetitions
from feedback.subjects import Subject
from poses.normalisation import Normalisation
from tests.feedback.known_motion import at_speed, climb, filmed, generated, in_a_row, subject

TOLERANCE = 12
"""Frames, half a second: where a body comes to rest is not known better than that."""


def slow_fit(cells: list[list[float]]) -> float:
    """The smallest cost, by recursion over cells."""
    rows, columns = len(cells), len(cells[0])

    @cache
    def best(row: int, column: int) -> float:
        if row == -1:
            return 0.0  # paths begin anywhere
        if row < 0 or column < 0:
            return math.inf
        ways = [best(row - n, column - 1) + n * cells[row][column] for n in range(1, FASTEST + 1)]
        return min(*ways, best(row, column - 1) + WAIT_WEIGHT * cells[row][column])

    return min(best(rows - 1, column) for column in range(columns)) / rows


def coordinates(clip: Subject) -> Tensor:
    poses, present = Normalisation(keep_aspect=True)(torch.from_numpy(clip.xy), torch.from_numpy(clip.confidence))
    return poses.flatten(1).masked_fill(~present.any(-1, keepdim=True), torch.nan)


def found(reference: Subject, clip: Subject) -> list[Repetition]:
    motion = coordinates(reference)
    return find_repetitions(motion[motion.isfinite().all(-1)], coordinates(clip))


def check(repetitions: list[Repetition], spans: list[tuple[int, int]], tolerance: int = TOLERANCE) -> None:
    assert len(repetitions) == len(spans), (repetitions, spans)
    for one, (begin, end) in zip(repetitions, spans, strict=True):
        assert abs(one.begin - begin) <= tolerance, (repetitions, spans)
        assert abs(one.end - end) <= tolerance, (repetitions, spans)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 10_000))
def test_the_best_fit_is_found(rows: int, columns: int, seed: int) -> None:
    distance = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mean, path = best_fit(distance)
    assert mean == pytest.approx(slow_fit(distance.tolist()))
    if not math.isfinite(mean):  # more rows than the columns can pass over
        assert not len(path)
        return
    steps = path.diff(dim=0)
    assert path[0, 0] < FASTEST
    assert path[-1, 0] == rows - 1
    assert (steps[:, 1] == 1).all()
    cost = distance[path[:, 0], path[:, 1]]
    weights = torch.tensor([1.0 + path[0, 0], *(float(step) or WAIT_WEIGHT for step in steps[:, 0])])
    assert float((cost * weights).sum()) / rows == pytest.approx(mean)


@pytest.mark.parametrize("action", range(5))
def test_good_and_bad_repetitions_at_all_speeds_are_counted(action: int) -> None:
    random = np.random.default_rng(action)
    parts = [
        at_speed(one, [speed] * (len(one.xy) - 1))
        for quality, speed in ((1.0, 1.0), (0.6, 0.7), (0.3, 1.3))
        for one in [filmed(21, action, quality)]
    ]
    clip, spans = in_a_row(parts, random)
    check(found(filmed(22, action), clip), spans)


def test_an_estimator_s_errors_and_missing_frames_do_no_harm() -> None:
    clip, spans = in_a_row([generated(31, 1, quality) for quality in (0.9, 0.4, 0.7)], np.random.default_rng(0))
    clip.xy[spans[1][0] + 20 : spans[1][0] + 26] = np.nan
    check(found(generated(32, 1), clip), spans)


def test_the_reference_in_itself_is_found_to_the_frame() -> None:
    reference = filmed(5, 3)
    (one,) = found(reference, reference)
    assert one[:2] == (0, len(reference.xy) - 1)
    assert one.distance == pytest.approx(0, abs=1e-3)
    assert one.correlation == pytest.approx(1, abs=1e-6)


def test_a_pause_in_the_middle_of_a_repetition_does_not_cut_it() -> None:
    one = filmed(6, 0)
    middle = len(one.xy) // 2
    paused = subject(np.concatenate([one.xy[:middle], np.repeat(one.xy[middle : middle + 1], 40, 0), one.xy[middle:]]))
    clip, spans = in_a_row([paused, one], np.random.default_rng(0))
    check(found(one, clip), spans)


def test_standing_still_is_no_repetition_and_a_reference_that_stands_still_finds_none() -> None:
    jump = filmed(7, 1)
    random = np.random.default_rng(0)
    still = subject(jump.xy[:1].astype(float) + random.normal(0, 1.5, (200, 15, 2)))
    assert found(jump, still) == []
    frozen = coordinates(subject(np.repeat(jump.xy[:1], 30, 0)))
    assert find_repetitions(frozen, coordinates(jump)) == []
    assert find_repetitions(frozen[:0], coordinates(jump)) == []


def test_a_clip_too_short_or_without_a_pose_has_none() -> None:
    jump = filmed(7, 1)
    assert found(jump, subject(jump.xy[:10])) == []
    assert found(jump, subject(np.full((90, 15, 2), np.nan))) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_joined_climbing_runs_are_told_apart_by_the_run_of_another_climber(seed: int, speed21_root: Path) -> None:
    runs = read_metadata(speed21_root)
    usual = [row for row, run in enumerate(runs) if run.fps == 25]
    reference, *rows = np.random.default_rng(seed).choice(usual, 4, replace=False).tolist()
    clip, spans = in_a_row([climb(speed21_root, row) for row in rows], np.random.default_rng(seed))
    # a climber reaches up before a run begins and hangs after it: the reference says where it begins and ends
    check(found(climb(speed21_root, reference), clip), spans, tolerance=40)
