"""The keypoint cache: one Parquet file a clip, written atomically and read whole (format: docs/keypoint-cache.md)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from errors import InputError
from poses.cache.cache_rules import faults, track_starts
from poses.cache.clip_files import (
    SUFFIX,
    check_clip_id,
    clip_path,
    clips_to_read,
    list_files,
    read_file,
    read_if_there,
    write_file,
)
from poses.cache.keypoint_cache_file import KEYPOINTS, ClipRows, Provenance, decode, encode, provenance_of, to_rows
from poses.skeleton import JOINTS, check_poses

__all__ = [
    "SUFFIX",
    "PoseTable",
    "Provenance",
    "check_clip_id",
    "clip_path",
    "list_clips",
    "read_cache",
    "read_clip",
    "read_provenance",
    "read_rows",
    "write_clip",
]


@dataclass
class PoseTable:
    """The poses of N clips in F rows and K tracks; a track is one person of one clip.

    Shapes:
        xy: [F, 15, 2] float32 pixels, NaN where a joint or the whole person is missing.
        confidence: [F, 15] float32 in [0, 1], NaN where unknown.
        frame: [F] int32, strictly increasing within a track; the tracks of a clip have the same frames.
        time: [F] float64 seconds, NaN where unknown.
        interpolated: [F] bool, where a joint or more was filled in between two seen ones.
        clip_ids, provenance: one entry a clip, in the order asked for.
        track_clip: [K] int64, index into `clip_ids`, never decreasing.
        track_person: [K] int64, number of the person, increasing within a clip.
        track_start: [K + 1] int64, track k has the rows track_start[k] to track_start[k + 1] - 1.
    """

    xy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    frame: npt.NDArray[np.int32]
    time: npt.NDArray[np.float64]
    interpolated: npt.NDArray[np.bool_]
    clip_ids: list[str]
    track_clip: npt.NDArray[np.int64]
    track_person: npt.NDArray[np.int64]
    track_start: npt.NDArray[np.int64]
    provenance: list[Provenance]

    @classmethod
    def of(cls, clips: Sequence[npt.ArrayLike]) -> "PoseTable":
        """The table of clips of one person each that are in no cache, named by their numbers.

        Args:
            clips: at least one; each [frames, 15, 2] in any unit, NaN where a joint is missing.

        Raises:
            ValueError: no clip, or another shape.
        """
        arrays = [np.asarray(clip, np.float32) for clip in clips]
        if not arrays:
            raise ValueError("no clips are given")
        for array in arrays:
            check_poses(array.shape, 2, windows=True)
        lengths = [len(array) for array in arrays]
        frame = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        return cls(
            xy=np.concatenate(arrays),
            confidence=np.full((len(frame), len(JOINTS)), np.nan, np.float32),
            frame=frame,
            time=np.full(len(frame), np.nan),
            interpolated=np.zeros(len(frame), np.bool_),
            clip_ids=[str(number) for number in range(len(arrays))],
            track_clip=np.arange(len(arrays)),
            track_person=np.zeros(len(arrays), np.int64),
            track_start=np.cumsum([0, *lengths]),
            provenance=[Provenance("given as arrays")] * len(arrays),
        )


def write_clip(
    root: str | Path,
    clip_id: str,
    *,
    xy: npt.ArrayLike,
    confidence: npt.ArrayLike | None,
    frame: npt.ArrayLike,
    person: npt.ArrayLike = 0,
    time: npt.ArrayLike | None = None,
    interpolated: npt.ArrayLike | None = None,
    provenance: Provenance,
) -> Path:
    """Write one clip, whole or not at all; several processes may write to one cache, even the same clip, at once.

    Args:
        root: folder of the cache, made if it is not there.
        clip_id: name of the clip; an older clip of that name is replaced.
        xy: [R, 15, 2] pixels in the order of `skeleton.JOINTS`; NaN where a joint, or the whole person, is missing.
        confidence: [R, 15] in [0, 1], NaN where unknown; None if all are unknown.
        frame: [R] integers, strictly increasing for each person; every person has a row for every frame of the clip.
        person: [R] integers, never decreasing, or one integer for all rows.
        time: [R] seconds, NaN where unknown; None if all are unknown.
        interpolated: [R] booleans, True where a joint or more was filled in between two seen ones; None if nowhere.
        provenance: where the poses come from.

    Returns:
        The path of the file.

    Raises:
        InputError: a bad id, array or provenance, or the file cannot be written. Nothing is left half-written.
    """
    path = clip_path(root, clip_id)
    try:
        if not provenance.source or any(not isinstance(fact, str | None) for fact in asdict(provenance).values()):
            raise InputError("its provenance names no source, or not in words; say where the poses come from")
        rows = _checked_rows(xy, confidence, frame, person, time, interpolated)
    except InputError as error:
        raise InputError(f"clip {clip_id!r} not written: {error}") from None
    write_file(path, encode(clip_id, rows, provenance))
    return path


def list_clips(root: str | Path) -> list[str]:
    """Ids of all clips of a cache, sorted; empty if there are none.

    Raises:
        InputError: no such folder, or it cannot be listed.
    """
    return list_files(KEYPOINTS, root)


def read_clip(root: str | Path, clip_id: str) -> PoseTable:
    """One clip of a cache; see `read_cache`, which reads many clips much faster than a call for each."""
    return read_cache(root, [clip_id])


def read_cache(root: str | Path, clip_ids: Sequence[str] | None = None) -> PoseTable:
    """Read clips of a cache and check metadata, schema and every number; 3,000 clips take under two seconds.

    Args:
        root: folder of the cache.
        clip_ids: the clips to read, in that order; None for all, sorted.

    Raises:
        InputError: no such folder or clips, an id twice, or the first file or row with something wrong. Names the file,
            what is wrong and what to do.
    """
    root = Path(root)
    clip_ids = clips_to_read(KEYPOINTS, root, clip_ids)
    with ThreadPoolExecutor(2) as pool:  # more threads only wait for the interpreter lock
        files = list(pool.map(lambda clip_id: read_file(root, clip_id, decode), clip_ids))
    clip = np.repeat(np.arange(len(files)), [table.num_rows for table, _ in files])
    rows = _all_rows(root, clip_ids, [table for table, _ in files])
    for fault in faults(clip, rows.person, rows.frame, rows.time, rows.xy, rows.confidence):
        raise InputError(
            f"{clip_path(root, clip_ids[clip[fault.row]])}: {fault}; write the clip again "
            f"(`python run.py check {root}` lists every problem of the cache)"
        )
    start = track_starts(clip, rows.person)
    return PoseTable(
        xy=rows.xy,
        confidence=rows.confidence,
        frame=rows.frame,
        time=rows.time,
        interpolated=rows.interpolated,
        clip_ids=list(clip_ids),
        track_clip=clip[start[:-1]],
        track_person=rows.person[start[:-1]].astype(np.int64),
        track_start=start,
        provenance=[provenance for _, provenance in files],
    )


def read_provenance(root: str | Path, clip_id: str) -> Provenance | None:
    """Where the poses of one clip come from, without reading them; None if the clip is not in the cache.

    Raises:
        InputError: the file cannot be read, or is not a clip of this format.
    """
    return read_if_there(root, clip_id, provenance_of)


def read_rows(root: Path, clip_id: str) -> ClipRows:
    """The rows of one clip; metadata, columns and types are checked, values are not.

    Raises:
        InputError: the file cannot be read, or is not a clip of this format and name.
    """
    return _all_rows(root, [clip_id], [read_file(root, clip_id, decode)[0]])


# Reading --------------------------------------------------------------------------------------------------------------


def _all_rows(root: Path, clip_ids: Sequence[str], tables: list[pa.Table]) -> ClipRows:
    """The rows of all tables; those of the same schema, mostly all, are converted at once."""
    parts, first = [], 0
    for _, group in groupby(tables, key=lambda table: table.schema):
        run = list(group)
        try:
            parts.append(to_rows(pa.concat_tables(run)))
        except InputError:
            for clip_id, table in zip(clip_ids[first:], run, strict=False):  # which one?
                try:
                    to_rows(table)
                except InputError as error:
                    raise InputError(f"{clip_path(root, clip_id)}: {error}") from None
            raise
        first += len(run)
    return ClipRows(*map(np.concatenate, zip(*parts, strict=True))) if len(parts) > 1 else parts[0]


# Writing --------------------------------------------------------------------------------------------------------------


def _checked_rows(
    xy: npt.ArrayLike,
    confidence: npt.ArrayLike | None,
    frame: npt.ArrayLike,
    person: npt.ArrayLike,
    time: npt.ArrayLike | None,
    interpolated: npt.ArrayLike | None,
) -> ClipRows:
    frame = _as_integers(frame, "frame")
    if frame.ndim != 1 or not len(frame):
        raise InputError(f"frame has the shape {list(frame.shape)}; give [R] frame numbers, R at least 1")
    count = len(frame)
    person = _as_integers(person, "person")
    rows = ClipRows(
        person=np.full(count, person) if person.ndim == 0 else _shaped(person, "person", count),
        frame=frame,
        time=_as_floats(time, np.float64, "time", count),
        xy=_as_floats(xy, np.float32, "xy", count, len(JOINTS), 2),
        confidence=_as_floats(confidence, np.float32, "confidence", count, len(JOINTS)),
        interpolated=_as_marks(interpolated, count),
    )
    for fault in faults(np.zeros(count, np.int64), rows.person, rows.frame, rows.time, rows.xy, rows.confidence):
        raise InputError(str(fault))
    return rows


def _as_integers(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int32]:
    array = np.asarray(values)
    limits = np.iinfo(np.int32)
    if array.dtype.kind not in "iu" or (array.size and (array.min() < limits.min or array.max() > limits.max)):
        raise InputError(f"{name} must be integers that fit into int32, got {array.dtype}")
    return array.astype(np.int32)


def _as_marks(values: npt.ArrayLike | None, count: int) -> npt.NDArray[np.bool_]:
    array = np.zeros(count, np.bool_) if values is None else np.asarray(values)
    if array.dtype != np.bool_:
        raise InputError(f"interpolated must be booleans, got {array.dtype}")
    return _shaped(array, "interpolated", count)


def _as_floats(values: npt.ArrayLike | None, dtype: Any, name: str, *shape: int) -> npt.NDArray[Any]:
    if values is None:
        return np.full(shape, np.nan, dtype=dtype)
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused as such
            array = np.asarray(values).astype(dtype)
    except (TypeError, ValueError):
        raise InputError(f"{name} does not hold numbers") from None
    return _shaped(array, name, *shape)


def _shaped(array: npt.NDArray[Any], name: str, *shape: int) -> npt.NDArray[Any]:
    if array.shape != shape:
        raise InputError(f"{name} has the shape {list(array.shape)} instead of {list(shape)}")
    return array
