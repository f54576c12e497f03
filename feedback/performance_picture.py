"""A report on a performance as a picture; the frames are taken out of the clips' media."""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from drawing.pictures import shorten_middle
from errors import counted
from feedback.drawn_performance import Stretch, WorstMoment, performance_figure
from feedback.drawn_poses import Person
from feedback.moments import MOMENTS, Moment
from feedback.performances import PerformanceReport
from feedback.pose_picture import Images, facts, shown_frames, shown_person
from feedback.subjects import Subject


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
