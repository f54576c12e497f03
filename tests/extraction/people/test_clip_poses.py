import numpy as np
import pytest

from extraction.people.clip_poses import fill_gaps
from extraction.types import Floats


def poses(frames: int, missing: dict[int, list[int]]) -> tuple[Floats, Floats]:
    """Joint j is at (t^2, j) in frame t, its confidence grows; `missing` names joints by frame."""
    xy = np.empty((frames, 15, 2), np.float32)
    xy[..., 0] = np.arange(frames)[:, None] ** 2
    xy[..., 1] = np.arange(15)
    confidence = np.repeat(np.linspace(0.2, 0.8, frames, dtype=np.float32)[:, None], 15, axis=1)
    for frame, joints in missing.items():
        xy[frame, joints] = np.nan
        confidence[frame, joints] = 0
    return xy, confidence


def test_a_short_gap_is_filled_along_a_straight_line() -> None:
    xy, confidence = poses(7, {3: [2], 4: [2]})
    before = xy.copy()
    filled, sure, interpolated = fill_gaps(xy, confidence, 2)
    np.testing.assert_array_equal(xy, before)
    np.testing.assert_allclose(filled[2:6, 2, 0], [4, 11, 18, 25], rtol=1e-6)
    np.testing.assert_allclose(filled[3:5, 2, 1], 2)
    np.testing.assert_array_equal(sure[3:5, 2], confidence[2, 2])
    assert interpolated.tolist() == [False, False, False, True, True, False, False]
    others = [joint for joint in range(15) if joint != 2]
    np.testing.assert_array_equal(filled[:, others], xy[:, others])
    np.testing.assert_array_equal(sure[:, others], confidence[:, others])


def test_what_is_long_or_at_an_end_stays_missing() -> None:
    everybody = list(range(15))
    xy, confidence = poses(10, {0: [1], 3: everybody, 4: everybody, 5: everybody, 9: [4]})
    filled, sure, interpolated = fill_gaps(xy, confidence, 2)
    np.testing.assert_array_equal(filled, xy)
    np.testing.assert_array_equal(sure, confidence)
    assert not interpolated.any()
    filled, _, interpolated = fill_gaps(xy, confidence, 3)
    assert np.flatnonzero(interpolated).tolist() == [3, 4, 5]
    assert np.isnan(filled[0, 1]).all()
    assert np.isnan(filled[9, 4]).all()
    assert np.isfinite(filled[1:9]).all()


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_clips_too_short_for_a_gap(frames: int) -> None:
    xy, confidence = poses(frames, {})
    filled, _, interpolated = fill_gaps(xy, confidence, 5)
    np.testing.assert_array_equal(filled, xy)
    assert interpolated.shape == (frames,)


def test_unknown_confidence_stays_unknown_and_nobody_stays_nobody() -> None:
    xy, confidence = poses(3, {1: [0]})
    confidence[2, 0] = np.nan
    filled, sure, interpolated = fill_gaps(xy, confidence, 1)
    assert np.isfinite(filled).all()
    assert np.isnan(sure[1, 0])
    assert interpolated.tolist() == [False, True, False]
    nobody = np.full_like(xy, np.nan)
    assert not fill_gaps(nobody, np.full_like(confidence, np.nan), 9)[2].any()
