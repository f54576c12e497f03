"""Who is compared: one person in a photograph, or through a clip; and what reports on them have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from errors import InputError
from extraction.pipeline import Pipeline, extract_clip
from extraction.reading.media import IMAGES, VIDEOS, ClipMedia, is_image, is_video
from extraction.reading.readable import check_file
from poses.cache.keypoint_cache import SUFFIX, read_clip

PARTNERS: Final = 2
"""How many performers are looked for in a video, at least, when one of them is to be chosen."""


@dataclass(frozen=True)
class Subject:
    """One person's poses in F frames; F is 1 for a photograph.

    Attributes:
        name: what the user called it: a file's name.
        xy: [F, 15, 2] float32 pixels, NaN where missing.
        confidence: [F, 15] float32 in [0, 1], NaN where unknown.
        frame: [F] int32, frame numbers in `media`.
        time: [F] float64 seconds, NaN where unknown.
        media: where the pictures are; None if only keypoints were given.
    """

    name: str
    xy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    frame: npt.NDArray[np.int32]
    time: npt.NDArray[np.float64]
    media: ClipMedia | None


@dataclass(frozen=True)
class Source:
    """Where keypoints come from.

    Attributes:
        pipeline: makes the pose pipeline; called only if keypoints must be estimated.
        cache: a keypoint cache with the keypoints of the files, by file name without suffix; None to estimate them.
    """

    pipeline: Callable[[], Pipeline]
    cache: Path | None


def read_subjects(path: Path, source: Source, person: int | None = None) -> list[Subject]:
    """The people of a photograph, a video or a clip of a keypoint cache (`.parquet`), from left to right.

    Args:
        path: the file.
        source: where keypoints come from, unless the file holds them.
        person: number of the person who will be chosen; without it a video gives its one performer.

    Returns:
        At least one.

    Raises:
        InputError: no such file, a folder, no kind of file that is known, one that cannot be read, or nobody in it.
    """
    check_file(path)
    if path.suffix.lower() == SUFFIX:
        return _cached(path.parent, path.stem, path.name, None)
    if not (is_image(path) or is_video(path)):
        raise InputError(
            f"{path}: is neither a photograph ({_some(IMAGES)}) nor a video ({_some(VIDEOS)}) nor a clip of a keypoint "
            f"cache ({SUFFIX}), going by its name; save it as one of them"
        )
    photograph = is_image(path)
    real = path.resolve()  # the user named a link himself
    performers = None if photograph else 1 if person is None else max(person, PARTNERS)
    media = ClipMedia(path.stem, "score", (real,), (0,) if photograph else None, performers, real.parent)
    if source.cache is not None:
        return _cached(source.cache, path.stem, path.name, media)
    pipeline = source.pipeline()
    try:
        poses = extract_clip(media, pipeline)
    except InputError as error:  # the pipeline names the file only where that could not be read
        raise InputError(str(error) if str(real) in str(error) else f"{path}: {error}") from None
    return _ordered(
        [
            Subject(path.name, poses.xy[p], poses.confidence[p], poses.frame, poses.time, media)
            for p in range(len(poses.xy))
        ]
    )


def choose(subjects: Sequence[Subject], person: int | None) -> tuple[Subject, str | None]:
    """One of the people of a file, and a line for the screen if there was a choice.

    Args:
        subjects: as `read_subjects` gives them.
        person: number from the left, from 1; None for the largest.

    Raises:
        InputError: no person of that number.
    """
    name, count = subjects[0].name, len(subjects)
    if person is None:
        largest = int(np.argmax([_size(one) for one in subjects]))
        if count == 1:
            return subjects[0], None
        return subjects[largest], (
            f"{name}: {count} people; taking the largest (person {largest + 1} from the left); --person chooses"
        )
    if not 1 <= person <= count:
        found = "one person was found" if count == 1 else f"{count} people were found"
        raise InputError(
            f"--person {person}: in {name} {found}; give a number from 1 (the leftmost) to {count}, or two such as "
            "--person 1,2 for reference and attempt"
        )
    return subjects[person - 1], f"{name}: person {person} of {count} from the left" if count > 1 else None


def _cached(folder: Path, clip_id: str, name: str, media: ClipMedia | None) -> list[Subject]:
    table = read_clip(folder, clip_id)
    if media is not None and media.frames is not None and bool((np.diff(table.track_start) > 1).any()):
        raise InputError(
            f"{folder}: {clip_id} has several frames, but {name} is a photograph; give the cache made of it"
        )
    subjects = []
    for start, end in zip(table.track_start[:-1], table.track_start[1:], strict=True):
        rows = slice(int(start), int(end))
        subject = Subject(name, table.xy[rows], table.confidence[rows], table.frame[rows], table.time[rows], media)
        if np.isfinite(subject.xy).all(-1).any():
            subjects.append(subject)
    if not subjects:
        raise InputError(f"{folder / clip_id}{SUFFIX}: holds no pose of a person; extract its keypoints again")
    return _ordered(subjects)


def _ordered(subjects: list[Subject]) -> list[Subject]:
    return sorted(subjects, key=lambda one: float(np.nanmedian(one.xy[..., 0])))


def _size(subject: Subject) -> float:
    """Area in pixels of the box around the joints, the median over the frames in which there are any."""
    xy = subject.xy[np.isfinite(subject.xy).all(-1).any(-1)]
    return float(np.median(np.prod(np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1), axis=-1)))


def _some(suffixes: set[str]) -> str:
    common = [one for one in (".jpg", ".png", ".mp4", ".mov", ".avi") if one in suffixes]
    return ", ".join([*common, "..."])


@dataclass(frozen=True)
class Report:
    """An attempt against the reference that it fits best.

    Attributes:
        attempt: who is compared.
        reference: with whom; of several references the best fitting one, the first of equals.
        mirrored: whether the attempt was flipped left to right to be compared.
        other_way: score of the other orientation; None if only one was asked for.
        totals: name and score of every reference, in the order given.
        percentile: see `feedback.performances.percentile`, of the attempt's best score in the group; None with fewer
            than `LEAST_GROUP`.
        group: how many of the group can be compared.
        warnings: sentences for the screen.
        model: label of the model.
    """

    attempt: Subject
    reference: Subject
    mirrored: bool
    other_way: float | None
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
            "mirrored": self.mirrored,
            "score_other_way": self.other_way,
            "references": [{"reference": name, "score": score} for name, score in self.totals],
            "spread": {"lowest": min(scores), "median": median(scores), "highest": max(scores)},
            "percentile": self.percentile,
            "group": self.group,
            "model": self.model,
            "warnings": list(self.warnings),
        }
