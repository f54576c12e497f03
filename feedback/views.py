"""From which side the camera sees a body, and whether two cameras see it from clearly different sides.

2D angles are projections: an arm raised to the side looks raised from the front and hanging from the side. Signed
widths of shoulders and hips, as shares of the body's size, give the cosine of the angle between the body's front and
the camera; the way that knees, elbows and hips bend tells which way a body seen from the side faces.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from poses.skeleton import JOINTS

# Widths and lengths in torso lengths, pelvis to neck (after Winter, Biomechanics and Motor Control of Human Movement;
# shoulders are annotated narrower in photographs than his joint centres, .80, lie apart).
SHOULDERS: Final = 0.72
HIPS: Final = 0.36
THIGH: Final = 0.85
SHANK: Final = 0.85

COSINE_ERROR: Final = 0.2
"""How far off the cosine may be: bodies differ, estimators err, trunks twist and lean towards the camera."""

CLEAR_GAP: Final = 10.0
"""Degrees between what the two views may be at the nearest, from which on the cameras clearly differ."""

SHORTEST_TORSO: Final = 0.5
"""As a share of its length: a torso that looks shorter points at the camera, and no view is told."""

FACING_EVIDENCE: Final = 0.12
"""How much of bends, in squared torso lengths, tells which way a body faces."""

_AT: Final = {name: index for index, name in enumerate(JOINTS)}
_SIDES: Final = ("left", "right")


@dataclass(frozen=True)
class Views:
    """How N bodies stand to the camera.

    Shapes:
        low, turn, high: [N] degrees in [0, 180] between the body's front and the camera, at the least, likeliest and at
            the most: 0 seen from the front, 90 from the side, 180 from behind. NaN where neither shoulders nor hips, or
            no torso, can be seen.
        facing: [N], -1 where the body faces the left of the picture (its left side is seen), 1 the right, 0 unknown.
    """

    low: Tensor
    turn: Tensor
    high: Tensor
    facing: Tensor

    def name(self, index: int) -> str:
        """Of one body: "the front", "behind", "the left", "the right", "the side", "an unclear side"."""
        turn = self.turn[index].item()
        if math.isnan(turn):
            return "an unclear side"
        if turn <= 45:
            return "the front"
        if turn >= 135:
            return "behind"
        return {-1: "the left", 1: "the right"}.get(int(self.facing[index]), "the side")


def views(poses: Tensor) -> Views:
    """Estimate the views of poses [N, 15, 2], NaN where a joint is missing; x to the right, y down."""
    poses = poses.double()
    torso = _vector(poses, "pelvis", "neck")
    length = torch.linalg.vector_norm(torso, dim=-1)
    # projections only shorten: the longest of these shows the body's size best
    sizes = [length]
    for side in _SIDES:
        sizes.append(torch.linalg.vector_norm(_vector(poses, f"{side}_hip", f"{side}_knee"), dim=-1) / THIGH)
        sizes.append(torch.linalg.vector_norm(_vector(poses, f"{side}_knee", f"{side}_ankle"), dim=-1) / SHANK)
    size = torch.stack(sizes).nan_to_num(0.0).amax(dim=0)
    size = size.where(length > SHORTEST_TORSO * size, torch.nan)

    # the picture's right when the body is turned upright: a body that faces the camera has its left there
    across = torch.stack([-torso[:, 1], torso[:, 0]], dim=-1) / length[:, None]
    widths = [
        (_vector(poses, f"right_{joint}", f"left_{joint}") * across).sum(-1) / size / width
        for joint, width in (("shoulder", SHOULDERS), ("hip", HIPS))
    ]
    shares = torch.tensor([[SHOULDERS], [HIPS]], dtype=torch.float64)  # the wider, the surer
    known = torch.stack(widths).isfinite()
    total = (torch.stack(widths).nan_to_num(0.0) * shares).sum(0)
    cosine = total / (known * shares).sum(0)  # NaN where neither is known

    def degrees(value: Tensor) -> Tensor:
        return torch.rad2deg(torch.acos(value.clamp(-1, 1)))

    return Views(
        low=degrees(cosine + COSINE_ERROR),
        turn=degrees(cosine),
        high=degrees(cosine - COSINE_ERROR),
        facing=_facing(poses, size, cosine),
    )


def least_difference(a: Views, b: Views) -> Tensor:
    """By how many degrees [N] two cameras differ at the least, in [0, 180]; NaN where a view is unknown.

    Views of which only one is known to show the body's left or right may lie on the same side of it.
    """
    same_side = torch.maximum(a.low - b.high, b.low - a.high).clamp(min=0)
    through_front, through_back = a.low + b.low, 360 - a.high - b.high
    other_side = torch.minimum(through_front, through_back).clamp(min=0)
    return torch.where(a.facing * b.facing < 0, torch.maximum(other_side, same_side), same_side)


def clearly_differ(a: Views, b: Views) -> Tensor:
    """Whether [N] the cameras see the bodies from clearly different sides; False where a view is unknown."""
    return least_difference(a, b) > CLEAR_GAP


def _facing(poses: Tensor, size: Tensor, cosine: Tensor) -> Tensor:
    """-1, 0 or 1 for each of N poses."""
    # Clockwise as seen is positive: with a body that faces the picture's right, knees bend clockwise, elbows and hips
    # the other way.
    evidence = torch.zeros_like(size)
    down = _vector(poses, "neck", "pelvis")
    for side in _SIDES:
        thigh, shank = _vector(poses, f"{side}_hip", f"{side}_knee"), _vector(poses, f"{side}_knee", f"{side}_ankle")
        upper = _vector(poses, f"{side}_shoulder", f"{side}_elbow")
        fore = _vector(poses, f"{side}_elbow", f"{side}_wrist")
        for first, second, sign in ((thigh, shank, 1.0), (upper, fore, -1.0), (down, thigh, -1.0)):
            cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
            evidence = evidence + sign * (cross / size**2).nan_to_num(0.0)
    sideways = cosine.abs() < 0.9
    clear = (evidence.abs() >= FACING_EVIDENCE) & sideways
    return torch.where(clear, evidence.sign(), 0.0)


def _vector(poses: Tensor, start: str, end: str) -> Tensor:
    return poses[:, _AT[end]] - poses[:, _AT[start]]
