"""A full check of a keypoint cache: every clip, every rule, on past the first mistake."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from errors import InputError
from poses.cache.cache_rules import faults
from poses.cache.keypoint_cache import list_clips, read_rows
from poses.cache.keypoint_cache_file import ClipRows
from poses.skeleton import JOINTS

MIN_POSES = 2


@dataclass(frozen=True)
class Problem:
    """Something wrong with one clip of a cache.

    Args:
        clip: id of the clip.
        frame: number of the (first) frame concerned; None if the file or the whole clip is.
        what: what is wrong, in plain words.
    """

    clip: str
    frame: int | None
    what: str

    def __str__(self) -> str:
        # the name of a stray file may hold anything, also what would spoil a terminal
        clip = self.clip if self.clip.isprintable() else repr(self.clip)
        return f"{clip}: {self.what}" if self.frame is None else f"{clip}, frame {self.frame}: {self.what}"


def check_cache(root: str | Path) -> Iterator[Problem]:
    """Every problem of every clip, in the order of the clips; one for each rule a clip breaks, at its first frame.

    Beyond what `read_cache` refuses: poses that are one point or (0, 0), which mostly stand for missing ones, times
    that do not grow with the frames, and persons with fewer than 2 poses (in a photograph, with none).

    Raises:
        InputError: no such folder, or no clip in it.
    """
    root = Path(root)
    clips = list_clips(root)
    if not clips:
        raise InputError(f"{root}: no clips to check; a keypoint cache holds one Parquet file a clip")
    for clip in clips:
        yield from check_clip(root, clip)


def check_clip(root: Path, clip: str) -> Iterator[Problem]:
    """Every problem of one clip."""
    try:
        rows = read_rows(root, clip)
    except InputError as error:
        yield Problem(clip, None, str(error).removeprefix(f"{root / clip}.parquet: "))
        return
    one_clip = np.zeros(len(rows.frame), np.int64)
    for fault in faults(one_clip, rows.person, rows.frame, rows.time, rows.xy, rows.confidence):
        yield Problem(clip, fault.frame, f"person {fault.person}: {fault.what}")
    yield from _placeholders(clip, rows)
    yield from _times(clip, rows)
    yield from _few_poses(clip, rows)


def _placeholders(clip: str, rows: ClipRows) -> Iterator[Problem]:
    present = ~np.isnan(rows.xy).any(axis=-1)
    low = np.where(present[..., None], rows.xy, np.inf).min(axis=1)
    high = np.where(present[..., None], rows.xy, -np.inf).max(axis=1)
    point = (present.sum(axis=1) > 1) & (low == high).all(axis=-1)
    if point.any():
        row = int(point.argmax())
        yield _at(clip, rows, row, f"all joints at one point {_pixel(rows.xy[row][present[row]][0])}", point)
    # a joint of confidence 0 counts as missing wherever it lies
    zero = (rows.xy == 0).all(axis=-1) & (rows.confidence != 0) & ~point[:, None]
    if zero.any():
        row, joint = (int(index) for index in np.argwhere(zero)[0])
        what = f"{JOINTS[joint]} at exactly (0, 0) with a confidence other than 0; a missing joint is NaN"
        yield _at(clip, rows, row, what, zero.any(axis=1))


def _times(clip: str, rows: ClipRows) -> Iterator[Problem]:
    same_person = np.diff(rows.person) == 0
    with np.errstate(invalid="ignore"):
        back = np.concatenate(([False], same_person & (np.diff(rows.time) <= 0)))
    if back.any():
        row = int(back.argmax())
        yield _at(clip, rows, row, f"time {rows.time[row]:g} s does not come after {rows.time[row - 1]:g} s", back)


def _few_poses(clip: str, rows: ClipRows) -> Iterator[Problem]:
    seen = ~np.isnan(rows.xy).any(axis=-1).all(axis=-1)
    for person in np.unique(rows.person):
        frames = seen[rows.person == person]
        needed = min(MIN_POSES, len(frames))  # a photograph has one frame
        if frames.sum() < needed:
            what = f"a pose in {frames.sum()} of {len(frames)} frames, at least {needed} needed"
            yield Problem(clip, None, f"person {person}: {what}")


def _at(clip: str, rows: ClipRows, row: int, what: str, affected: npt.NDArray[np.bool_]) -> Problem:
    more = int(affected.sum()) - 1
    others = f" (and {more} more row{'s' * (more > 1)})" if more else ""
    return Problem(clip, int(rows.frame[row]), f"person {rows.person[row]}: {what}{others}")


def _pixel(xy: npt.NDArray[np.float32]) -> str:
    return f"({xy[0]:g}, {xy[1]:g})"
