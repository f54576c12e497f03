"""A report on a performance as a picture; the frames are taken out of the clips' media."""

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from comparison.moments import MOMENTS, Moment
from comparison.performances import PerformanceReport
from comparison.pose_picture import facts
from comparison.subjects import Subject
from comparison.words import shortened
from datamodules.media import ClipMedia
from datamodules.skeleton import flip
from drawing.comparison import Person
from drawing.overlay import Image
from drawing.performance import Stretch, WorstMoment, performance_figure
from errors import InputError
from keypoints.frames import read_frames

Images = Mapping[tuple[ClipMedia, int], Image]


def performance_picture(report: PerformanceReport) -> Figure:
    """The report on one page; each clip is decoded once, up to the last frame that is shown.

    Raises:
        InputError: media that can no longer be read.
    """
    moments = report.moments[:MOMENTS]
    images = _images(moments)
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
        axis=f"{'seconds' if timed else 'frames'} into {shortened(attempt.name, 60)}",
        moments=[_shown(moment, timed, images) for moment in moments],
        repetitions=[_stretch(one, timed) for one in report.repetitions],
    )


def _title(report: PerformanceReport) -> str:
    names = f"{shortened(report.attempt.name)} against {shortened(report.reference.name)}"
    if report.repetitions:
        count = len(report.repetitions)
        return f"{names}: {count} attempt{'s' * (count != 1)}, {report.total:.1f} on average"
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
    image, xy = None if clip.media is None else images[clip.media, number], clip.xy[row]
    if flipped:
        caption += ", mirrored"
        xy, _ = flip(xy, None, None if image is None else image.shape[1])
        image = None if image is None else image[:, ::-1].copy()
    return Person(image, xy, caption)


def _images(moments: tuple[Moment, ...]) -> dict[tuple[ClipMedia, int], Image]:
    wanted: dict[ClipMedia, set[int]] = defaultdict(set)
    for moment in moments:
        for clip, row in ((moment.attempt, moment.attempt_row), (moment.reference, moment.reference_row)):
            if clip.media is not None:
                wanted[clip.media].add(int(clip.frame[row]))
    images: dict[tuple[ClipMedia, int], Image] = {}
    for media, numbers in wanted.items():
        for frame in read_frames(media):
            if frame.number in numbers:
                images[media, frame.number] = frame.image.copy()
            if frame.number >= max(numbers):
                break
        if lost := sorted(number for number in numbers if (media, number) not in images):
            raise InputError(
                f"{media.files[0]}: has no frame {lost[0]}, as the keypoints say; extract its keypoints again"
            )
    return images
