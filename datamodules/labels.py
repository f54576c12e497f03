"""What a dataset says about its clips, and which of them are held out; no two parts share an athlete or event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from errors import InputError

Part = Literal["train", "test", "predict"]


@dataclass(frozen=True)
class ClipLabel:
    """What a dataset's annotations say about one clip.

    Attributes:
        clip_id: id of the clip in the keypoint cache.
        action: clips are compared within their action (a sport, a dive number).
        score: expert score in the dataset's units, higher is better; NaN where unknown.
        part: official part; `val` is split off "train" later. "predict": to be scored, no score known.
        group: athlete or event; clips of a group stay on one side of a split.
        difficulty: degree of difficulty; NaN where there is none.
        phases: frame numbers, as in the cache, at which the second and later phases begin; strictly increasing.
        covariates: what is known without looking at the poses; each gives a trivial predictor.
    """

    clip_id: str
    action: str
    score: float
    part: Part
    group: str | None = None
    difficulty: float = float("nan")
    phases: tuple[int, ...] = ()
    covariates: Mapping[str, str] = field(default_factory=dict)


def phase_times(label: ClipLabel, frames: NDArray[np.int64]) -> list[float]:
    """Relative times [0, ..., 1] at which the phases of a track begin, and the end.

    Args:
        label: the clip's label, whose `phases` are frame numbers.
        frames: [n] frame numbers of the track, increasing.

    Raises:
        InputError: the phases are not increasing or lie outside the clip.
    """
    times = np.searchsorted(frames, np.asarray(label.phases)) / len(frames)
    bounds = [0.0, *times.tolist(), 1.0]
    if any(a >= b for a, b in pairwise(bounds)):
        raise InputError(
            f"clip {label.clip_id!r}: phases begin at frames {list(label.phases)}, which must increase and lie inside "
            f"the clip's frames {frames[0]} to {frames[-1]}"
        )
    return bounds


def hold_out(labels: Sequence[ClipLabel], share: float, seed: int) -> set[str]:
    """Ids of about `share` of the clips, drawn by whole groups where groups exist, else from each action alike.

    Args:
        labels: the clips to draw from, in any order (the result does not depend on it).
        share: wanted share of the clips, in (0, 1).
        seed: seed of the draw.

    Raises:
        InputError: the share is not in (0, 1), or the clips cannot be split (one clip, one group).
    """
    if not 0 < share < 1:
        raise InputError(f"the share of clips to hold out must lie between 0 and 1, got {share:g}")
    rng = np.random.default_rng(seed)
    labels = sorted(labels, key=lambda label: label.clip_id)
    if any(label.group is not None for label in labels):
        return _whole_groups(labels, share, rng)
    held: set[str] = set()
    for action in sorted({label.action for label in labels}):
        ids = [label.clip_id for label in labels if label.action == action]
        count = min(max(round(len(ids) * share), int(len(ids) > 2)), len(ids) - 1)
        held |= {ids[i] for i in rng.permutation(len(ids))[:count]}
    if not held:
        raise InputError(
            f"{len(labels)} clips of {len({label.action for label in labels})} actions are too few to hold out a "
            "part; give every action at least three"
        )
    return held


def _whole_groups(labels: Sequence[ClipLabel], share: float, rng: np.random.Generator) -> set[str]:
    # a clip without a group is a group of its own
    members: dict[tuple[str, str], list[str]] = {}
    for label in labels:
        key = ("clip", label.clip_id) if label.group is None else ("group", label.group)
        members.setdefault(key, []).append(label.clip_id)
    if len(members) < 2:
        raise InputError(
            f"all {len(labels)} clips to split belong to group {labels[0].group!r}, and groups stay together; give the "
            "clips at least two groups, or none"
        )
    groups = [members[key] for key in sorted(members)]
    held: set[str] = set()
    for i in rng.permutation(len(groups)):
        if len(held) + len(groups[i]) <= share * len(labels):
            held |= set(groups[i])
    return held or set(sorted(groups, key=len)[0])
