"""Splitting clips into parts that share no athlete or event."""

from collections.abc import Sequence

import numpy as np

from errors import InputError
from poses.tracks import ClipLabel


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
