"""A report on two poses as a picture, and in lines for the screen."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from drawing.pictures import save_figure, shorten_middle
from errors import InputError
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from extraction.types import Image
from feedback.drawn_poses import Mark, Person, comparison_figure
from feedback.single_poses import PoseReport
from feedback.subjects import Subject
from feedback.verdict import Report
from poses.skeleton import flip

Images = Mapping[tuple[ClipMedia, int], Image]
"""By clip and frame number."""

SMALL_COST: Final = 0.05
"""Points: a limb that costs less is not named."""


def draw_poses(report: PoseReport, path: Path) -> None:
    """Write the picture of a report, whole or not at all.

    Raises:
        InputError: a photograph that can no longer be read, or a picture that cannot be written.
    """
    attempt, reference = (shorten_middle(one.name) for one in (report.attempt, report.reference))
    images = shown_frames([(report.reference, 0), (report.attempt, 0)])
    caption = f"Reference: {reference}{', mirrored' if report.mirrored else ''}"
    who = f"{attempt} against {reference}; distance {report.distance:.3f}"
    figure = comparison_figure(
        title=f"Score {report.score:.1f} of 100",
        lines=[who, f"Model: {report.model}", *facts(report)],
        reference=shown_person(report.reference, 0, report.reference_xy, images, caption, mirrored=report.mirrored),
        attempt=shown_person(report.attempt, 0, report.attempt_xy, images, f"Attempt: {attempt}", mirrored=False),
        bones=report.bones,
        marks=[Mark(one.joint, f"{one.words}  ({one.cost:+.1f} points)") for one in report.findings],
        warned=report.warnings,
    )
    save_figure(figure, path)


def facts(report: Report) -> list[str]:
    """What must be known to read the score: mirroring, several references, a group."""
    lines = []
    if report.mirrored:
        better = "" if report.other_way is None else f" and fits better so ({report.other_way:.1f} as it is)"
        lines.append(f"The attempt is compared mirrored{better}; left and right are the attempt's own")
    if len(report.totals) > 1:
        scores = [score for _, score in report.totals]
        lines.append(
            f"Best of {len(scores)} references, {report.reference.name}; they give {min(scores):.1f} to "
            f"{max(scores):.1f}, median {median(scores):.1f}"
        )
    if report.percentile is not None:
        lines.append(
            f"As high as or higher than {report.percentile:.0f} % of {report.group} references, each scored against "
            "the best of the others"
        )
    return lines


def screen(report: PoseReport) -> list[str]:
    """Lines for the screen, the result first."""
    lines = [
        f"distance {report.distance:.3f}, score {report.score:.1f} of 100",
        f"{report.attempt.name} against {report.reference.name}; model: {report.model}",
        *facts(report),
        *(f"{one.words} ({one.cost:+.1f} points with the reference's angle)" for one in report.findings),
    ]
    if not report.findings:
        lines.append("no single angle stands out")
    limbs = sorted(report.limb_costs.items(), key=lambda item: -item[1])
    if costly := [f"{name} {cost:+.1f}" for name, cost in limbs if cost >= SMALL_COST]:
        lines.append(f"whole limbs: {', '.join(costly)}; all angles together give {report.mended:.1f}")
    return [*lines, *(f"warning: {line}" for line in report.warnings)]


def shown_frames(wanted: Iterable[tuple[Subject, int]]) -> Images:
    """The images of some rows of subjects, as far as their media are known.

    Each clip is decoded once, up to the last frame that is wanted.

    Raises:
        InputError: media that can no longer be read, or that lack a frame.
    """
    numbers: dict[ClipMedia, set[int]] = defaultdict(set)
    for subject, row in wanted:
        if subject.media is not None:
            numbers[subject.media].add(int(subject.frame[row]))
    images: dict[tuple[ClipMedia, int], Image] = {}
    for media, of_clip in numbers.items():
        for frame in read_frames(media):
            if frame.number in of_clip:
                images[media, frame.number] = frame.image.copy()
            if frame.number >= max(of_clip):
                break
        if lost := sorted(number for number in of_clip if (media, number) not in images):
            raise InputError(
                f"{media.files[0]}: has no frame {lost[0]}, as the keypoints say; extract its keypoints again"
            )
    return images


def shown_person(
    subject: Subject, row: int, xy: npt.NDArray[np.float32], images: Images, caption: str, *, mirrored: bool
) -> Person:
    """Somebody with joints `xy` [15, 2], before the frame if its media are known; flipped left to right if asked."""
    image = None if subject.media is None else images[subject.media, int(subject.frame[row])]
    if mirrored:
        xy, _ = flip(xy, None, None if image is None else float(image.shape[1]))
        image = None if image is None else image[:, ::-1].copy()
    return Person(image, xy, caption)
