"""Which frames lie in which window, against a count by hand."""

from typing import Any

import numpy as np
import pytest

from errors import InputError
from extraction.features.windows import Windows


def nearest(count: int, frames: int) -> list[int]:
    """For every resampled frame the clip's frame that is nearest in time; of two, the even one."""
    found = []
    for i in range(frames):
        place = i * (count - 1) / (frames - 1)
        below = int(place)
        after = place - below
        found.append(below if after < 0.5 or (after == 0.5 and below % 2 == 0) else below + 1)
    return found


@pytest.mark.parametrize("count", [1, 2, 16, 50, 102, 103, 104, 205, 309, 2000])
def test_windows_of_core(count: int) -> None:
    windows = Windows().of(count)
    assert windows.shape == (10, 16)
    assert windows.dtype == np.int64
    resampled = nearest(count, 103)
    for window, start in zip(windows, [0, 10, 20, 30, 40, 50, 60, 70, 80, 86], strict=True):
        assert window.tolist() == resampled[start : start + 16]
    assert Windows().resampled(count).tolist() == resampled


def test_a_clip_of_as_many_frames_is_taken_as_it_is() -> None:
    assert Windows().resampled(103).tolist() == list(range(103))
    assert Windows().of(103)[-1].tolist() == list(range(86, 102))


def test_windows_of_tpt() -> None:
    windows = Windows(length=8, starts=tuple(range(0, 100, 5))).of(103)
    assert windows.shape == (20, 8)
    assert windows[:, 0].tolist() == list(range(0, 100, 5))
    assert windows[19].tolist() == list(range(95, 103))


def test_a_clip_of_one_frame_is_that_frame() -> None:
    assert not Windows().of(1).any()
    assert Windows(frames=1, length=1, starts=(0,)).of(1).tolist() == [[0]]


def test_longer_clips_are_thinned_out_evenly() -> None:
    assert Windows(frames=3, length=2, starts=(0, 1)).of(101).tolist() == [[0, 50], [50, 100]]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"frames": 0}, "at least 1 frame, got frames 0"),
        ({"length": 0}, "1 to 103 frames, as many as the clip, got length 0"),
        ({"length": 104}, "got length 104"),
        ({"starts": ()}, "no starts"),
        ({"starts": (-1, 5)}, "between 0 and 87, got -1"),
        ({"starts": (0, 88)}, "between 0 and 87, got 88"),
        ({"starts": (0, 20, 10)}, "starts must rise, 10 comes after"),
        ({"starts": (0, 10, 10)}, "starts must rise, 10 comes after"),
    ],
)
def test_windows_that_cannot_be(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as error:
        Windows(**options)
    assert str(error.value).startswith("windows: ")
    assert "\n" not in str(error.value)


def test_the_last_window_may_end_with_the_clip() -> None:
    assert Windows(starts=(0, 87)).of(103)[1, -1] == 102


def test_a_clip_without_frames() -> None:
    with pytest.raises(InputError, match="a clip of 0 frames"):
        Windows().of(0)
