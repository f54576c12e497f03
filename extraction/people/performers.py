"""Whom of the people in a clip the action is about.

A simple formula, chosen by thought and checked on made-up scenes and one real clip; nothing is trained.

    score = (0.1 + motion) x sqrt(size) x presence

- size: the person's length, the median longer side of the box, as a share of the image's height. The root keeps
  a spectator near the camera from outdoing a performer far away.
- presence: share of the clip's frames in which the person is seen. A box in which the estimator sees nobody (no
  confidence in any joint) holds no person.
- motion, in lengths of the person and at most 1 (a mistaken identity jumps about): how the path departs from a steady
  one, how the box changes, and how the joints move against the middle of the box. Each is a root mean square over the
  frames, so that noise does not add up as it would along a path. A walker goes steadily sideways and so does
  everybody when the camera pans: a straight line at constant speed counts nothing, and where at least three others are
  seen their median step is taken off first. Frames in which the image cuts the box say nothing, but for the joints
  of somebody whom it always cuts.
- 0.1 keeps somebody who holds still, alone or larger than the rest.

Of several performers (synchronised diving) the best is taken whose partners are good and alike:

    alike = ratio of sizes x share of frames that both are in x exp(-2 x how differently they move, in lengths)

People who are never seen together with the best, or hardly alike, are no partners: one performer is better than one
and a spectator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from extraction.types import Floats

STILL = 0.1
MOST_MOTION = 1.0
OTHERS = 3
"""From how many others on their median is taken for the camera's motion."""
LEAST_ALIKE = 0.12
LONGEST_GAP = 60
"""Frames for which somebody may be lost and still be the same person."""
SLACK = (0.5, 0.01)
"""How far apart two tracks may lie where they should meet, in lengths: without a gap, and more for each frame of it."""
SOONER = 0.05
"""Of two that could carry on a track, who is this much nearer, in lengths, may come a frame later."""
SIZES = 2.0
"""How much longer or shorter somebody may be after a gap: a tucked diver is half as long as a stretched one."""
EDGE = 0.005
"""A box that comes this near the image's edge, as a share of the image, is cut by it."""
ENDS = 5
"""Frames at the end of a track that its speed is taken from."""


@dataclass(frozen=True)
class Track:
    """One person as the tracker followed it.

    Attributes:
        number: the tracker's number of the person.
        frame: [n] int64, index into the clip's frames, increasing.
        boxes: [n, 4] float32, left, top, right, bottom.
        xy: [n, 15, 2] float32 pixels, NaN where missing.
        confidence: [n, 15] float32.
    """

    number: int
    frame: npt.NDArray[np.int64]
    boxes: Floats
    xy: Floats
    confidence: Floats


@dataclass(frozen=True)
class Selection:
    """Who performs.

    Attributes:
        performers: per performer, best first: indices of the tracks that make it up, in time order, no frame twice.
        reasons: per track, in plain words, why it was kept or dropped.
    """

    performers: list[list[int]]
    reasons: list[str]


@dataclass
class _Person:
    """What tracks say together about one person."""

    parts: list[int]
    frame: npt.NDArray[np.int64]
    middle: npt.NDArray[np.float64]  # [n, 2]
    whole: npt.NDArray[np.bool_]  # [n], not cut by the image's edge
    length: float
    size: float
    presence: float
    motion: float = 0.0
    way: float = 0.0  # root mean square distance from the middle of the path, in lengths

    @property
    def score(self) -> float:
        return float((STILL + self.motion) * np.sqrt(self.size) * self.presence)


def choose_performers(tracks: Sequence[Track], frames: int, size: tuple[int, int], performers: int | None) -> Selection:
    """The people whom the action is about; see the module for how.

    Args:
        tracks: everybody whom the tracker followed.
        frames: number of frames of the clip.
        size: width and height of its images.
        performers: how many perform; None keeps everybody, best first.

    Returns:
        At most as many performers as asked for; tracks that carry on one another are one person.
    """
    bodies = [_body(track) for track in tracks]
    people = [_person(bodies, chain, frames, size) for chain in join(tracks)]
    grounds = _grounds(people, frames)
    for person, ground in zip(people, grounds, strict=True):
        path = person.middle - ground[person.frame]
        person.way = _spread(path[:, None], person.whole[:, None]) / person.length
        person.motion = _motion([bodies[part] for part in person.parts], person, path)
    order = sorted(range(len(people)), key=lambda i: (-people[i].score, people[i].parts))
    people = [people[i] for i in order]
    chosen = people if performers is None else _group(people, performers)
    return Selection([person.parts for person in chosen], _reasons(tracks, people, chosen, performers or 0))


def _body(track: Track) -> Track:
    """The track without the frames in which the estimator sees nobody."""
    seen = ~(track.confidence <= 0).all(axis=1)
    return Track(track.number, track.frame[seen], track.boxes[seen], track.xy[seen], track.confidence[seen])


def join(tracks: Sequence[Track]) -> list[list[int]]:
    """Indices of the tracks that make up one person each, in time order: the tracker loses a body that tumbles.

    Where one track ends and another begins at most `LONGEST_GAP` frames later, both are carried on at the speed that
    they have to the middle of the gap, where they should meet. That is exact for a body that falls freely. Nothing is
    joined over a gap longer than what is seen on either side, but for a few frames: a box of a moment fits nearly
    everywhere. Tracks in which nobody is seen are left out.
    """
    bodies = {part: body for part, track in enumerate(tracks) if len((body := _body(track)).frame)}
    begins = {part: _end(body, slice(None, ENDS)) for part, body in bodies.items()}
    ends = {part: _end(body, slice(-ENDS, None)) for part, body in bodies.items()}
    meetings = []
    for a, first in bodies.items():
        for b, second in bodies.items():
            gap = int(second.frame[0] - first.frame[-1]) - 1
            if 0 <= gap <= LONGEST_GAP:
                apart = _apart(ends[a], begins[b])
                if apart <= SLACK[0] + SLACK[1] * gap:
                    meetings.append((apart + SOONER * gap, gap, a, b))
    chains = {part: [part] for part in bodies}
    for _, gap, a, b in sorted(meetings):
        first_chain, second_chain = chains[a], chains[b]
        if first_chain[-1] != a or second_chain[0] != b:
            continue  # somebody nearer was joined there
        if gap > ENDS + min(sum(len(bodies[i].frame) for i in one) for one in (first_chain, second_chain)):
            continue
        joined = first_chain + second_chain
        frames = np.concatenate([tracks[part].frame for part in joined])
        if len(np.unique(frames)) == len(frames):
            chains |= dict.fromkeys(joined, joined)
    return [chain for part, chain in chains.items() if chain[0] == part]


@dataclass
class _End:
    """One end of a track: where, how fast, how large."""

    frame: float  # the mean of the few frames there
    place: npt.NDArray[np.float64]  # [2], the mean place in them
    speed: npt.NDArray[np.float64] | None  # [2], None of a single frame
    length: float


def _apart(first: _End, second: _End) -> float:
    """How far from one another two ends are in the middle of the gap, in lengths; infinite for other sizes."""
    shorter, longer = sorted([first.length, second.length])
    if longer > SIZES * shorter:
        return np.inf
    still = np.zeros(2)
    speeds = [one.speed for one in (first, second) if one.speed is not None] or [still]
    half = (second.frame - first.frame) / 2
    apart = first.place + speeds[0] * half - (second.place - speeds[-1] * half)
    return float(np.linalg.norm(apart)) / longer


def _end(track: Track, part: slice) -> _End:
    frame, boxes = track.frame[part].astype(np.float64), track.boxes[part].astype(np.float64)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    length = max(float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1))), 1.0)
    away = frame - frame.mean()
    speed = away @ middle / (away @ away) if len(frame) > 1 else None
    return _End(frame.mean(), middle.mean(axis=0), speed, length)


def _person(tracks: Sequence[Track], parts: list[int], frames: int, size: tuple[int, int]) -> _Person:
    boxes = np.concatenate([tracks[part].boxes for part in parts]).astype(np.float64)
    frame = np.concatenate([tracks[part].frame for part in parts])
    sides = boxes[:, 2:] - boxes[:, :2]
    margin = EDGE * np.array(size)
    whole = ((boxes[:, :2] > margin) & (boxes[:, 2:] < np.array(size) - 1 - margin)).all(axis=1)
    length = max(float(np.median(sides.max(axis=1)[whole if whole.any() else slice(None)])), 1.0)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return _Person(parts, frame, middle, whole, length, length / size[1], len(frame) / frames)


def _grounds(people: Sequence[_Person], frames: int) -> npt.NDArray[np.float64]:
    """[P, F, 2], how far everybody but each person has been carried along since the first frame."""
    places = np.full((len(people), frames, 2), np.nan)
    for person, place in zip(people, places, strict=True):
        place[person.frame[person.whole]] = person.middle[person.whole]
    steps = np.diff(places, axis=1)
    grounds = np.zeros_like(places)
    for i in range(len(people)):
        others = np.delete(steps, i, axis=0)
        enough = np.isfinite(others[..., 0]).sum(axis=0) >= OTHERS
        if enough.any():
            grounds[i, 1:][enough] = np.nanmedian(others[:, enough], axis=0)
    summed: npt.NDArray[np.float64] = grounds.cumsum(axis=1)
    return summed


def _motion(tracks: Sequence[Track], person: _Person, path: npt.NDArray[np.float64]) -> float:
    boxes = np.concatenate([track.boxes for track in tracks]).astype(np.float64)
    xy = np.concatenate([track.xy for track in tracks]).astype(np.float64)
    weight = np.nan_to_num(np.concatenate([track.confidence for track in tracks]).astype(np.float64))
    weight = np.where(np.isfinite(xy).all(axis=2), weight, 0)
    whole = person.whole
    useful = whole if whole.sum() > 2 else np.ones_like(whole)
    moved = _spread((np.nan_to_num(xy) - person.middle[:, None])[useful], weight[useful])
    if whole.sum() > 2:
        time = person.frame - person.frame[whole].mean()
        steady = time[whole] @ path[whole] / (time[whole] @ time[whole])
        moved += _spread((path - time[:, None] * steady)[:, None], whole[:, None])
        moved += _spread((boxes[:, None, 2:] - boxes[:, None, :2]) / 2, whole[:, None])
    return min(moved / person.length, MOST_MOTION)


def _spread(places: npt.NDArray[np.float64], weight: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    """Root mean square distance of points [n, K, 2] from the mean place of each of the K; weights [n, K]."""
    total = weight.sum(axis=0)
    mean = (weight[..., None] * places).sum(axis=0) / np.maximum(total, 1e-9)[:, None]
    square = ((places - mean) ** 2).sum(axis=2)
    return float(np.sqrt((weight * square).sum() / max(float(total.sum()), 1e-9)))


def _group(people: Sequence[_Person], count: int) -> list[_Person]:
    """The best people, or those who perform together; `people` are sorted, best first."""
    if count == 1 or len(people) < 2:
        return list(people[:count])
    groups = []
    for leader in people:
        partners = [(_alike(leader, other), other) for other in people if other is not leader]
        partners = [(alike, other) for alike, other in partners if alike >= LEAST_ALIKE]
        partners = sorted(partners, key=lambda partner: -partner[0] * partner[1].score)[: count - 1]
        worth = sum(alike * (leader.score + other.score) for alike, other in partners)
        groups.append((worth, [leader, *(other for _, other in partners)]))
    worth, group = max(groups, key=lambda one: one[0])  # the first of equals, whose leader is best
    return sorted(group, key=lambda person: -person.score) if worth > 0 else [people[0]]


def _alike(a: _Person, b: _Person) -> float:
    common, in_a, in_b = np.intersect1d(a.frame, b.frame, return_indices=True)
    if not len(common):
        return 0.0
    apart = a.middle[in_a] - b.middle[in_b]
    differently = _spread(apart[:, None], np.ones((len(apart), 1))) / max(a.length, b.length)
    together = len(common) / max(len(a.frame), len(b.frame))
    return float(min(a.length, b.length) / max(a.length, b.length) * together * np.exp(-2 * differently))


def _reasons(tracks: Sequence[Track], people: Sequence[_Person], chosen: Sequence[_Person], asked: int) -> list[str]:
    reasons = ["dropped: the estimator sees no body there"] * len(tracks)
    for person in people:
        rank = next((i for i, one in enumerate(chosen, 1) if one is person), None)
        text = "dropped" if rank is None else f"performer {rank}"
        text += f": {_facts(person)}"
        if rank is None:
            text += f"; {_why_not(person, chosen, asked)}"
        for number, part in enumerate(person.parts, 1):
            joined = f" (part {number} of {len(person.parts)})" if len(person.parts) > 1 else ""
            reasons[part] = text.replace(":", f"{joined}:", 1)
    return reasons


def _facts(person: _Person) -> str:
    still = ""
    if person.motion < 2 * STILL:
        still = "goes by steadily, " if person.way > 4 * STILL else "hardly moves, "
    edge = "" if person.whole.mean() > 0.5 else "cut by the image's edge, "
    return (
        f"{still}{edge}motion {person.motion:.2f} of its own height, {person.size:.0%} of the image's height, "
        f"in {person.presence:.0%} of the frames"
    )


def _why_not(person: _Person, chosen: Sequence[_Person], asked: int) -> str:
    """In what a person falls behind the last of those who were chosen."""
    last = chosen[-1]
    less = {
        "moves less": person.motion < last.motion,
        "is smaller": person.size < last.size,
        "is seen less": person.presence < last.presence,
    }
    behind = " and ".join(words for words, true in less.items() if true)
    reasons = [f"{behind} than performer {len(chosen)}"] if behind else []
    if asked > 1:
        reasons.append(f"is not like the {'performer' if len(chosen) == 1 else 'performers'}")
    return ", ".join(reasons)
