"""What the numbers of a cached clip must obey, whoever writes or reads them; numpy alone, no loop over rows."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from poses.skeleton import JOINTS

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


class Fault(NamedTuple):
    """The first row that breaks a rule, and what is wrong there in plain words."""

    row: int
    person: int
    frame: int
    what: str

    def __str__(self) -> str:
        return f"person {self.person}, frame {self.frame}: {self.what}"


def track_starts(clip: Integers, person: Integers) -> npt.NDArray[np.int64]:
    """Offsets [K + 1] of the K runs of rows with the same clip and person, closed by the number of rows.

    Args:
        clip: [F] index of the clip of each row, F at least 1.
        person: [F] number of the person.
    """
    turns = np.flatnonzero((np.diff(clip) != 0) | (np.diff(person) != 0)) + 1
    return np.concatenate(([0], turns, [len(clip)])).astype(np.int64)


def faults(
    clip: Integers, person: Integers, frame: Integers, time: Floats, xy: Floats, confidence: Floats
) -> Iterator[Fault]:
    """One fault for every rule that is broken, at the first row that breaks it.

    Args:
        clip: [F] index of the clip of each row, F at least 1; the rows of a clip are together.
        person: [F] number of the person.
        frame: [F] number of the frame.
        time: [F] seconds, NaN where unknown.
        xy: [F, 15, 2] pixels, NaN where missing.
        confidence: [F, 15], NaN where unknown.
    """
    rules = (_coordinate_faults(xy), _confidence_faults(confidence), _time_faults(time))
    for row, what in chain(*rules, _order_faults(clip, person, frame)):
        yield Fault(row, int(person[row]), int(frame[row]), what)


def _coordinate_faults(xy: Floats) -> Iterator[tuple[int, str]]:
    infinite = np.isinf(xy)
    if infinite.any():
        row, joint, _ = np.argwhere(infinite)[0]
        yield int(row), f"infinite coordinate of {JOINTS[joint]} (missing joints are NaN)"
    missing = np.isnan(xy)
    half = missing[..., 0] != missing[..., 1]
    if half.any():
        row, joint = np.argwhere(half)[0]
        one, other = "yx" if missing[row, joint, 0] else "xy"
        yield int(row), f"{JOINTS[joint]} has {one} but no {other} (a missing joint has neither)"


def _confidence_faults(confidence: Floats) -> Iterator[tuple[int, str]]:
    outside = (confidence < 0) | (confidence > 1)
    if outside.any():
        row, joint = np.argwhere(outside)[0]
        yield int(row), f"confidence {confidence[row, joint]:.6g} of {JOINTS[joint]} lies outside [0, 1]"


def _time_faults(time: Floats) -> Iterator[tuple[int, str]]:
    infinite = np.isinf(time)
    if infinite.any():
        yield int(infinite.argmax()), "infinite time (unknown times are null)"


def _order_faults(clip: Integers, person: Integers, frame: Integers) -> Iterator[tuple[int, str]]:
    start = track_starts(clip, person)
    turn = start[1:-1]  # rows at which the second and later tracks begin
    step = np.diff(frame.astype(np.int64))
    step[turn - 1] = 1  # from one track to the next any step will do
    if (step <= 0).any():
        row = int((step <= 0).argmax()) + 1
        what = f"comes after frame {frame[row - 1]}" if step[row - 1] else "stands there twice"
        yield row, f"{what} (order rows by person, then frame)"
        return
    same_clip = clip[turn] == clip[turn - 1]
    back = turn[same_clip & (person[turn] < person[turn - 1])]
    if len(back):
        yield int(back[0]), f"comes after person {person[back[0] - 1]} (order rows by person, then frame)"
        return
    for track in np.flatnonzero(same_clip) + 1:
        before, here, end = start[track - 1 : track + 2]
        if not np.array_equal(frame[before:here], frame[here:end]):
            alone = np.setxor1d(frame[before:here], frame[here:end])[0]
            row = before + int((frame[before:end] == alone).argmax())
            other = person[before] if row >= here else person[here]
            yield row, f"person {other} has no row for it (every person has one for every frame, null where not found)"
            return
