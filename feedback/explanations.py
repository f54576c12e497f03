"""Which joints cost a pose the most score against a reference: each is given the reference's angle and scored again.

A pose is taken apart into the lengths and the directions of its bones, in a tree rooted at the pelvis. One angle is set
to the reference's, what hangs on it turns along, every bone keeps its own length, and the new pose is embedded and
scored; what the score gains is what the angle costs. Angles are those a coach would correct: forearm against upper arm,
upper arm against trunk. The plain alternative, a joint put where the reference has it, was not taken: a bent elbow
moves the wrist alone, but a raised arm moves elbow and wrist, so that neither of them alone mends the pose; and bones
change their lengths, so that a longer leg is taken for a fault.

All angles are those of the picture: projections.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from poses.skeleton import JOINTS, PARENTS
from scoring.distances import cosine_distance, score_from_distance

Embed = Callable[[Tensor], Tensor]
"""Poses [N, 15, 2], NaN where a joint is missing, to embeddings [N, E]."""

SHORTEST_BONE: Final = 0.15
"""In torso lengths: a bone that looks shorter points at the camera, and its direction in the picture says nothing."""

_AT: Final = {name: index for index, name in enumerate(JOINTS)}
_SIDES: Final = ("left", "right")
_PELVIS: Final = _AT["pelvis"]
_NECK: Final = _AT["neck"]


@dataclass(frozen=True)
class Part:
    """An angle of the body.

    Attributes:
        name: such as "left knee".
        bone: the bone that turns, from the joint it turns about.
        against: the bone that its direction is measured against; None for the upright of the picture.
        moved: the joints that turn along.
    """

    name: str
    bone: tuple[int, int]
    against: tuple[int, int] | None
    moved: tuple[int, ...]


def _chain(joint: int) -> set[int]:
    """The joints from `joint` up to the pelvis."""
    parent = PARENTS[joint]
    return {joint} if parent == joint else {joint, *_chain(parent)}


def _hanging_on(joint: int) -> tuple[int, ...]:
    """The joint itself and all that hang on it."""
    return tuple(other for other in range(len(JOINTS)) if joint in _chain(other))


def _parts() -> tuple[Part, ...]:
    trunk, down = (_PELVIS, _NECK), (_NECK, _PELVIS)
    parts = [
        Part("whole body", trunk, None, tuple(range(len(JOINTS)))),
        Part("trunk", trunk, None, _hanging_on(_NECK)),
        Part("head", (_NECK, _AT["head"]), trunk, (_AT["head"],)),
    ]
    for side in _SIDES:
        for upper, middle, lower, name in (("shoulder", "elbow", "wrist", "arm"), ("hip", "knee", "ankle", "hip")):
            first, second, third = (_AT[f"{side}_{joint}"] for joint in (upper, middle, lower))
            parts.append(Part(f"{side} {name}", (first, second), down, _hanging_on(second)))
            parts.append(Part(f"{side} {middle}", (second, third), (first, second), _hanging_on(third)))
    return tuple(parts)


PARTS: Final = _parts()
"""The whole body (turned in the picture), trunk (turned about the pelvis, the legs stay), head, and for each side the
arm (at the shoulder), elbow, hip and knee."""

LIMBS: Final[dict[str, tuple[str, ...]]] = {
    f"{side} {limb}": tuple(f"{side} {joint}" for joint in joints)
    for limb, joints in (("arm", ("arm", "elbow")), ("leg", ("hip", "knee")))
    for side in _SIDES
}
"""Limbs, and the parts whose angles are replaced together."""


@dataclass(frozen=True)
class Explanation:
    """What the angles of N poses cost against N references.

    Shapes (K parts as in `PARTS`, L limbs as in `LIMBS`):
        distance, score: [N], of the poses as they are.
        angle, reference_angle: [N, K] degrees in (-180, 180], clockwise as seen; NaN where a joint is missing or a bone
            points at the camera.
        difference: [N, K] degrees in (-180, 180], angle less reference angle; NaN as above.
        gain: [N, K], by how much the distance falls with the reference's angle; 0 where the difference is NaN.
        cost: [N, K], by how much the score rises.
        limb_cost: [N, L].
        mended: [N], the score with all angles replaced: what it lacks to 100 is due to the lengths of bones (true, or
            as the camera sees them) and to the lines of hips and shoulders.
    """

    distance: Tensor
    score: Tensor
    angle: Tensor
    reference_angle: Tensor
    difference: Tensor
    gain: Tensor
    cost: Tensor
    limb_cost: Tensor
    mended: Tensor


def explain(pose: Tensor, reference: Tensor, embed: Embed) -> Explanation:
    """Replace the angles of poses by those of references, one by one, by limbs and all, and score again.

    Args:
        pose: [N, 15, 2], NaN where a joint is missing; x to the right, y down. A joint that is missing in the reference
            should be missing here too, and the other way round.
        reference: [N, 15, 2].
        embed: the model; called once.

    Raises:
        ValueError: other shapes.
    """
    if pose.ndim != 3 or pose.shape[1:] != (len(JOINTS), 2) or pose.shape != reference.shape:
        raise ValueError(f"poses must have the shape [N, 15, 2]; got {list(pose.shape)} and {list(reference.shape)}")
    angle, other = angles(pose), angles(reference)
    difference = _wrapped(angle - other)
    turn = -difference.nan_to_num(0.0)  # [N, K]
    names = [part.name for part in PARTS]
    single = torch.diag_embed(turn)  # [N, K, K]
    limbs = torch.tensor([[name in limb for name in names] for limb in LIMBS.values()])
    # the whole body stands for the trunk: both are the trunk's direction
    every = torch.tensor([[name != "trunk" for name in names]])
    joint = turn[:, None] * torch.cat([limbs, every]).to(turn)
    variants = turned(pose, torch.cat([torch.zeros_like(joint[:, :1]), single, joint], dim=1))

    n, count = variants.shape[:2]
    embedding = embed(torch.cat([variants.flatten(0, 1), reference]))
    target = embedding[n * count :]
    distance = cosine_distance(embedding[: n * count].unflatten(0, (n, count)), target[:, None]).double()
    score = score_from_distance(distance)
    k = len(PARTS)
    return Explanation(
        distance=distance[:, 0],
        score=score[:, 0],
        angle=angle,
        reference_angle=other,
        difference=difference,
        gain=distance[:, :1] - distance[:, 1 : k + 1],
        cost=score[:, 1 : k + 1] - score[:, :1],
        limb_cost=score[:, k + 1 : -1] - score[:, :1],
        mended=score[:, -1],
    )


def telling(difference: Tensor) -> Tensor:
    """Which parts [N, K] say something of their own, given the differences [N, K] of `Explanation`.

    Trunk and whole body are one angle, the trunk's direction. The body as a whole is turned where the thighs turned
    along; where they are nearer to the reference's directions as they are, the trunk leans.
    """
    names = [part.name for part in PARTS]
    whole, trunk, hips = names.index("whole body"), names.index("trunk"), [names.index(f"{s} hip") for s in _SIDES]
    along = difference[:, hips].abs().nanmean(1)
    # hips are measured against the trunk: in the picture thighs differ by both together
    still = _wrapped(difference[:, hips] + difference[:, trunk, None]).abs().nanmean(1)
    leans = still < along
    result = torch.ones_like(difference, dtype=torch.bool)
    result[:, whole], result[:, trunk] = ~leans, leans
    return result


def angles(pose: Tensor) -> Tensor:
    """The angle [N, K] in degrees of every part of poses [N, 15, 2], clockwise as seen, in (-180, 180].

    A straight knee or elbow, a hanging arm, a thigh in line with the trunk, a head on an upright neck and an upright
    trunk have the angle 0. NaN where a joint is missing or a bone looks shorter than `SHORTEST_BONE`.
    """
    torso = _length(pose, (_PELVIS, _NECK))
    result = []
    for part in PARTS:
        angle = _direction(pose, part.bone)
        clear = _length(pose, part.bone) >= SHORTEST_BONE * torso
        if part.against is None:
            angle = angle + 90.0  # y points down: straight up is -90
        else:
            angle = angle - _direction(pose, part.against)
            clear &= _length(pose, part.against) >= SHORTEST_BONE * torso
        result.append(_wrapped(angle).where(clear & (torso > 0), torch.nan))
    return torch.stack(result, dim=1)


def turned(pose: Tensor, turn: Tensor) -> Tensor:
    """Poses with angles changed; every bone keeps its length, and what hangs on it turns along.

    Args:
        pose: [N, 15, 2].
        turn: [N, V, K] degrees to add to the angles of `PARTS`, for V variants of each pose.

    Returns:
        [N, V, 15, 2]; missing joints stay missing.
    """
    missing = ~pose.isfinite().all(-1)
    planted = pose.clone()
    # a missing joint is put on the one it hangs on: what hangs on it hangs there then
    for joint, parent in PARENTS.items():
        planted[:, joint] = planted[:, joint].where(~missing[:, joint, None], planted[:, parent])
    bone = planted - planted[:, [PARENTS[joint] for joint in range(len(JOINTS))]]  # [N, 15, 2], 0 at the pelvis
    moves = torch.tensor([[joint in part.moved for joint in range(len(JOINTS))] for part in PARTS]).to(turn)
    angle = torch.deg2rad(turn @ moves)  # [N, V, 15]
    x, y = bone[:, None, :, 0], bone[:, None, :, 1]
    cos, sin = angle.cos(), angle.sin()
    vectors = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
    chains = torch.tensor([[other in _chain(joint) for other in range(len(JOINTS))] for joint in range(len(JOINTS))])
    positions = pose[:, None, _PELVIS, None] + chains.to(vectors) @ vectors
    return positions.masked_fill(missing[:, None, :, None], torch.nan)


def bone_differences(pose: Tensor, reference: Tensor, bones: tuple[tuple[int, int], ...]) -> Tensor:
    """By how many degrees [N, len(bones)] in [0, 180] the directions of bones differ between poses [N, 15, 2].

    NaN where an end is missing, or a bone looks shorter than `SHORTEST_BONE` in either.
    """
    columns = []
    for bone in bones:
        clear = torch.ones(len(pose), dtype=torch.bool, device=pose.device)
        for one in (pose, reference):
            clear &= _length(one, bone) >= SHORTEST_BONE * _length(one, (_PELVIS, _NECK))
        difference = _wrapped(_direction(pose, bone) - _direction(reference, bone)).abs()
        columns.append(difference.where(clear, torch.nan))
    return torch.stack(columns, dim=1)


def random_poses(count: int, seed: int) -> Tensor:
    """Poses [count, 15, 2] of a body of human proportions whose angles are drawn at random, in the picture's plane."""
    standing = torch.tensor(
        [
            [-0.1, 1.7], [-0.1, 0.85], [-0.1, 0.0], [0.0, 0.0], [0.1, 0.0], [0.1, 0.85], [0.1, 1.7], [-0.4, 0.15],
            [-0.4, -0.36], [-0.4, -1.0], [0.0, -1.0], [0.4, -1.0], [0.4, -0.36], [0.4, 0.15], [0.0, -1.4],
        ]
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    turn = 360 * torch.rand(1, count, len(PARTS), generator=generator) - 180
    return turned(standing[None], turn)[0]


def _direction(pose: Tensor, bone: tuple[int, int]) -> Tensor:
    """Degrees [N], clockwise as seen from the direction to the right."""
    vector = pose[:, bone[1]] - pose[:, bone[0]]
    return torch.rad2deg(torch.atan2(vector[:, 1], vector[:, 0]))


def _length(pose: Tensor, bone: tuple[int, int]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(pose[:, bone[1]] - pose[:, bone[0]], dim=-1)
    return length


def _wrapped(degrees: Tensor) -> Tensor:
    """Into (-180, 180]."""
    return -(torch.remainder(-degrees + 180.0, 360.0) - 180.0)
