import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError
from poses.cache.keypoint_cache import PoseTable, Provenance
from poses.normalisation import Normalisation
from poses.tracks import Tracks, build_tracks


def table(*clips: list[list[bool]]) -> PoseTable:
    """Clips of tracks of frames, each frame seen or not; the pose of row r is a body whose knee lies at r / 1000."""
    tracks = [(clip, seen) for clip, persons in enumerate(clips) for seen in persons]
    seen = np.array([frame for _, track in tracks for frame in track])
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 100, (len(seen), 15, 2)).astype(np.float32)
    xy[:, 0], xy[:, 14] = 0, 100
    xy[:, 1, 0] = np.arange(len(seen)) / 10
    xy[~seen] = np.nan
    lengths = [len(track) for _, track in tracks]
    return PoseTable(
        xy=xy,
        confidence=np.full((len(seen), 15), np.nan, dtype=np.float32),
        frame=np.concatenate([np.arange(n) + 3 for n in lengths]).astype(np.int32),
        time=np.full(len(seen), np.nan),
        interpolated=np.zeros(len(seen), np.bool_),
        clip_ids=[f"clip{i}" for i in range(len(clips))],
        track_clip=np.array([clip for clip, _ in tracks]),
        track_person=np.zeros(len(tracks), dtype=np.int64),
        track_start=np.concatenate([[0], np.cumsum(lengths)]),
        provenance=[Provenance("test")] * len(clips),
    )


def shown(tracks: Tracks, rows: np.ndarray) -> np.ndarray:
    """Which row of the table each pose came from."""
    rounded: np.ndarray = np.rint(tracks.poses[rows][..., 1, 0] * 1000).astype(int)
    return rounded


Seen = st.lists(st.booleans(), min_size=1, max_size=12)


@given(st.lists(st.lists(Seen, min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 9))
def test_a_moment_shows_the_pose_seen_last(clips: list[list[list[bool]]], count: int) -> None:
    made = table(*clips)
    if any(sum(map(sum, clip)) < 2 for clip in clips):
        with pytest.raises(InputError, match="a clip needs two"):
            build_tracks(made, Normalisation())
        return
    tracks = build_tracks(made, Normalisation())
    moments = shown(tracks, tracks.moments(count))
    expected, clip_of_track, begin = [], [], 0
    for number, clip in enumerate(clips):
        for seen in clip:
            if any(seen):
                row = []
                for moment in range(count):
                    frame = int((moment + 0.5) / count * len(seen) + 1e-9)
                    before = [i for i in range(frame + 1) if seen[i]]
                    row.append(begin + (before[-1] if before else seen.index(True)))
                expected.append(row)
                clip_of_track.append(number)
            begin += len(seen)
    assert moments.tolist() == expected
    assert tracks.clip.tolist() == clip_of_track


@given(Seen, st.integers(2, 4), st.integers(1, 30), st.floats(0, 1, exclude_max=True))
def test_repeating_every_frame_changes_nothing(seen: list[bool], times: int, count: int, moment: float) -> None:
    seen = [*seen, True, True]
    once, often = table([seen]), table([[frame for frame in seen for _ in range(times)]])
    often.xy = np.repeat(once.xy, times, axis=0)
    a, b = (build_tracks(made, Normalisation()) for made in (once, often))
    np.testing.assert_array_equal(a.poses[a.moments(count)], b.poses[b.moments(count)])
    if times in (2, 4):  # exact in floating point
        time, track = np.array([moment]), np.array([0])
        np.testing.assert_array_equal(a.poses[a.at(track, time)], b.poses[b.at(track, time)])


def test_times_just_below_one_stay_in_the_track() -> None:
    tracks = build_tracks(table([[True] * 7], [[True] * 5]), Normalisation())
    last = np.nextafter(1.0, 0.0)
    assert shown(tracks, tracks.at(np.array([0, 1]), np.array([last, last]))).tolist() == [6, 11]
