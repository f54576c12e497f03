"""From photographs and videos to poses; reading, detection and cropping run ahead in threads of their own."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from errors import InputError
from extraction.people.clip_poses import ClipPoses, FailedClip, fill_gaps
from extraction.people.performers import Selection, Track, choose_performers
from extraction.people.tracking import Tracker, frame_rate
from extraction.reading.background import ahead
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from extraction.types import Crop, Detector, Estimator, Floats, Frame, Image, Keypoints, People, Prepares
from poses.skeleton import JOINTS, convert

CHUNK = 8
"""Frames of a clip that are read and searched for people at once."""


FINISHING = 4
"""Clips that may wait for their picture at once."""


class Sketch(Protocol):
    """Draws a picture of a clip while its frames pass by; `drawing.contact_sheet.StripBuilder` does."""

    def add(self, image: Image, index: int) -> None:
        """Frame `index` of the clip."""
        ...

    def finish(self, tracks: Sequence[Track], selection: Selection) -> Image:
        """The picture, once it is known who performs."""
        ...


@dataclass
class _Person:
    """Somebody in one frame: where, and the best pose that a look has given so far."""

    index: int
    number: int
    image: Image | None  # until the last look is done
    box: Floats
    xy: Floats
    confidence: Floats
    sureness: float = -1.0
    moved: float = np.inf
    turns: int = 0
    open_looks: int = 1


@dataclass
class _Clip:
    media: ClipMedia
    sketch: Sketch | None
    tracker: Tracker | None = None  # of a photograph, or before the first frame
    size: tuple[int, int] = (0, 0)
    frame: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    people: list[_Person] = field(default_factory=list)
    settled: int = 0
    looks: int = 0
    ended: bool = False
    failure: str | None = None


@dataclass
class _Look:
    """One crop of one person on its way through the network."""

    clip: _Clip
    person: _Person
    crop: Crop
    turns: int
    aimed: bool  # cut by what a network said of the body, not by a mere box
    before: Floats | None = None  # [15, 2], what the look said that this one repeats


class Pipeline:
    """Finds the performers of clips and their poses.

    Crops of many frames, people and clips share the batches of the network. The people of a video are tracked; those
    whom the action is about are kept (see `extraction.people.performers`). In photographs everybody is.

    Args:
        detector: finds the people of a frame.
        estimator: finds a person's keypoints.
        turn_below: people whose mean confidence over the 15 joints is lower are also looked at turned by 90, 180 and
            270 degrees: for bodies upside down. Kept is the answer that moved least when the estimator looked at it
            again; of estimators that look once only, the surest. 0 never turns.
        interpolate: longest gap, in frames, that is filled in for a joint between two seen poses; 0 leaves all missing.
        most_people: how many people of a frame, the largest, are looked at.

    Raises:
        InputError: an option out of range.
    """

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        turn_below: float = 0.0,
        interpolate: int = 0,
        most_people: int = 6,
    ) -> None:
        if not 0 <= turn_below <= 1 or interpolate < 0 or most_people < 1:
            raise InputError(
                "pose: turn_below is a confidence from 0 to 1, interpolate a number of frames from 0, most_people at "
                f"least 1; got {turn_below}, {interpolate} and {most_people}"
            )
        self.detector = detector
        self.estimator = estimator
        self.turn_below = turn_below
        self.interpolate = interpolate
        self.most_people = most_people
        self._prepared = False

    def run(
        self,
        media: Iterable[ClipMedia],
        *,
        sketch: Callable[[ClipMedia], Sketch] | None = None,
        choose: Callable[[Estimator, Image], object] = lambda estimator, pixels: prepare(estimator, pixels, None),
        looked: Callable[[int], None] = lambda people: None,
    ) -> Generator[ClipPoses | FailedClip, None, None]:
        """Poses of clips, each as soon as it is done; a clip that fails does not stop the others.

        Args:
            media: the clips; asked for one by one, shortly before each is read.
            sketch: makes what draws a clip's picture; None for no pictures.
            choose: is given the first crops [B, h, w, 3] to prepare the estimator with.
            looked: is told after every batch how many crops it held.
        """
        finishing: deque[Future[ClipPoses | FailedClip]] = deque()
        with ThreadPoolExecutor(1) as pool, closing(self._settled(media, sketch, choose, looked)) as settled:
            for clip in settled:  # pictures are drawn while the network runs on
                if clip is not None:
                    finishing.append(pool.submit(self._finish, clip))
                while finishing and (finishing[0].done() or len(finishing) > FINISHING):
                    yield finishing.popleft().result()
            while finishing:
                yield finishing.popleft().result()

    def _settled(
        self,
        media: Iterable[ClipMedia],
        sketch: Callable[[ClipMedia], Sketch] | None,
        choose: Callable[[Estimator, Image], object],
        looked: Callable[[int], None],
    ) -> Generator[_Clip | None, None, None]:
        """Clips all of whose people are settled, and None after every batch."""
        size = self.estimator.batch
        source = ahead(self._looks(ahead(_chunks(media, sketch), 2)), 2 * size)
        waiting: deque[_Look] = deque()
        more = True
        while more or waiting:
            while more and len(waiting) < size:
                item = next(source, None)
                if item is None:
                    more = False
                elif isinstance(item, _Look):
                    waiting.append(item)
                else:
                    item.ended = True
                    if item.settled == len(item.people):
                        yield item
            if not waiting:
                break
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            found = self._look(batch, choose)
            looked(len(batch))
            for i, look in enumerate(batch):
                waiting.extendleft(self._settle(look, found, i))
                if look.clip.ended and look.person.open_looks == 0 and look.clip.settled == len(look.clip.people):
                    yield look.clip
            yield None

    def place(self, device: str) -> None:
        """Run on a device: "cpu", "cuda:0", ...."""
        self.detector.place(device)
        self.estimator.place(device)

    # In the background: who is there, and where -------------------------------------------------------------------

    def _looks(self, chunks: Iterable[tuple[_Clip, list[Frame]]]) -> Iterator[_Look | _Clip]:
        """The first look at everybody; a clip itself once all its frames are through."""
        for clip, frames in chunks:
            if not frames:
                yield clip
                continue
            if clip.failure is not None:
                continue
            if not clip.frame and not _is_photograph(clip.media):
                clip.tracker = Tracker(frame_rate([frame.time for frame in frames]))
            try:
                found = self.detector.detect(clip.media.clip_id, frames)
            except InputError as error:
                clip.failure = str(error)
                continue
            for frame, people in zip(frames, found, strict=True):
                yield from self._first_looks(clip, frame, self._largest(people))

    def _first_looks(self, clip: _Clip, frame: Frame, people: People) -> Iterator[_Look]:
        index = len(clip.frame)
        clip.frame.append(frame.number)
        clip.time.append(frame.time)
        clip.size = (frame.image.shape[1], frame.image.shape[0])
        if clip.sketch is not None:
            clip.sketch.add(frame.image, index)
        numbers = np.arange(len(people.boxes)) if clip.tracker is None else clip.tracker.update(people)
        for i, number in enumerate(numbers.tolist()):
            if number < 0:
                continue
            person = _Person(
                index,
                number,
                frame.image,
                people.boxes[i],
                np.full((len(JOINTS), 2), np.nan, np.float32),
                np.full(len(JOINTS), np.nan, np.float32),
            )
            clip.people.append(person)
            roi = None if people.roi is None else people.roi[i]
            crop = self.estimator.crop(frame.image, person.box, roi)
            yield _Look(clip, person, crop, 0, roi is not None)

    def _largest(self, people: People) -> People:
        size = (people.boxes[:, 2:] - people.boxes[:, :2]).prod(axis=1)
        kept = np.sort(np.argsort(-size, kind="stable")[: self.most_people])
        return People(people.boxes[kept], people.score[kept], None if people.roi is None else people.roi[kept])

    # In the foreground: the network, and what becomes of its answers ----------------------------------------------

    def _look(self, batch: list[_Look], choose: Callable[[Estimator, Image], object]) -> Keypoints:
        pixels = np.stack([look.crop.pixels for look in batch])
        if not self._prepared:
            self._prepared = True
            choose(self.estimator, pixels)
        return self.estimator.decode(self.estimator.network(pixels), [look.crop for look in batch])

    def _settle(self, look: _Look, found: Keypoints, i: int) -> list[_Look]:
        """Keep the answer if it is the best so far; the looks that should follow."""
        clip, person = look.clip, look.person
        clip.looks += 1
        assert person.image is not None
        xy, confidence = convert(found.xy[i], found.confidence[i], self.estimator.layout)
        assert confidence is not None
        sureness = float(confidence.mean())
        enough = look.before is not None or (look.aimed and sureness >= self.turn_below)
        if found.roi is not None and not enough and np.isfinite(found.roi[i]).all():
            crop = self.estimator.crop(person.image, person.box, found.roi[i])
            return [_Look(clip, person, crop, look.turns, True, xy)]
        upright = person.sureness < 0
        moved = np.inf if look.before is None else _distance(xy, look.before)
        # networks are as sure of bodies that they see the wrong way round, but say something else at every look
        if (moved, -sureness) < (person.moved, -person.sureness):
            person.xy, person.confidence, person.turns = xy, confidence, look.turns
            person.moved, person.sureness = moved, sureness
        more = []
        if upright and sureness < self.turn_below:
            for turns in (1, 2, 3):
                crop = self.estimator.crop(person.image, person.box, None, turns)
                more.append(_Look(clip, person, crop, turns, False))
        person.open_looks += len(more) - 1
        if person.open_looks == 0:
            person.image = None
            clip.settled += 1
        return more

    def _finish(self, clip: _Clip) -> ClipPoses | FailedClip:
        if clip.failure is not None:
            return FailedClip(clip.media, clip.failure)
        # where the estimator saw nobody, the detector was wrong
        tracks = _tracks([person for person in clip.people if np.isfinite(person.xy).any()])
        selection = choose_performers(tracks, len(clip.frame), clip.size, clip.media.performers)
        if _is_photograph(clip.media):  # from left to right
            by_place = sorted(selection.performers, key=lambda parts: float(tracks[parts[0]].boxes[0, [0, 2]].sum()))
            selection = Selection(by_place, selection.reasons)
        performers = selection.performers
        if not performers:
            count = len(clip.frame)
            where = "it" if count == 1 else f"any of its {count} frames"
            return FailedClip(
                clip.media,
                f"no person found in {where}; look at the pictures, or give boxes (--config given_boxes.yaml)",
            )
        shape = (len(performers), len(clip.frame))
        boxes = np.full((*shape, 4), np.nan, np.float32)
        xy = np.full((*shape, len(JOINTS), 2), np.nan, np.float32)
        confidence = np.full((*shape, len(JOINTS)), np.nan, np.float32)
        interpolated = np.zeros(shape, np.bool_)
        for p, parts in enumerate(performers):
            for track in (tracks[part] for part in parts):
                boxes[p, track.frame] = track.boxes
                xy[p, track.frame], confidence[p, track.frame] = track.xy, track.confidence
            if self.interpolate:
                xy[p], confidence[p], interpolated[p] = fill_gaps(xy[p], confidence[p], self.interpolate)
        kept = {part for parts in performers for part in parts}
        return ClipPoses(
            media=clip.media,
            size=clip.size,
            frame=np.array(clip.frame, np.int32),
            time=np.array(clip.time, np.float64),
            xy=xy,
            confidence=confidence,
            boxes=boxes,
            interpolated=interpolated,
            dropped=len(tracks) - len(kept),
            looks=clip.looks,
            turned=sum(person.turns > 0 for person in clip.people),
            strip=None if clip.sketch is None else clip.sketch.finish(tracks, selection),
        )


def _chunks(
    media: Iterable[ClipMedia], sketch: Callable[[ClipMedia], Sketch] | None
) -> Iterator[tuple[_Clip, list[Frame]]]:
    """Frames of clips, a chunk at a time; no frames once a clip is through or cannot be read on."""
    for one in media:
        clip = _Clip(one, None if sketch is None else sketch(one))
        frames: list[Frame] = []
        try:
            for frame in read_frames(one):
                frames.append(frame)
                if len(frames) == CHUNK:
                    yield clip, frames
                    frames = []
            if frames:
                yield clip, frames
        except InputError as error:
            clip.failure = str(error)
        yield clip, []


def _distance(xy: Floats, other: Floats) -> float:
    """Mean distance in pixels of the joints that both have; infinite if there are none."""
    distances = np.linalg.norm(xy - other, axis=1)
    both = np.isfinite(distances)
    return float(distances[both].mean()) if both.any() else np.inf


def _is_photograph(media: ClipMedia) -> bool:
    return media.frames is not None and len(media.frames) == 1


def _tracks(people: Sequence[_Person]) -> list[Track]:
    """The tracks that the people of a clip's frames make up, numbered as the tracker did."""
    rows: dict[int, list[_Person]] = {}
    for person in people:
        rows.setdefault(person.number, []).append(person)

    def stack(values: Iterable[npt.NDArray[np.float32]]) -> Floats:
        return np.stack(list(values)).astype(np.float32)

    return [
        Track(
            number,
            np.array([person.index for person in track], np.int64),
            stack(person.box for person in track),
            stack(person.xy for person in track),
            stack(person.confidence for person in track),
        )
        for number, track in sorted(rows.items())
    ]


def prepare(chooser: Prepares, pixels: Image, decided: str | None) -> str | None:
    """Let it choose on the first crops or windows of a run and print what and why; gives what it chose."""
    decision = chooser.prepare(pixels, decided)
    if decision is None:
        return None
    print(decision.line, flush=True)
    return decision.choice


def extract_clip(media: ClipMedia, pipeline: Pipeline) -> ClipPoses:
    """The poses of one photograph or video.

    Raises:
        InputError: it cannot be read, or nobody is in it.
    """
    (found,) = pipeline.run([media])
    if isinstance(found, FailedClip):
        raise InputError(found.reason)
    return found
