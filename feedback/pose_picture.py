"""A report on two poses: side by side, bones coloured by how much they differ, and in lines for the screen."""

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from drawing.overlay import Image, draw_skeleton, draw_text, ink_on, text_width
from drawing.pictures import save_figure, shorten_middle
from drawing.stick_figures import INK
from errors import InputError
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from feedback.single_poses import PoseReport
from feedback.subjects import Report, Subject
from poses.skeleton import flip

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]

MOST_DEGREES: Final = 60.0
"""Bones that differ by so much or more have the last colour."""
UNKNOWN: Final = "#9A9A9A"
"""Colour of bones whose difference cannot be told."""

WIDTH: Final = 1400
"""Pixels of the picture."""
SIDE: Final = 660
"""Pixels of the square that a person is shown in."""
MARGIN: Final = 0.16
"""Left free on each side of a person, as a share of the person's longer side."""

_DPI: Final = 100
_LEFT: Final = 30
_GAP: Final = WIDTH - 2 * (SIDE + _LEFT)
_GREY: Final = "#5F5F5F"
_WARNING: Final = "#B33A00"
_OUTSIDE: Final = (238, 238, 238)
# of matplotlib's inferno, reversed, without its ends: lightness falls all the way, so it is ordered for every eye
_SCALE: Final = matplotlib.colormaps["inferno_r"]
_SCALE_PART: Final = (0.12, 0.80)


@dataclass(frozen=True)
class Person:
    """One of the two people.

    Attributes:
        image: uint8 [H, W, 3], RGB; None draws a stick figure on white.
        xy: [15, 2] pixels, NaN where missing; at least one joint is there.
        caption: above the picture.
    """

    image: Image | None
    xy: Floats
    caption: str


@dataclass(frozen=True)
class Mark:
    """One of the worst angles: its joint gets a number, the list below the pictures says what it is."""

    joint: int
    words: str


def bone_colours(degrees: Floats) -> list[str]:
    """Colours [14] of bones whose directions differ by so many degrees, `UNKNOWN` where that is NaN."""
    low, high = _SCALE_PART
    shares = np.clip(np.asarray(degrees, np.float64) / MOST_DEGREES, 0, 1)
    return [UNKNOWN if np.isnan(one) else to_hex(_SCALE(low + (high - low) * one)) for one in shares]


def cut_out(person: Person, side: int) -> tuple[Image, npt.NDArray[np.float64]]:
    """A square around the person, `side` x `side` pixels, and the joints [15, 2] in it; grey outside the image."""
    xy = np.asarray(person.xy, np.float64)
    seen = xy[np.isfinite(xy).all(axis=1)]
    low, high = seen.min(axis=0), seen.max(axis=0)
    length = max(float((high - low).max()), 1.0) * (1 + 2 * MARGIN)
    if person.image is not None:  # joints may be said to lie anywhere: a picture of them may not grow with that
        length = min(length, 3.0 * max(person.image.shape[:2]))
    count = max(1, round(length))
    corner = np.round((low + high) / 2 - count / 2)
    window = np.full((count, count, 3), _OUTSIDE, np.uint8) if person.image is not None else None
    if window is not None and person.image is not None:
        height, width = person.image.shape[:2]
        left, top = np.clip(corner, 0, (width, height)).astype(int)
        right, bottom = np.clip(corner + count, 0, (width, height)).astype(int)
        x, y = np.clip(-corner, 0, count).astype(int)
        window[y : y + bottom - top, x : x + right - left] = person.image[top:bottom, left:right]
        smooth = cv2.INTER_AREA if count > side else cv2.INTER_CUBIC
        window = np.asarray(cv2.resize(window, (side, side), interpolation=smooth), np.uint8)
    scale = side / count
    # (0, 0) is the middle of the first pixel, before and after
    inside = (xy - corner + 0.5) * scale - 0.5
    return (np.full((side, side, 3), 255, np.uint8) if window is None else window), inside


def person_picture(person: Person, bones: Floats, marks: Sequence[Mark], side: int = SIDE) -> Image:
    """The person cut out, with the skeleton, and a number at every marked joint; numbers do not cover each other."""
    cut, xy = cut_out(person, side)
    picture = draw_skeleton(cut, xy, bone_colours=bone_colours(bones), thickness=max(4, side // 80))
    size = max(15, side // 28)
    taken: list[npt.NDArray[np.float64]] = []
    joints = xy[np.isfinite(xy).all(axis=1)]
    middle = joints.mean(axis=0)
    for number, mark in enumerate(marks, 1):
        if not np.isfinite(xy[mark.joint]).all():
            continue
        away = xy[mark.joint] - middle
        away = away / max(float(np.hypot(*away)), 1e-9) if np.hypot(*away) > 1 else np.array([1.0, 0.0])
        turns = [(1, 0), (0.7, 0.7), (0.7, -0.7), (0, 1), (0, -1), (-1, 0)]
        places = [
            xy[mark.joint] + 1.5 * size * np.array([c * away[0] - s * away[1], s * away[0] + c * away[1]])
            for c, s in turns
        ]
        # the first place from which joints and other numbers are far enough, or else the best one
        room = [
            min(
                float(np.hypot(*(joints - place).T).min()) / 1.2,
                float(np.hypot(*(np.array(taken).reshape(-1, 2) - place).T).min(initial=np.inf)) / 1.9,
            )
            for place in places
        ]
        best = next((i for i, far in enumerate(room) if far > size), int(np.argmax(room)))
        place = np.clip(places[best], size, side - size)
        taken.append(place)
        picture = _number(picture, place, str(number), size)
    return picture


def comparison_figure(
    title: str,
    lines: Sequence[str],
    reference: Person,
    attempt: Person,
    bones: Floats,
    marks: Sequence[Mark],
    warned: Sequence[str],
) -> Figure:
    """The page, `WIDTH` pixels wide, as high as its words need.

    Args:
        title: the result, one short line.
        lines: below the title: who is compared, which model.
        reference: on the left.
        attempt: on the right.
        bones: [14] degrees by which the directions of bones differ.
        marks: the worst angles, the worst first.
        warned: what makes the comparison doubtful.
    """
    said = [line for one in warned for line in textwrap.wrap(one, 145)]
    lines = [line for one in lines for line in textwrap.wrap(one, 135)]
    head = 66 + 24 * len(lines)
    below = 58 + 30 * max(3, len(marks)) + (12 + 24 * len(said) if said else 0)
    height = head + 34 + SIDE + below
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")

    def write(x: float, y: float, text: str, size: float, colour: str = INK, **style: Any) -> None:
        style = {"ha": "left", "va": "top", "parse_math": False, **style}
        figure.text(x / WIDTH, 1 - y / height, text, fontsize=size * 72 / _DPI, color=colour, **style)

    write(_LEFT, 16, title, 32, fontweight="bold")
    for number, line in enumerate(lines):
        write(_LEFT, 62 + 24 * number, line, 17, _GREY)
    for number, person in enumerate((reference, attempt)):
        left = _LEFT + number * (SIDE + _GAP)
        write(left, head + 8, person.caption, 18, fontweight="bold")
        box = (left / WIDTH, 1 - (head + 34 + SIDE) / height, SIDE / WIDTH, SIDE / height)
        axes = figure.add_axes(box, frameon=True)
        axes.imshow(person_picture(person, bones, marks))
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#CCCCCC")
    top = head + 34 + SIDE
    write(
        _LEFT, top + 16, "What costs the most score" if marks else "No single angle stands out", 18, fontweight="bold"
    )
    for number, mark in enumerate(marks):
        write(_LEFT, top + 50 + 30 * number, f"{number + 1}", 18, fontweight="bold")
        write(_LEFT + 26, top + 50 + 30 * number, mark.words, 18)
    _legend(figure, top, height)
    for number, line in enumerate(said):
        write(_LEFT, height - 24 * (len(said) - number) - 10, line, 16, _WARNING)
    return figure


def _legend(figure: Figure, top: float, height: float) -> None:
    left, width, bar = WIDTH - _LEFT - 450, 400, 18
    axes = figure.add_axes((left / WIDTH, 1 - (top + 48 + bar) / height, width / WIDTH, bar / height))
    low, high = _SCALE_PART
    colours = _SCALE(np.linspace(low, high, 256))[None]
    axes.imshow(colours, aspect="auto", extent=(0, MOST_DEGREES, 0, 1), interpolation="nearest")
    axes.set_yticks([])
    ticks = [0, 15, 30, 45, 60]
    axes.set_xticks(ticks, [f"{one}°" for one in ticks[:-1]] + ["60° and more"], fontsize=11, color=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title = "Direction of a bone differs by"
    words = ((16, title, 18, INK, "bold"), (98, "grey: cannot be told", 15, _GREY, "normal"))
    for y, text, size, colour, weight in words:
        style: dict[str, Any] = {"va": "top", "fontsize": size * 72 / _DPI, "color": colour, "fontweight": weight}
        figure.text(left / WIDTH, 1 - (top + y) / height, text, **style)


def _number(picture: Image, place: npt.NDArray[np.float64], text: str, size: int) -> Image:
    """A number on a dark disc with a white rim."""
    centre = (round(float(place[0])), round(float(place[1])))
    radius = round(0.85 * size)
    drawn = picture.copy()
    cv2.circle(drawn, centre, radius + 2, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(drawn, centre, radius, (34, 34, 34), -1, cv2.LINE_AA)
    corner = (centre[0] - text_width(text, size) // 2, centre[1] - round(1.25 * size) // 2)
    return draw_text(drawn, corner, text, size, ink_on("#222222"))


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
