"""The poses of all clips of a dataset in memory, ready to be sampled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import InputError
from poses.cache.keypoint_cache import PoseTable
from poses.normalisation import Normalisation


@dataclass(frozen=True)
class Tracks:
    """Normalised poses of K tracks (one person in one clip each), indexed by relative time.

    Shapes:
        poses: [P, 15, 2] float32 in [0, 1], frames with at least one visible joint only.
        rows: [F] int64; for every frame of every track the row of `poses` seen last (before the first pose: the first).
        start: [K + 1] int64, where each track begins in `rows`.
        clip: [K] int64, index of each track's clip.
        frame: [F] int64, frame numbers as in the cache.
        source: [P] int64, the row of the cache's table that each pose was made from.
    """

    poses: NDArray[np.float32]
    rows: NDArray[np.int64]
    start: NDArray[np.int64]
    clip: NDArray[np.int64]
    frame: NDArray[np.int64]
    source: NDArray[np.int64]

    @property
    def length(self) -> NDArray[np.int64]:
        """Frames of each track [K], those without a pose included."""
        length: NDArray[np.int64] = np.diff(self.start)
        return length

    def moments(self, count: int) -> NDArray[np.int64]:
        """Rows of `poses` [K, count] at `count` relative times, the middles of equal shares of each track.

        Frame k of n covers the relative times [k/n, (k+1)/n). In integers, so repeating every frame changes nothing.
        """
        middles = 2 * np.arange(count, dtype=np.int64) + 1
        index = middles[None, :] * self.length[:, None] // (2 * count)
        rows: NDArray[np.int64] = self.rows[self.start[:-1, None] + index]
        return rows

    def at(self, track: NDArray[np.int64], time: NDArray[np.float64]) -> NDArray[np.int64]:
        """Rows of `poses` for tracks [...] at relative times [...] in [0, 1)."""
        length = self.length[track]
        index = np.minimum((time * length).astype(np.int64), length - 1)  # a product may round up to the length
        rows: NDArray[np.int64] = self.rows[self.start[track] + index]
        return rows


def build_tracks(table: PoseTable, normalisation: Normalisation) -> Tracks:
    """Normalise every pose of a cache, leave out frames without a joint and tracks without a pose.

    A frame without a pose shows the pose seen last: missing frames are not told to the model. (How many are missing,
    and how long a clip is, would give the score away on timed sports.)

    Raises:
        InputError: a clip has fewer than two frames with a visible joint, or only poses whose joints are all one point.
    """
    poses, present = normalisation(table.xy, table.confidence)
    seen = present.any(axis=-1)
    lengths = np.diff(table.track_start)
    track_of_row = np.repeat(np.arange(len(lengths)), lengths)
    seen_of_track = np.bincount(track_of_row[seen], minlength=len(lengths))
    kept = seen_of_track > 0
    seen_of_clip = np.bincount(table.track_clip, weights=seen_of_track, minlength=len(table.clip_ids))
    for clip in np.flatnonzero(seen_of_clip < 2):
        raise InputError(
            f"clip {table.clip_ids[clip]!r}: {int(seen_of_clip[clip])} frames with a visible joint (confidence of at "
            f"least {normalisation.min_confidence}), a clip needs two; extract its keypoints again or take it out of "
            "the labels"
        )
    shaped = seen & (poses != 0.5).any(axis=(-2, -1))  # 0.5 throughout: what a pose without extent becomes
    shaped_of_clip = np.bincount(table.track_clip[track_of_row[shaped]], minlength=len(table.clip_ids))
    for clip in np.flatnonzero(shaped_of_clip == 0):
        raise InputError(
            f"clip {table.clip_ids[clip]!r}: in every frame all visible joints are at one point, which is no pose; "
            "extract its keypoints again or take it out of the labels"
        )
    rows = np.cumsum(seen) - 1  # the row seen last, counted over the whole cache
    first_row = np.concatenate([[0], np.cumsum(seen_of_track)])[:-1]
    rows = np.maximum(rows, first_row[track_of_row])  # before a track's first pose: that first pose
    keep_row = kept[track_of_row]
    return Tracks(
        poses=np.ascontiguousarray(poses[seen], dtype=np.float32),
        rows=rows[keep_row].astype(np.int64),
        start=np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64),
        clip=table.track_clip[kept].astype(np.int64),
        frame=table.frame[keep_row].astype(np.int64),
        source=np.flatnonzero(seen),
    )


@dataclass(frozen=True)
class SampledKeypoints:
    """Keypoints as an estimator gave them, of K tracks at T moments.

    Shapes:
        xy: [K, T, 15, 2] float32 pixels, NaN where missing.
        confidence: [K, T, 15] float32, NaN where unknown.
        clip: [K] int64, index into `clip_ids`, never decreasing.
        clip_ids: names of the clips.
    """

    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    clip: NDArray[np.int64]
    clip_ids: list[str]


def sample_keypoints(table: PoseTable, normalisation: Normalisation, count: int) -> SampledKeypoints:
    """What `build_tracks(table, normalisation)` shows at `count` moments, before it was normalised.

    Raises:
        InputError: see `build_tracks`.
    """
    tracks = build_tracks(table, normalisation)
    rows = tracks.source[tracks.moments(count)]
    return SampledKeypoints(table.xy[rows], table.confidence[rows], tracks.clip, table.clip_ids)
