"""Two poses: how close, and which angles cost the attempt the most score against the reference that it fits best."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from comparison.embedded_clips import LEAST_JOINTS
from comparison.model import PoseModel
from comparison.moments import FINDINGS, SMALL
from comparison.performances import LEAST_GROUP, MIRROR_GAIN, Mirror, percentile
from comparison.subjects import Subject
from comparison.words import SIDES, finding, joint_names
from datamodules.skeleton import BONES, JOINTS, flip
from errors import InputError
from scoring.explanations import LIMBS, PARTS, Explanation, bone_differences, explain, telling
from scoring.views import Views, clearly_differ, views

TORSO: Final = (JOINTS.index("pelvis"), JOINTS.index("neck"))

_PAIRS_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class Finding:
    """An angle that costs score.

    Attributes:
        part: name of one of `scoring.explanations.PARTS`; left and right are the attempt's own.
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
class PoseReport:
    """An attempt against the reference that it fits best.

    Attributes:
        reference, attempt: who is compared; of several references the best fitting one, the first of equals.
        reference_xy, attempt_xy: [15, 2] float32 pixels, as they are, NaN where the model takes a joint for missing.
        mirrored: whether the attempt was flipped left to right to be compared.
        distance, score: eq. (5) and (6).
        other_way: score of the other orientation; None if only one was asked for.
        findings: the costliest angles, first the worst; see `FINDINGS` and `SMALL`.
        limb_costs: points by which the score rises when all angles of a limb are the reference's, by the limb's name.
        mended: the score with all angles replaced; what it lacks to 100 is due to proportions and camera.
        bones: [14] degrees in [0, 180] by which directions of the attempt's own bones differ, in the order of `BONES`;
            NaN where that cannot be told.
        totals: name and score of every reference, in the order given.
        percentile: `comparison.performances.percentile` of the attempt's best score in the group; None
            with fewer than `LEAST_GROUP`.
        group: how many of the group can be compared.
        warnings: sentences for the screen.
        model: label of the model.
    """

    reference: Subject
    attempt: Subject
    reference_xy: npt.NDArray[np.float32]
    attempt_xy: npt.NDArray[np.float32]
    mirrored: bool
    distance: float
    score: float
    other_way: float | None
    findings: tuple[Finding, ...]
    limb_costs: dict[str, float]
    mended: float
    bones: npt.NDArray[np.float64]
    totals: tuple[tuple[str, float], ...]
    percentile: float | None
    group: int
    warnings: tuple[str, ...]
    model: str

    def as_json(self) -> dict[str, Any]:
        """Everything for programs; what is unknown is None."""
        scores = [score for _, score in self.totals]
        return {
            "attempt": self.attempt.name,
            "reference": self.reference.name,
            "distance": self.distance,
            "score": self.score,
            "mirrored": self.mirrored,
            "score_other_way": self.other_way,
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
            "references": [{"reference": name, "score": score} for name, score in self.totals],
            "spread": {"lowest": min(scores), "median": median(scores), "highest": max(scores)},
            "percentile": self.percentile,
            "group": self.group,
            "model": self.model,
            "warnings": list(self.warnings),
        }


def compare_poses(
    references: Sequence[Subject],
    attempt: Subject,
    model: PoseModel,
    *,
    mirror: Mirror = "auto",
    group: Sequence[Subject] = (),
) -> PoseReport:
    """Score an attempt against every reference, and explain the best fit.

    A joint that one of the two lacks is left out of both, so that what fills the gap is the same. With a group the
    score comes with its percentile: the share of the members whose best score against the other members is no higher
    than the attempt's best score against all of them.

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
    why, bones, seen = _explain(own[0], wanted[best], model, flipped)
    reference = references[best]
    members, left_out = _usable(group, model) if group else (wanted, [])
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
        findings=_findings(why, seen[0]),
        limb_costs=dict(zip(LIMBS, why.limb_cost[0].tolist(), strict=True)),
        mended=float(why.mended[0]),
        bones=bones,
        totals=tuple((one.name, float(score)) for one, score in zip(references, scores[0], strict=True)),
        percentile=rank,
        group=len(members),
        warnings=(*_warnings(own[0], wanted[best], attempt, reference, seen), *left_out),
        model=model.label,
    )


# Scores ---------------------------------------------------------------------------------------------------------------


def _joints(subjects: Sequence[Subject], model: PoseModel) -> Tensor:
    """Poses [n, 15, 2] of the first frames, NaN where the model takes a joint for missing."""
    xy = torch.from_numpy(np.stack([one.xy[0] for one in subjects]))
    present = model.present(xy, np.stack([one.confidence[0] for one in subjects]))
    return xy.where(present[..., None], torch.nan)


def _score_ways(attempts: Tensor, references: Tensor, model: PoseModel, mirror: Mirror) -> dict[bool, Tensor]:
    """Scores [A, R] of every attempt against every reference, by whether attempts are flipped.

    NaN where too few joints are in common.
    """
    ways = {"auto": (False, True), "yes": (True,), "no": (False,)}[mirror]
    a, r = len(attempts), len(references)
    result = {}
    for way in ways:
        own = flip(attempts, None)[0] if way else attempts
        parts = []
        rows = max(1, _PAIRS_AT_ONCE // r)
        for start in range(0, a, rows):
            first, second = torch.broadcast_tensors(own[start : start + rows, None], references[None])
            common = (first.isfinite() & second.isfinite()).all(-1)
            hidden = ~common[..., None]
            embedded = [
                model.embed(one.masked_fill(hidden, torch.nan).flatten(0, 1), None).double() for one in (first, second)
            ]
            score = model.score(model.distance(*embedded)).unflatten(0, (-1, r))
            parts.append(score.masked_fill(common.sum(-1) < LEAST_JOINTS, torch.nan))
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


def _percentile(attempt: Tensor, members: Tensor, model: PoseModel, mirror: Mirror) -> float | None:
    """See `compare_poses`; None where too few members can be compared."""
    among, _, _ = _oriented(_score_ways(members, members, model, mirror), mirror)
    among = among.masked_fill(torch.eye(len(members), dtype=torch.bool), torch.nan)
    mine, _, _ = _oriented(_score_ways(attempt, members, model, mirror), mirror)
    best = [row[row.isfinite()].max().item() for row in among if bool(row.isfinite().any())]
    mine = mine[mine.isfinite()]
    if len(best) < LEAST_GROUP or not len(mine):
        return None
    return percentile(mine.max().item(), best)


# Where they differ ----------------------------------------------------------------------------------------------------


def _explain(
    attempt: Tensor, reference: Tensor, model: PoseModel, flipped: bool
) -> tuple[Explanation, npt.NDArray[np.float64], tuple[Views, Views]]:
    """Costs, differences of bones, and the views of attempt and reference; left and right are the attempt's own."""
    pose = attempt[None]
    # the attempt is flipped to be scored; to be explained the reference is, and what is embedded is flipped back
    wanted = flip(reference[None], None)[0] if flipped else reference[None]
    seen = views(pose), views(wanted)
    hidden = ~(pose.isfinite() & wanted.isfinite()).all(-1, keepdim=True)
    pose, wanted = pose.masked_fill(hidden, torch.nan), wanted.masked_fill(hidden, torch.nan)

    def embed(poses: Tensor) -> Tensor:
        return model.embed(flip(poses, None)[0] if flipped else poses, None)

    return explain(pose, wanted, embed), bone_differences(pose, wanted, BONES)[0].double().numpy(), seen


def _findings(why: Explanation, seen: Views) -> tuple[Finding, ...]:
    names = [part.name for part in PARTS]
    trunk = names.index("trunk")
    side = SIDES.get(seen.name(0), "unclear")
    found: list[Finding] = []
    own = telling(why.difference)[0]
    for k in why.gain[0].argsort(descending=True, stable=True).tolist():
        part, difference = PARTS[k], float(why.difference[0, k])
        if not own[k] or not why.gain[0, k] > 0 or not abs(difference) >= SMALL:
            continue
        words = finding(
            part.name,
            float(why.angle[0, k]),
            float(why.reference_angle[0, k]),
            side,
            float(why.angle[0, trunk].nan_to_num(0.0)),
        )
        found.append(Finding(part.name, difference, float(why.cost[0, k]), words, part.bone[0]))
    return tuple(found[:FINDINGS])


# What may be wrong ----------------------------------------------------------------------------------------------------


def _usable(group: Sequence[Subject], model: PoseModel) -> tuple[Tensor, list[str]]:
    """Poses [n, 15, 2] of the members that show a whole person, and a warning for each of the others."""
    poses, warnings = _joints(group, model), []
    kept = []
    for number, subject in enumerate(group):
        try:
            _check_whole(poses[number], subject)
        except InputError as error:
            warnings.append(f"left out of the group: {error}")
        else:
            kept.append(number)
    if len(kept) < LEAST_GROUP:
        warnings.append(f"no percentile: {len(kept)} members of the group can be used, {LEAST_GROUP} are needed")
    return poses[kept], warnings


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


def _warnings(
    own: Tensor, wanted: Tensor, attempt: Subject, reference: Subject, seen: tuple[Views, Views]
) -> list[str]:
    lines = []
    for pose, subject in ((wanted, reference), (own, attempt)):
        there = pose.isfinite().all(-1).tolist()
        if not all(there):
            lines.append(f"{subject.name}: left out, not seen: {joint_names(there)}")
    if bool(clearly_differ(*seen)):
        lines.append(
            f"the cameras see the body from clearly different sides ({reference.name} from {seen[1].name(0)}, "
            f"{attempt.name} from {seen[0].name(0)}): angles in a picture are projections, so trust the score less"
        )
    return lines
