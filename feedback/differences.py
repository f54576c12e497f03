"""Where poses differ from references: every angle's cost, and the costliest in words."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feedback.explanations import PARTS, Explanation, bone_differences, explain, telling
from feedback.views import Views, views
from feedback.words import SIDES, finding
from poses.skeleton import BONES, flip
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
