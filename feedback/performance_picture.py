"""A report on a performance as a picture: the score through time, and the worst moments beside the reference."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from drawing.pictures import shorten_middle
from drawing.stick_figures import INK
from errors import counted
from feedback.moments import MOMENTS, Moment
from feedback.performances import PerformanceReport
from feedback.pose_picture import (
    MOST_DEGREES,
    UNKNOWN,
    WIDTH,
    Images,
    Person,
    bone_colours,
    facts,
    person_picture,
    shown_frames,
    shown_person,
)
from feedback.subjects import Subject

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]

SIDE: Final = 320
"""Pixels of one person's picture before matplotlib fits it in."""

_DPI: Final = 100
_LINE: Final = "#0072B2"
_MISSING: Final = "#E3E3E3"
_SPAN: Final = "#DCEBF7"
_WARNING: Final = "#B33A00"


@dataclass(frozen=True)
class WorstMoment:
    """One moment, as it is shown.

    Attributes:
        at: where it is on the axis of time.
        label: that in words.
        score: in (0, 100].
        words: what is different.
        bones: [14] degrees by which the directions of bones differ, NaN where unknown.
    """

    at: float
    label: str
    score: float
    words: tuple[str, ...]
    bones: Floats
    reference: Person
    attempt: Person


@dataclass(frozen=True)
class Stretch:
    """A repetition on the axis of time."""

    begin: float
    end: float
    total: float


def performance_figure(
    title: str,
    notes: Sequence[str],
    warned: Sequence[str],
    time: Floats,
    score: Floats,
    missing: npt.NDArray[np.bool_],
    axis: str,
    moments: Sequence[WorstMoment],
    repetitions: Sequence[Stretch] = (),
) -> Figure:
    """A page 1,400 pixels wide: the score of every moment, and below it the worst moments.

    Args:
        title: with the total.
        notes: lines below it.
        warned: warnings, below the notes.
        time: [F], increasing.
        score: [F], NaN where there is none.
        missing: [F], where there is no pose; shaded.
        axis: what `time` is.
        moments: the worst first; numbered from 1.
        repetitions: shown as spans with their totals.
    """
    lines = [line for note in notes for line in textwrap.wrap(note, 150)]
    alarms = [line for note in warned for line in textwrap.wrap(f"! {note}", 150)]
    spoken = max((len(_lines(one)) for one in moments), default=0)
    heights = (0.5 + 0.21 * len(lines + alarms), 2.9, 3.7 + 0.21 * spoken if moments else 0.6)
    layout = ConstrainedLayoutEngine(w_pad=0.1)
    figure = Figure(figsize=(WIDTH / _DPI, sum(heights)), dpi=_DPI, facecolor="white", layout=layout)
    panels: Any = figure.subfigures(3, 1, height_ratios=heights)
    head, curve, below = panels
    _draw_head(head, title, lines, alarms, heights[0])
    _draw_curve(curve.subplots(), time, score, missing, axis, moments, repetitions)
    if moments:
        _draw_moments(below, moments, spoken)
    else:
        below.text(0.5, 0.5, "No moment differs enough to be shown.", ha="center", va="center", fontsize=11, color=INK)
    return figure


def _draw_head(figure: SubFigure, title: str, lines: Sequence[str], alarms: Sequence[str], height: float) -> None:
    style: dict[str, Any] = {"ha": "left", "va": "top", "parse_math": False}
    figure.text(0.012, 1 - 0.1 / height, title, fontsize=15, fontweight="bold", color=INK, **style)
    for number, line in enumerate([*lines, *alarms]):
        colour = INK if number < len(lines) else _WARNING
        figure.text(0.012, 1 - (0.46 + 0.21 * number) / height, line, fontsize=10, color=colour, **style)


def _draw_curve(
    axes: Axes,
    time: Floats,
    score: Floats,
    missing: npt.NDArray[np.bool_],
    axis: str,
    moments: Sequence[WorstMoment],
    repetitions: Sequence[Stretch],
) -> None:
    half = float(np.median(np.diff(time))) / 2 if len(time) > 1 else 0.5
    for begin, end in _runs(missing):
        axes.axvspan(time[begin] - half, time[end] + half, facecolor=_MISSING, edgecolor="#BBBBBB", hatch="///", lw=0)
    for number, stretch in enumerate(repetitions, start=1):
        axes.axvspan(stretch.begin - half, stretch.end + half, facecolor=_SPAN, zorder=0)
        middle = (stretch.begin + stretch.end) / 2
        text = f"attempt {number}\n{stretch.total:.1f}" if len(repetitions) <= 12 else f"{number}\n{stretch.total:.0f}"
        axes.text(middle, 104, text, ha="center", va="bottom", fontsize=9.5, color=INK)
        axes.plot([stretch.begin, stretch.end], [stretch.total] * 2, color=_LINE, lw=1, ls=":", zorder=1)
    axes.plot(time, score, color=_LINE, lw=1.8, marker="o" if len(time) < 3 else None, markersize=4, zorder=2)
    for number, moment in enumerate(moments, start=1):
        axes.plot(moment.at, moment.score, "o", color=_WARNING, markersize=15, markeredgecolor="white", zorder=4)
        style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 9.5, "fontweight": "bold"}
        axes.text(moment.at, moment.score, str(number), color="white", zorder=5, **style)
    axes.set(ylim=(-4, 104), xlim=(time[0] - half, time[-1] + half), yticks=range(0, 101, 25))
    axes.grid(axis="y", color="#E8E8E8", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9.5, colors=INK)
    axes.set_xlabel(axis, fontsize=10, color=INK)
    axes.set_ylabel("score of the moment", fontsize=10, color=INK)
    if missing.any():
        shade = Patch(facecolor=_MISSING, edgecolor="#BBBBBB", hatch="///", lw=0, label="no pose")
        axes.legend(handles=[shade], loc="upper right", bbox_to_anchor=(1, -0.1), fontsize=9.5, frameon=False)


def _draw_moments(figure: SubFigure, moments: Sequence[WorstMoment], spoken: int) -> None:
    columns = max(3, len(moments))
    heading = "Worst moments: the reference beside the attempt" if len(moments) > 1 else "The worst moment"
    figure.suptitle(heading, fontsize=12, fontweight="bold", color=INK, x=0.012, ha="left")
    panels = np.atleast_1d(np.asarray(figure.subfigures(1, columns), dtype=object))
    for number, (panel, moment) in enumerate(zip(panels, moments, strict=False), start=1):
        panel.suptitle(
            f"{number}   {moment.label}, score {moment.score:.1f}", fontsize=11, color=_WARNING, fontweight="bold"
        )
        for axes, person in zip(panel.subplots(1, 2), (moment.reference, moment.attempt), strict=True):
            axes.imshow(person_picture(person, moment.bones, (), SIDE))
            axes.set_title(textwrap.shorten(person.caption, 34, placeholder="…"), fontsize=9, color=INK)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("#BBBBBB")
        lines = _lines(moment)
        lines += [" "] * (spoken - len(lines))  # pictures of all panels on one height
        panel.supxlabel("\n".join(lines), fontsize=10, color=INK, parse_math=False)
    degrees = np.linspace(0, MOST_DEGREES, 5)
    names = [*(f"{one:.0f}°" for one in degrees[:-1]), f"{degrees[-1]:.0f}° and more"]
    handles = [Patch(color=colour, label=name) for colour, name in zip(bone_colours(degrees), names, strict=True)]
    handles.append(Patch(color=UNKNOWN, label="cannot be told"))
    style: dict[str, Any] = {"fontsize": 9.5, "title_fontsize": 9.5, "frameon": False, "handlelength": 1.2}
    title = "Direction of a bone differs by"
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title=title, **style)


def _lines(moment: WorstMoment) -> list[str]:
    """The words below a moment, wrapped."""
    words = moment.words or ("no single angle stands out",)
    return [line for one in words for line in textwrap.wrap(one, 58)]


def _runs(marks: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(begin), int(end) - 1) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def performance_picture(report: PerformanceReport) -> Figure:
    """The report on one page; each clip is decoded once, up to the last frame that is shown.

    Raises:
        InputError: media that can no longer be read.
    """
    moments = report.moments[:MOMENTS]
    images = shown_frames(
        pair for one in moments for pair in ((one.attempt, one.attempt_row), (one.reference, one.reference_row))
    )
    attempt = report.attempt
    timed = bool(np.isfinite(attempt.time).all())
    time = attempt.time if timed else attempt.frame.astype(np.float64)
    return performance_figure(
        title=_title(report),
        notes=[f"Model: {report.model}", *facts(report)],
        warned=report.warnings,
        time=time,
        score=report.score,
        missing=_missing(report),
        axis=f"{'seconds' if timed else 'frames'} into {shorten_middle(attempt.name, 60)}",
        moments=[_shown(moment, timed, images) for moment in moments],
        repetitions=[_stretch(one, timed) for one in report.repetitions],
    )


def _title(report: PerformanceReport) -> str:
    names = f"{shorten_middle(report.attempt.name)} against {shorten_middle(report.reference.name)}"
    if report.repetitions:
        return f"{names}: {counted(len(report.repetitions), 'attempt')}, {report.total:.1f} on average"
    return f"{names}: score {report.total:.1f}"


def _missing(report: PerformanceReport) -> npt.NDArray[np.bool_]:
    """Frames without a score though they belong to what was scored."""
    missing: npt.NDArray[np.bool_] = np.isnan(report.score)
    if not report.repetitions:
        return missing
    inside = np.zeros_like(missing)
    for one in report.repetitions:
        inside |= (report.attempt.frame >= one.attempt.frame[0]) & (report.attempt.frame <= one.attempt.frame[-1])
    missing &= inside
    return missing


def _stretch(report: PerformanceReport, timed: bool) -> Stretch:
    axis = report.attempt.time if timed else report.attempt.frame
    return Stretch(float(axis[0]), float(axis[-1]), report.total)


def _shown(moment: Moment, timed: bool, images: Images) -> WorstMoment:
    number = int(moment.attempt.frame[moment.attempt_row])
    return WorstMoment(
        at=moment.time if timed else float(number),
        label=f"at {moment.time:.2f} s" if timed else f"frame {number}",
        score=moment.score,
        words=moment.words,
        bones=moment.bones,
        reference=_person("reference", moment.reference, moment.reference_row, images, flipped=moment.mirrored),
        attempt=_person("attempt", moment.attempt, moment.attempt_row, images, flipped=False),
    )


def _person(role: str, clip: Subject, row: int, images: Images, *, flipped: bool) -> Person:
    time, number = float(clip.time[row]), int(clip.frame[row])
    caption = f"{role}, frame {number}" if math.isnan(time) else f"{role}, {time:.2f} s"
    caption += ", mirrored" if flipped else ""
    return shown_person(clip, row, clip.xy[row], images, caption, mirrored=flipped)
