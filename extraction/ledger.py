"""Which clips of a cache are done, and who is at work on which: to resume, and for several processes at once."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import cv2
import numpy as np
from filelock import FileLock, Timeout

from errors import InputError
from extraction.people.clip_poses import ClipPoses, FailedClip
from extraction.pipeline import prepare
from extraction.reading.frames import fingerprint
from extraction.reading.media import ClipMedia
from extraction.types import Image, Prepares
from files import remove_unfinished
from poses.cache.clip_files import clip_path, write_file
from poses.cache.keypoint_cache import Provenance, read_provenance, write_clip

DECIDED = "decided"  # among the settings: what the estimator chose for this cache, which nobody asked for
FOLDER = "_extraction"  # readers of whole folders of Parquet files pass over names with an underscore


class OtherSettings(InputError):
    """Clips of the cache were made in another way than is asked for now."""


class Origin(Protocol):
    """What the provenance of every kind of cache has: see `poses.cache.keypoint_cache.Provenance`."""

    @property
    def settings(self) -> str | None:
        """How clips are made, a JSON object."""
        ...

    @property
    def media(self) -> str | None:
        """Fingerprint of the media behind the clip."""
        ...


class Made(Protocol):
    """What is written of a clip."""

    @property
    def media(self) -> ClipMedia:
        """The clip."""
        ...


P = TypeVar("P", bound=Origin)
M = TypeVar("M", bound=Made)


class ClipLedger(ABC, Generic[P, M]):
    """The state of a cache that is being filled, whatever it holds of a clip.

    A clip is done when its file is there and its provenance says that it was made in the same way from the same media.
    Who works on a clip holds a lock on it, which the system takes back when the process dies. Beside the clips, in
    `_extraction`, lies a JSON record of each.

    Args:
        cache: folder of the cache, made if need be.
        provenance: how clips are made, `media` left open.

    Attributes:
        compared: what of the provenance must be as asked for, "settings" apart; the first difference is told.
        seen: what the network looks at, for the screen.
        verb: what is done to clips, for the screen.

    Raises:
        InputError: the folder cannot be made.
    """

    compared: Sequence[str]
    seen: str
    verb: str

    def __init__(self, cache: Path, provenance: P) -> None:
        self.cache = cache
        self.folder = cache / FOLDER
        self.provenance = provenance
        self._locks: dict[str, FileLock] = {}
        self._fingerprints: dict[str, str] = {}
        self._decided: str | None = None
        try:
            for folder in (self.folder / "clips", self.folder / "locks"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be made ({error.strerror}); choose another cache") from error

    def done(self, media: ClipMedia) -> bool:
        """Whether the clip is there, made in the same way from the same media.

        Raises:
            OtherSettings: it was made in another way.
        """
        found = self.stored(media)
        if found is None:
            return False
        if (difference := self._difference(found)) is not None:
            raise OtherSettings(difference)
        try:
            return found.media == self._fingerprint(media)
        except InputError:
            return False  # it can no longer be read: that is said where it is tried

    def left(self, clips: Sequence[ClipMedia], option: str) -> list[ClipMedia]:
        """Those of the clips that are not done.

        Args:
            clips: all of them.
            option: which names another cache, for a message.

        Raises:
            InputError: the cache holds clips that were made in another way.
        """
        try:
            return [clip for clip in clips if not self.done(clip)]
        except OtherSettings as error:
            raise InputError(
                f"{self.cache}: holds clips made in another way: {error}; give another {option}, or delete the folder"
            ) from error

    def write(self, made: M) -> None:
        """Write a clip and its record, and release it; it has failed if its media are gone by now.

        Raises:
            InputError: the disk is full, or the cache cannot be written to.
        """
        media = made.media
        try:
            made_from = self._fingerprint(media)
        except InputError as error:
            self.fail(FailedClip(media, str(error)))
            return
        settings = json.dumps({**json.loads(self.provenance.settings or "{}"), DECIDED: self._decided})
        self._store(made, replace(cast(Any, self.provenance), settings=settings, media=made_from))
        self._release(media)

    @abstractmethod
    def _store(self, made: M, provenance: P) -> None:
        """Write a clip and its record."""

    @abstractmethod
    def stored(self, media: ClipMedia) -> P | None:
        """What the clip's file says of how it was made; None if it is not there, or damaged: then it is made again."""

    @abstractmethod
    def totals(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """For the summary: numbers over all clips that are done, from their records."""

    @abstractmethod
    def in_words(self, totals: dict[str, Any]) -> list[str]:
        """The totals as lines for people."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release what is claimed still: an error ended the work on it."""
        while self._locks:
            self._locks.popitem()[1].release()

    def claim(self, clips: Iterable[ClipMedia], passed: Callable[[], None] = lambda: None) -> Iterator[ClipMedia]:
        """The clips that are not done and that nobody else is at work on; each is locked until it is written or failed.

        Args:
            clips: asked for one by one.
            passed: is called for each that is passed over.
        """
        for media in clips:
            lock = FileLock(self.folder / "locks" / f"{media.clip_id}.lock", thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                passed()
                continue
            if self.done(media):  # somebody was faster
                lock.release()
                passed()
                continue
            for path in (clip_path(self.cache, media.clip_id), self._record(media)):
                remove_unfinished(path)
            self._record(media).unlink(missing_ok=True)
            self._locks[media.clip_id] = lock
            yield media

    def fail(self, failed: FailedClip) -> None:
        """Record why a clip could not be made, and release it."""
        self._note(failed.media, {"status": "failed", "reason": failed.reason})
        self._release(failed.media)

    def record(self, media: ClipMedia) -> dict[str, Any] | None:
        """What is recorded of a clip; None if nothing is, or it cannot be read."""
        try:
            record = json.loads(self._record(media).read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file beside the records, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        with FileLock(self.folder / "locks" / ".keep.lock"):
            write_file(self.folder / name, content)
        return self.folder / name

    def choose(self, chooser: Prepares, pixels: Image) -> None:
        """Let a network choose a precision on what it sees first, once for all processes and runs on this cache."""
        with FileLock(self.folder / "locks" / ".decision.lock"):
            path = self.folder / "decision.txt"
            before = path.read_text() if path.exists() else None
            self._decided = prepare(chooser, pixels, before)
            if before is None and self._decided is not None:
                write_file(path, self._decided.encode())

    def _difference(self, found: P) -> str | None:
        """The first thing in which a clip was made in another way than asked for, in words; media do not count."""
        for name in (*self.compared, "settings"):
            theirs, ours = getattr(found, name), getattr(self.provenance, name)
            if name == "settings":
                theirs, ours = _asked(theirs), _asked(ours)
            if theirs != ours:
                return f"{name} {theirs}, asked for is {ours}"
        return None

    def _record(self, media: ClipMedia) -> Path:
        return self.folder / "clips" / f"{media.clip_id}.json"

    def _note(self, media: ClipMedia, facts: dict[str, Any]) -> None:
        record = {"clip": media.clip_id, "action": media.action, **facts}
        write_file(self._record(media), json.dumps(record, ensure_ascii=False).encode())

    def _fingerprint(self, media: ClipMedia) -> str:
        if media.clip_id not in self._fingerprints:
            self._fingerprints[media.clip_id] = fingerprint(media)
        return self._fingerprints[media.clip_id]

    def _release(self, media: ClipMedia) -> None:
        lock = self._locks.pop(media.clip_id)
        # under the lock: who waits for the file that is gone finds the clip done
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


class Ledger(ClipLedger[Provenance, ClipPoses]):
    """The state of a keypoint cache that is being filled; beside each record lies a picture of the clip."""

    compared = ("source", "detector", "detector_sha256", "estimator", "weights_sha256")
    seen = "people"
    verb = "extracted"

    def stored(self, media: ClipMedia) -> Provenance | None:
        """See `ClipLedger`."""
        try:
            return read_provenance(self.cache, media.clip_id)
        except InputError:
            return None

    def _store(self, poses: ClipPoses, provenance: Provenance) -> None:
        """Write a clip, its picture and its record."""
        media = poses.media
        people, frames = poses.xy.shape[:2]
        seen = np.isfinite(poses.xy).all(axis=-1)
        facts = {
            "frames": frames,
            "people": people,
            "dropped": poses.dropped,
            "frames_without_person": int((~seen.any(axis=(0, 2))).sum()),
            "frames_interpolated": int(poses.interpolated.any(axis=0).sum()),
            "mean_confidence": round(float(poses.confidence[seen].mean()), 4) if seen.any() else None,
            "looks": poses.looks,
            "turned": poses.turned,
        }
        if poses.strip is not None:
            jpeg = cv2.imencode(".jpg", poses.strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            write_file(self.picture(media), bytes(jpeg))
        self._note(media, {"status": "done", **facts})
        write_clip(
            self.cache,
            media.clip_id,
            xy=poses.xy.reshape(people * frames, *poses.xy.shape[2:]),
            confidence=poses.confidence.reshape(people * frames, -1),
            frame=np.tile(poses.frame, people),
            person=np.repeat(np.arange(people, dtype=np.int32), frames),
            time=np.tile(poses.time, people),
            interpolated=poses.interpolated.ravel(),
            provenance=provenance,
        )

    def totals(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Sums, and the mean over the clips of their `mean_confidence`; None where no clip has one."""
        sums = ("frames", "frames_without_person", "frames_interpolated", "people", "dropped", "turned")
        confidence = [record["mean_confidence"] for record in records if record["mean_confidence"] is not None]
        return {
            **{name: sum(record[name] for record in records) for name in sums},
            "mean_confidence": round(float(np.mean(confidence)), 4) if confidence else None,
        }

    def in_words(self, totals: dict[str, Any]) -> list[str]:
        """See `ClipLedger`."""
        confidence = totals["mean_confidence"]
        return [
            f"frames: {totals['frames']}, of them {totals['frames_without_person']} without a person"
            + (f", {totals['frames_interpolated']} filled in" if totals["frames_interpolated"] else ""),
            f"people: {totals['people']} kept, {totals['dropped']} dropped; mean confidence "
            + ("unknown" if confidence is None else f"{confidence:.2f}"),
        ]

    def picture(self, media: ClipMedia) -> Path:
        """Where the picture of a clip is, if one was made."""
        return self.folder / "clips" / f"{media.clip_id}.jpg"


def _asked(settings: str | None) -> dict[str, Any] | None:
    """Settings without what was decided on the way; None if they cannot be read."""
    try:
        return {name: value for name, value in json.loads(settings or "{}").items() if name != DECIDED}
    except (ValueError, AttributeError):
        return None
