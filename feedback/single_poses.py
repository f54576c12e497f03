"""Two poses: how close, and which angles cost the attempt the most score against the reference that it fits best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from errors import InputError
from feedback.differences import Differences, Finding, joint_names
from feedback.embedded_clips import LEAST_JOINTS
from feedback.explanations import LIMBS
from feedback.performances import LEAST_GROUP, MIRROR_GAIN, ORIENTATIONS, Mirror, members_of, percentile
from feedback.subjects import Report, Subject
from feedback.views import clearly_differ
from poses.skeleton import BONES, JOINTS, flip
from run_folder.trained_model import TrainedModel

TORSO: Final = (JOINTS.index("pelvis"), JOINTS.index("neck"))

_PAIRS_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class PoseReport(Report):
    """A pose against the reference that it fits best.

    Attributes:
        reference_xy, attempt_xy: [15, 2] float32 pixels, as they are, NaN where the model takes a joint for missing.
        distance, score: eq. (5) and (6).
        findings: the costliest angles, first the worst; see `feedback.differences`.
        limb_costs: points by which the score rises when all angles of a limb are the reference's, by the limb's name.
        mended: the score with all angles replaced; what it lacks to 100 is due to proportions and camera.
        bones: [14] degrees in [0, 180] by which directions of the attempt's own bones differ, in the order of `BONES`;
            NaN where that cannot be told.
    """

    reference_xy: npt.NDArray[np.float32]
    attempt_xy: npt.NDArray[np.float32]
    distance: float
    score: float
    findings: tuple[Finding, ...]
    limb_costs: dict[str, float]
    mended: float
    bones: npt.NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        """Everything for programs; what is unknown is None."""
        return super().as_json() | {
            "distance": self.distance,
            "score": self.score,
            "differences": [
                {"part": one.part, "degrees": one.degrees, "cost": one.cost, "words": one.words}
                for one in self.findings
            ],
            "limb_costs": self.limb_costs,
            "score_with_all_angles_of_the_reference": self.mended,
            "bones": [
                {"bone": [JOINTS[a], JOINTS[b]], "degrees": None if np.isnan(degrees) else float(degrees)}
                for (a, b), degrees in zip(BONES, self.bones, strict=True)
            ],
        }


def compare_poses(
    references: Sequence[Subject],
    attempt: Subject,
    model: TrainedModel,
    *,
    mirror: Mirror = "auto",
    group: Sequence[Subject] = (),
) -> PoseReport:
    """Score an attempt against every reference, and explain the best fit.

    A joint that one of the two lacks is left out of both, so that what fills the gap is the same. With a group the
    score comes with its percentile: the share of the members whose best score against the other members is no higher
    than the attempt's best score against all of them. Members are one another's equals: against each other they are
    flipped where that fits better with "auto" alone, and are as they are with "yes".

    Args:
        references: at least one; of each subject the first frame counts.
        attempt: what is judged.
        model: measure of distance.
        mirror: "yes" flips the attempt left to right, "auto" does where that scores at least `MIRROR_GAIN` points more.
        group: whom the percentile refers to; the references themselves if empty.

    Raises:
        InputError: no reference, or one that has too few joints in common with the attempt (`LEAST_JOINTS`), or a
            torso, from pelvis to neck, that cannot be seen.
    """
    if not references:
        raise InputError("there is no reference to compare with; give one or more")
    own, wanted = _joints([attempt], model), _joints(references, model)
    for pose, subject in zip([*own, *wanted], [attempt, *references], strict=True):
        _check_whole(pose, subject)
    for pose, subject in zip(wanted, references, strict=True):
        _check_common(own[0], pose, attempt, subject, mirror)
    scores, other, mirrored = _oriented(_score_ways(own, wanted, model, mirror), mirror)
    best = int(scores[0].argmax())
    flipped = bool(mirrored[0, best])
    differences = Differences.of(own, wanted[best : best + 1], model, mirrored=flipped)
    why = differences.why
    reference = references[best]
    whole, left_out = members_of(group, lambda one: _whole(one, model))
    members = torch.cat(whole) if whole else wanted[: 0 if group else None]
    rank = _percentile(own, members, model, mirror) if len(members) >= LEAST_GROUP else None
    return PoseReport(
        reference=reference,
        attempt=attempt,
        reference_xy=wanted[best].numpy(),
        attempt_xy=own[0].numpy(),
        mirrored=flipped,
        distance=float(why.distance[0]),
        score=float(why.score[0]),
        other_way=None if other is None else float(other[0, best]),
        findings=differences.findings(0),
        limb_costs=dict(zip(LIMBS, why.limb_cost[0].tolist(), strict=True)),
        mended=float(why.mended[0]),
        bones=differences.bones[0],
        totals=tuple((one.name, float(score)) for one, score in zip(references, scores[0], strict=True)),
        percentile=rank,
        group=len(members),
        warnings=(*_warnings(own[0], wanted[best], attempt, reference, differences), *left_out),
        model=model.label,
    )


# Scores ---------------------------------------------------------------------------------------------------------------


def _joints(subjects: Sequence[Subject], model: TrainedModel) -> Tensor:
    """Poses [n, 15, 2] of the first frames."""
    xy, confidence = np.stack([one.xy[0] for one in subjects]), np.stack([one.confidence[0] for one in subjects])
    return torch.from_numpy(model.masked(xy, confidence))


def _score_ways(attempts: Tensor, references: Tensor, model: TrainedModel, mirror: Mirror) -> dict[bool, Tensor]:
    """Scores [A, R] of every attempt against every reference, by whether attempts are flipped.

    NaN where too few joints are in common.
    """
    ways = ORIENTATIONS[mirror]
    a, r = len(attempts), len(references)
    result = {}
    for way in ways:
        own = flip(attempts, None)[0] if way else attempts
        parts = []
        rows = max(1, _PAIRS_AT_ONCE // r)
        for start in range(0, a, rows):
            first, second = torch.broadcast_tensors(own[start : start + rows, None], references[None])
            common = (first.isfinite() & second.isfinite()).all(-1).sum(-1)
            parts.append(model.score(first, second).masked_fill(common < LEAST_JOINTS, torch.nan))
        result[way] = torch.cat(parts)
    return result


def _oriented(ways: dict[bool, Tensor], mirror: Mirror) -> tuple[Tensor, Tensor | None, Tensor]:
    """Scores that count, those of the other orientation (None without), and where the flipped pose was taken."""
    if mirror != "auto":
        (scores,) = ways.values()
        return scores, None, torch.full(scores.shape, mirror == "yes")
    plain, flipped = ways[False], ways[True]
    taken = (flipped >= plain + MIRROR_GAIN) | (plain.isnan() & flipped.isfinite())
    return plain.where(~taken, flipped), flipped.where(~taken, plain), taken


def _percentile(attempt: Tensor, members: Tensor, model: TrainedModel, mirror: Mirror) -> float | None:
    """See `compare_poses`; None where too few members can be compared."""
    mirror_among: Mirror = "auto" if mirror == "auto" else "no"
    among, _, _ = _oriented(_score_ways(members, members, model, mirror_among), mirror_among)
    among = among.masked_fill(torch.eye(len(members), dtype=torch.bool), torch.nan)
    mine, _, _ = _oriented(_score_ways(attempt, members, model, mirror), mirror)
    best = [row[row.isfinite()].max().item() for row in among if bool(row.isfinite().any())]
    mine = mine[mine.isfinite()]
    if len(best) < LEAST_GROUP or not len(mine):
        return None
    return percentile(mine.max().item(), best)


# What may be wrong ----------------------------------------------------------------------------------------------------


def _whole(subject: Subject, model: TrainedModel) -> Tensor:
    """Pose [1, 15, 2] of a subject that shows a whole person."""
    pose = _joints([subject], model)
    _check_whole(pose[0], subject)
    return pose


def _check_whole(pose: Tensor, subject: Subject) -> None:
    there = pose.isfinite().all(-1)
    if not there.any():
        raise InputError(f"{subject.name}: no joint of a person can be seen; give another picture")
    if int(there.sum()) < LEAST_JOINTS or not there[list(TORSO)].all():
        raise InputError(
            f"{subject.name}: only part of a person can be seen (missing: {joint_names(there.tolist())}); a comparison "
            f"needs {LEAST_JOINTS} of {len(JOINTS)} joints, pelvis and neck among them"
        )
    if not (pose[TORSO[1]] - pose[TORSO[0]]).abs().sum() > 0:
        raise InputError(f"{subject.name}: pelvis and neck lie on one point; give a picture that shows the trunk")


def _check_common(own: Tensor, wanted: Tensor, attempt: Subject, reference: Subject, mirror: Mirror) -> None:
    there = wanted.isfinite().all(-1)
    ways = [flip(own[None], None)[0][0]] if mirror == "yes" else [own]
    for pose in ways:
        common = int((there & pose.isfinite().all(-1)).sum())
        if common < LEAST_JOINTS:
            raise InputError(
                f"{reference.name} and {attempt.name} show only {common} joints in common; a comparison needs "
                f"{LEAST_JOINTS} of {len(JOINTS)}: give pictures that show more of the person"
            )


def _warnings(own: Tensor, wanted: Tensor, attempt: Subject, reference: Subject, differences: Differences) -> list[str]:
    lines = []
    for pose, subject in ((wanted, reference), (own, attempt)):
        there = pose.isfinite().all(-1).tolist()
        if not all(there):
            lines.append(f"{subject.name}: left out, not seen: {joint_names(there)}")
    seen, reference_seen = differences.seen, differences.reference_seen
    if bool(clearly_differ(seen, reference_seen)):
        lines.append(
            f"the cameras see the body from clearly different sides ({reference.name} from {reference_seen.name(0)}, "
            f"{attempt.name} from {seen.name(0)}): angles in a picture are projections, so trust the score less"
        )
    return lines
