"""Where poses differ from references: what every angle costs, and the costliest in a coach's words."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feedback.explanations import PARTS, Explanation, bone_differences, explain, telling
from feedback.views import Views, views
from poses.skeleton import BONES, JOINTS, flip
from run_folder.trained_model import TrainedModel

FINDINGS: Final = 3
"""How many differences are put into words."""

SMALL: Final = 5.0
"""Degrees: smaller differences are not put into words; estimators err by as much."""


@dataclass(frozen=True)
class Finding:
    """An angle that costs score.

    Attributes:
        part: name of one of `feedback.explanations.PARTS`; left and right are the attempt's own.
        degrees: angle of the attempt less that of the reference, clockwise as seen, in (-180, 180].
        cost: by how many points the score rises with the reference's angle in its place.
        words: such as "left knee: 34 degrees more bent".
        joint: index of the joint that the angle is at, for marking it in a picture.
    """

    part: str
    degrees: float
    cost: float
    words: str
    joint: int


@dataclass(frozen=True)
class Differences:
    """N poses of an attempt against as many of a reference; left and right are the attempt's own.

    Attributes:
        why: what the angles cost.
        bones: [N, 14] degrees in [0, 180] by which the directions of bones differ, in the order of `BONES`; NaN where
            it cannot be told.
        seen, reference_seen: from where the cameras see the bodies.
    """

    why: Explanation
    bones: npt.NDArray[np.float64]
    seen: Views
    reference_seen: Views

    @classmethod
    def of(cls, pose: Tensor, reference: Tensor, model: TrainedModel, *, mirrored: bool) -> "Differences":
        """Compare poses [N, 15, 2]; a joint that one of the two lacks is left out of both.

        Args:
            pose: the attempt's, as they are.
            reference: what they are compared with.
            model: measure of distance.
            mirrored: whether the attempt is flipped left to right to be scored. To be explained the reference is
                flipped, and what is embedded is flipped back.
        """
        wanted = flip(reference, None)[0] if mirrored else reference
        seen, reference_seen = views(pose), views(wanted)
        hidden = ~(pose.isfinite() & wanted.isfinite()).all(-1, keepdim=True)
        pose, wanted = pose.masked_fill(hidden, torch.nan), wanted.masked_fill(hidden, torch.nan)

        def embed(poses: Tensor) -> Tensor:
            return model.embed(flip(poses, None)[0] if mirrored else poses)

        bones = bone_differences(pose, wanted, BONES).double().numpy()
        return cls(explain(pose, wanted, embed), bones, seen, reference_seen)

    def findings(self, number: int) -> tuple[Finding, ...]:
        """The costliest angles of pose `number`, the worst first; see `FINDINGS` and `SMALL`."""
        why, trunk = self.why, [part.name for part in PARTS].index("trunk")
        side = SIDES.get(self.seen.name(number), "unclear")
        own = telling(why.difference)[number]
        found: list[Finding] = []
        for k in why.gain[number].argsort(descending=True, stable=True).tolist():
            part, difference = PARTS[k], float(why.difference[number, k])
            if not own[k] or not why.gain[number, k] > 0 or not abs(difference) >= SMALL:
                continue
            angles = float(why.angle[number, k]), float(why.reference_angle[number, k])
            words = finding(part.name, *angles, side, float(why.angle[number, trunk].nan_to_num(0.0)))
            found.append(Finding(part.name, difference, float(why.cost[number, k]), words, part.bone[0]))
        return tuple(found[:FINDINGS])


Side = Literal["front", "behind", "left", "right", "unclear"]
"""From where the camera sees the person: front and behind, or the side of the body that it sees."""

SIDES: Final[dict[str, Side]] = {"the front": "front", "behind": "behind", "the left": "left", "the right": "right"}
"""By what `feedback.views.Views.name` says; all else is unclear."""

SMALL_BEND: Final = 15.0
"""Degrees: a knee or elbow bent less may as well be bent the other way in the picture."""


def finding(part: str, angle: float, reference: float, side: Side, trunk: float) -> str:
    """What a coach would say of one angle.

    Args:
        part: name of a part of `feedback.explanations.PARTS`.
        angle: degrees, as there.
        reference: the angle that it should have.
        side: from where the camera sees the person.
        trunk: angle of the person's trunk: upside down from 90 degrees on.
    """
    turn = _wrapped(angle - reference)
    degrees = f"{abs(turn):.0f} degrees"
    joint = part.rsplit(" ", 1)[-1]
    if part == "whole body" or (part == "trunk" and max(abs(angle), abs(reference)) > 90):
        text = f"turned {degrees} {'clockwise' if turn > 0 else 'anticlockwise'} in the picture"
    elif joint in ("trunk", "head"):
        verb = "leans" if joint == "trunk" else "tilted"
        text = f"{verb} {degrees} {_towards(turn, side, trunk)}"
    elif joint in ("knee", "elbow"):
        text = _bend(angle, reference, degrees)
    elif joint == "arm":
        text = _arm(angle, reference, degrees, side, trunk)
    else:
        text = _hip(part, angle, reference, degrees, side, trunk)
    return f"{part}: {text}"


def joint_names(present: list[bool]) -> str:
    """The joints that are not present, in words."""
    return ", ".join(name.replace("_", " ") for name, there in zip(JOINTS, present, strict=True) if not there)


def _bend(angle: float, reference: float, degrees: str) -> str:
    if angle * reference < 0 and min(abs(angle), abs(reference)) > SMALL_BEND:
        return f"bent the other way in the picture, {degrees} apart"
    return f"{degrees} {'more bent' if abs(angle) > abs(reference) else 'straighter'}"


def _arm(angle: float, reference: float, degrees: str, side: Side, trunk: float) -> str:
    # both on one side of the trunk: up and down is all there is to say
    if angle * reference >= 0:
        return f"raised {degrees} higher" if abs(angle) > abs(reference) else f"held {degrees} lower"
    return f"{degrees} {_towards(_sideways(angle, reference), side, trunk)}"


def _hip(part: str, angle: float, reference: float, degrees: str, side: Side, trunk: float) -> str:
    if side in ("left", "right"):
        # seen from the right the body faces the picture's right, where thighs turn anticlockwise to be bent
        sign = -1.0 if side == "right" else 1.0
        bent, wanted = sign * angle, sign * reference
        if max(bent, wanted) > 0:
            return f"{degrees} {'more bent' if _wrapped(bent - wanted) > 0 else 'straighter'}"
        return f"thigh {degrees} further {'forward' if _wrapped(bent - wanted) > 0 else 'back'}"
    if side in ("front", "behind"):
        left_in_picture = (side == "front") == part.startswith("right")
        outward = _wrapped(angle - reference) * (1.0 if left_in_picture else -1.0)
        return f"thigh {degrees} further {'out' if outward > 0 else 'in'}"
    if angle * reference >= 0:
        return f"{degrees} {'more bent' if abs(angle) > abs(reference) else 'straighter'}"
    return f"thigh {degrees} {_towards(_sideways(angle, reference), side, trunk)}"


def _sideways(angle: float, reference: float) -> float:
    """Above 0 where a limb that hangs at 0 and turns clockwise lies further to the right of the upright body."""
    # the short way round passes either the hanging limb, where clockwise is to the left, or the raised one
    over_the_top = abs(angle - reference) > 180
    turn = _wrapped(angle - reference)
    return turn if over_the_top else -turn


def _towards(right: float, side: Side, trunk: float) -> str:
    """Where "further to the right of the picture, were the body upright" (above 0) lies for the person."""
    to_right = right > 0
    if side in ("front", "behind"):
        return f"further to the {'left' if to_right == (side == 'front') else 'right'}"
    if side in ("left", "right"):
        return f"further {'forward' if to_right == (side == 'right') else 'back'}"
    upside_down = abs(trunk) > 90
    return f"further to the {'right' if to_right != upside_down else 'left'} of the picture"


def _wrapped(degrees: float) -> float:
    return 180.0 - (180.0 - degrees) % 360.0
