"""Two performances: a score for every moment of an attempt, its worst moments, and how sure all that is."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from errors import InputError, counted
from feedback.embedded_clips import LEAST_JOINTS, EmbeddedClip, Fit, usable
from feedback.moments import Moment, worst_moments
from feedback.repetitions import repetition_spans
from feedback.subjects import Report, Subject
from feedback.views import clearly_differ, views
from poses.skeleton import JOINTS, flip
from run_folder.trained_model import TrainedModel

T = TypeVar("T")

Mirror = Literal["auto", "yes", "no"]

ORIENTATIONS: Final[Mapping[Mirror, tuple[bool, ...]]] = {"auto": (False, True), "yes": (True,), "no": (False,)}
"""Which to try: flipped left to right (True), as it is (False)."""

MIRROR_GAIN: Final = 2.0
"""Points that the mirrored attempt must score more to be taken for what was meant: a symmetric motion fits both ways,
and noise decides by how much."""

LEAST_GROUP: Final = 5
"""References from which on a score comes with its percentile."""


@dataclass(frozen=True)
class PerformanceReport(Report):
    """A performance against the reference that it fits best.

    With repetitions the attempt of each is cut to it, and there is no score of the other orientation.

    Attributes:
        total: mean score of eq. (6) along the path, in (0, 100]; with repetitions, the mean of their totals.
        score: [F] float64, for every frame of the attempt, the mean over the poses it is matched with; NaN where the
            frame has no pose, or belongs to no repetition.
        path: [P, 2] int64, rows of the reference and of the attempt that are matched; empty with repetitions.
        moments: the worst first; see `feedback.moments`.
        repetitions: one report each, in order; empty if not asked for or none found.
    """

    total: float
    score: npt.NDArray[np.float64]
    path: npt.NDArray[np.int64]
    moments: tuple[Moment, ...]
    repetitions: tuple["PerformanceReport", ...]

    def as_json(self) -> dict[str, Any]:
        """Everything for programs; what is unknown is None."""
        return super().as_json() | {
            "score": self.total,
            "worst_moments": [moment.as_json() for moment in self.moments],
            "curve": [
                {"frame": int(frame), "time": _known(time), "score": _known(score)}
                for frame, time, score in zip(self.attempt.frame, self.attempt.time, self.score, strict=True)
            ],
            "repetitions": [
                {
                    "first_frame": int(one.attempt.frame[0]),
                    "last_frame": int(one.attempt.frame[-1]),
                    "begin": _known(one.attempt.time[0]),
                    "end": _known(one.attempt.time[-1]),
                    "reference": one.reference.name,
                    "score": one.total,
                    "worst_moments": [moment.as_json() for moment in one.moments],
                }
                for one in self.repetitions
            ],
        }


def compare_performances(
    references: Sequence[Subject],
    attempt: Subject,
    model: TrainedModel,
    *,
    mirror: Mirror = "auto",
    repetitions: bool = False,
    group: Sequence[Subject] = (),
) -> PerformanceReport:
    """Align an attempt with every reference, and report on the one that fits best.

    Frame rates and lengths may differ; the path takes care of them. Frames without a pose, or with fewer than
    `LEAST_JOINTS` joints, are left out. Joints missing in a frame are filled in as `Normalisation` says. The attempt is
    flipped as a whole, or not at all.

    Args:
        references: at least one.
        attempt: what is judged.
        model: measure of distance.
        mirror: "yes" flips the attempt left to right, "auto" does where that scores at least `MIRROR_GAIN` points more.
        repetitions: find the repetitions of the references in the attempt (`feedback.repetitions`), report on each.
        group: whom the percentile refers to, clips without a usable pose left out; the references themselves if empty.

    Raises:
        InputError: no reference, a reference or attempt without a usable pose, or clips too long to be aligned.
    """
    if not references:
        raise InputError("there is no reference to compare with; give one or more")
    known = [EmbeddedClip.of(one, model, mirrored=False) for one in references]
    orientations = ORIENTATIONS[mirror]
    ways = {mirrored: EmbeddedClip.of(attempt, model, mirrored=mirrored) for mirrored in orientations}
    usable, left_out = members_of(group, lambda one: EmbeddedClip.of(one, model, mirrored=False))
    warnings = [line for one in (*references, attempt) for line in about_frames(one, model)] + left_out
    members = _Group.of(usable if group else known, model, orientations)
    if repetitions:
        mirrored, spans = repetition_spans(references, attempt, model, orientations)
        if spans:
            return _repeated(known, ways[mirrored], spans, model, members, warnings)
        warnings.append(
            f"{attempt.name}: no repetition of the reference was found; the whole clip is scored as one attempt"
        )
    return _one(known, ways, model, members, warnings)


def members_of(group: Sequence[Subject], make: Callable[[Subject], T]) -> tuple[list[T], list[str]]:
    """What `make` makes of the members of a group, and a warning for each of whom it makes nothing, as too few are."""
    members, warnings = [], []
    for one in group:
        try:
            members.append(make(one))
        except InputError as error:
            warnings.append(f"left out of the group: {error}")
    if group and len(members) < LEAST_GROUP:
        warnings.append(f"no percentile: {len(members)} members of the group can be used, {LEAST_GROUP} are needed")
    return members, warnings


def percentile(total: float, group: Sequence[float]) -> float:
    """Share of a group, in percent, that scores no more than `total` does, each against the best of the others."""
    return 100 * sum(one <= total for one in group) / len(group)


def _one(
    known: Sequence[EmbeddedClip],
    ways: Mapping[bool, EmbeddedClip],
    model: TrainedModel,
    group: "_Group",
    warnings: Sequence[str],
) -> PerformanceReport:
    fits = {way: [Fit.of(one, clip) for one in known] for way, clip in ways.items()}
    best = {way: max(fit.total for fit in some) for way, some in fits.items()}
    mirrored = _orientation(best)
    chosen = fits[mirrored]
    fit = max(chosen, key=lambda one: one.total)
    reference, attempt = fit.reference.subject, fit.attempt.subject
    return PerformanceReport(
        attempt=attempt,
        reference=reference,
        mirrored=mirrored,
        total=fit.total,
        other_way=best.get(not mirrored),
        score=fit.by_frame(),
        path=fit.path,
        moments=worst_moments(fit, model),
        totals=tuple((one.reference.subject.name, one.total) for one in chosen),
        percentile=group.percentile(ways),
        group=len(group.members),
        warnings=(*warnings, *about_views(fit)),
        repetitions=(),
        model=model.label,
    )


def _repeated(
    known: Sequence[EmbeddedClip],
    clip: EmbeddedClip,
    spans: Sequence[tuple[int, int]],
    model: TrainedModel,
    group: "_Group",
    warnings: Sequence[str],
) -> PerformanceReport:
    reports = [_one(known, {clip.mirrored: clip.cut(*span)}, model, group, ()) for span in spans]
    score = np.full(len(clip.subject.xy), np.nan)
    for (begin, end), report in zip(spans, reports, strict=True):
        score[begin : end + 1] = report.score
    totals = tuple(
        (one.subject.name, fmean(report.totals[number][1] for report in reports)) for number, one in enumerate(known)
    )
    total = fmean(report.total for report in reports)
    ranks = [report.percentile for report in reports if report.percentile is not None]
    about_reports = dict.fromkeys(line for report in reports for line in report.warnings)
    return PerformanceReport(
        attempt=clip.subject,
        reference=known[max(range(len(known)), key=lambda number: totals[number][1])].subject,
        mirrored=clip.mirrored,
        total=total,
        other_way=None,
        score=score,
        path=np.empty((0, 2), np.int64),
        moments=tuple(sorted((one for report in reports for one in report.moments), key=lambda one: one.score)),
        totals=totals,
        percentile=fmean(ranks) if ranks else None,
        group=len(group.members),
        warnings=(*warnings, *about_reports),
        repetitions=tuple(reports),
        model=model.label,
    )


@dataclass(frozen=True)
class _Group:
    """Whom a percentile refers to; `totals` of every member against the best of the others, none if they are few."""

    members: Sequence[EmbeddedClip]
    totals: Sequence[float]

    @classmethod
    def of(cls, members: Sequence[EmbeddedClip], model: TrainedModel, orientations: Sequence[bool]) -> "_Group":
        """The members are one another's equals: flipped only where the attempt may be, or may not."""
        ways_among = orientations if len(orientations) > 1 else (False,)
        totals = []
        for number, one in enumerate(members if len(members) >= LEAST_GROUP else ()):
            ways = {way: EmbeddedClip.of(one.subject, model, mirrored=way) for way in ways_among}
            totals.append(_best(ways, [*members[:number], *members[number + 1 :]]))
        return cls(members, totals)

    def percentile(self, ways: Mapping[bool, EmbeddedClip]) -> float | None:
        """Of an attempt's best total."""
        return percentile(_best(ways, self.members), self.totals) if self.totals else None


def _best(ways: Mapping[bool, EmbeddedClip], references: Sequence[EmbeddedClip]) -> float:
    """Total of a clip against the reference that it fits best, in the orientation that counts."""
    best = {way: max(Fit.of(one, clip).total for one in references) for way, clip in ways.items()}
    return best[_orientation(best)]


def _orientation(best: Mapping[bool, float]) -> bool:
    """Whether to flip, from the total of either orientation; one alone is taken."""
    if len(best) == 1:
        return next(iter(best))
    return best[True] >= best[False] + MIRROR_GAIN


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


OFTEN: Final = 0.5
"""A joint that is missing in more of the frames than this is named, and so are cameras that differ in more of them."""


def about_frames(subject: Subject, model: TrainedModel) -> list[str]:
    """Frames that are left out, and joints that are mostly missing."""
    lines, of = [], counted(len(subject.xy), "frame")
    there = usable(subject, model)
    present = model.present(subject.xy, subject.confidence)
    nobody, few = int((~present.any(-1)).sum()), int((present.any(-1) & ~there).sum())
    if nobody:
        ends = np.flatnonzero(np.diff(np.concatenate([[1], present.any(-1), [1]])))
        lines.append(
            f"{subject.name}: {nobody} of {of} without a pose left out, at most "
            f"{int(np.diff(ends)[::2].max())} in a row"
        )
    if few:
        lines.append(f"{subject.name}: {few} of {of} with fewer than {LEAST_JOINTS} joints left out")
    if there.any():
        share = 1 - present[there].mean(0)
        names = [f"{JOINTS[joint].replace('_', ' ')} ({share[joint]:.0%})" for joint in np.flatnonzero(share > OFTEN)]
        if names:
            lines.append(
                f"{subject.name}: missing in most frames, and filled in from their neighbours: {', '.join(names)}"
            )
    return lines


def about_views(fit: Fit) -> list[str]:
    """Whether the cameras see the two bodies from clearly different sides in most of the matched poses."""
    attempt = torch.from_numpy(fit.attempt.subject.xy[fit.path[:, 1]])
    if fit.attempt.mirrored:
        attempt, _ = flip(attempt, None)
    seen = views(torch.from_numpy(fit.reference.subject.xy[fit.path[:, 0]])), views(attempt)
    share = float(clearly_differ(*seen).double().mean())
    if share <= OFTEN:
        return []
    reference, own = (Counter(map(one.name, range(len(one.turn)))).most_common(1)[0][0] for one in seen)
    return [
        f"the cameras see the body from clearly different sides in {share:.0%} of the matched poses (mostly "
        f"{fit.reference.subject.name} from {reference}, {fit.attempt.subject.name} from {own}): angles in a picture "
        "are projections, so trust the score less"
    ]
