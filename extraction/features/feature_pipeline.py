"""From videos and photographs to clip features; reading and cropping run ahead in a thread of their own."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from errors import InputError
from extraction.features.windows import Indices, Windows
from extraction.people.clip_poses import FailedClip
from extraction.pipeline import prepare
from extraction.reading.background import ahead
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from extraction.types import Extractor, Floats, Image

SHORTEST = 8
"""Frames of a window at the least, for extractors that take any number from there."""
KEPT = 1024
"""Cropped frames of a video (150 kB each) that are kept until its end shows which of them the windows need."""


@dataclass(frozen=True)
class ClipFeatures:
    """What the pipeline makes of a clip.

    Attributes:
        media: the clip.
        frames: how many frames it has.
        features: [W, C] float32, all finite.
    """

    media: ClipMedia
    frames: int
    features: Floats


@dataclass
class _Clip:
    """A clip that is read.

    Attributes:
        media: the clip.
        frames: how many frames it has.
        windows: [W, L], which of them lie in which window.
        crops: the frames that lie in one or more, cropped, by number.
        features: of the windows that the network has seen.
    """

    media: ClipMedia
    frames: int
    windows: Indices
    crops: dict[int, Image]
    features: list[Floats] = field(default_factory=list)


class FeaturePipeline:
    """Cuts clips into windows and has an extractor look at them; windows of many clips share its batches.

    How many frames a video has shows only at its end. Until then its frames are kept, cropped; once there are more than
    `KEPT` they are let go, the rest is counted, and the video is read a second time for those that the windows need. So
    a clip takes no more than about 150 MB, however long it is. Of images in a folder only those are kept at all.

    Args:
        extractor: from windows to features.
        windows: how clips are cut.

    Raises:
        InputError: the extractor takes windows of another length.
    """

    def __init__(self, extractor: Extractor, windows: Windows) -> None:
        fits = windows.length >= SHORTEST if extractor.length is None else windows.length == extractor.length
        if not fits:
            wanted = f"{SHORTEST} frames or more" if extractor.length is None else f"{extractor.length} frames"
            raise InputError(
                f"windows: {extractor.name} takes windows of {wanted}, asked for are {windows.length}; give another "
                "--windows.length (and --windows.starts that go with it), or another extractor"
            )
        self.extractor = extractor
        self.windows = windows
        self._prepared = False

    def place(self, device: str) -> None:
        """Run on a device: "cpu", "cuda:0", ...."""
        self.extractor.place(device)

    def run(
        self,
        media: Iterable[ClipMedia],
        *,
        choose: Callable[[Extractor, Image], object] = lambda extractor, windows: prepare(extractor, windows, None),
        looked: Callable[[int], None] = lambda windows: None,
    ) -> Generator[ClipFeatures | FailedClip, None, None]:
        """Features of clips, each as soon as it is done; a clip that fails does not stop the others.

        Args:
            media: the clips; asked for one by one, shortly before each is read.
            choose: is given the first windows [B, L, h, w, 3] to prepare the extractor with.
            looked: is told after every batch how many windows it held.
        """
        source = ahead(self._read(media), 1)
        waiting: deque[tuple[_Clip, Indices]] = deque()
        while True:
            while len(waiting) < self.extractor.batch and (item := next(source, None)) is not None:
                if isinstance(item, FailedClip):
                    yield item
                else:
                    waiting.extend((item, window) for window in item.windows)
            if not waiting:
                return
            batch = [waiting.popleft() for _ in range(min(self.extractor.batch, len(waiting)))]
            pixels = np.stack([np.stack([clip.crops[i] for i in window]) for clip, window in batch])
            found = self._look(pixels, choose)
            looked(len(batch))
            for (clip, _), features in zip(batch, found, strict=True):
                clip.features.append(features)
                if len(clip.features) == len(clip.windows):
                    yield _finished(clip)

    def _look(self, windows: Image, choose: Callable[[Extractor, Image], object]) -> Floats:
        if not self._prepared:
            self._prepared = True
            choose(self.extractor, windows)
        return self.extractor.network(windows)

    # In the background -------------------------------------------------------------------------------------------

    def _read(self, media: Iterable[ClipMedia]) -> Iterator[_Clip | FailedClip]:
        for one in media:
            try:
                clip = self._read_clip(one)
            except InputError as error:
                yield FailedClip(one, str(error))
            else:
                yield clip

    def _read_clip(self, media: ClipMedia) -> _Clip:
        if media.frames is not None:
            return self._read_needed(media, len(media.frames))
        count = 0
        kept: dict[int, Image] = {}
        for count, frame in enumerate(read_frames(media), 1):
            if count <= KEPT:
                kept[count - 1] = self.extractor.crop(frame.image)
            else:
                kept.clear()
        if count > KEPT:
            return self._read_needed(media, count)
        windows = self.windows.of(count)
        return _Clip(media, count, windows, {index: kept[index] for index in np.unique(windows).tolist()})

    def _read_needed(self, media: ClipMedia, count: int) -> _Clip:
        """Read a clip of a known number of frames, and keep those that the windows need."""
        windows = self.windows.of(count)
        needed = set(np.unique(windows).tolist())
        kept: dict[int, Image] = {}
        read = 0
        for read, frame in enumerate(read_frames(media), 1):
            if read - 1 in needed:
                kept[read - 1] = self.extractor.crop(frame.image)
        if read != count:
            raise InputError(
                f"{media.files[0]}: had {count} frames at first and {read} when it was read again; run the command "
                "again when nothing is written to it any more"
            )
        return _Clip(media, count, windows, kept)


def _finished(clip: _Clip) -> ClipFeatures | FailedClip:
    features = np.stack(clip.features).astype(np.float32, copy=False)
    if not np.isfinite(features).all():
        return FailedClip(
            clip.media, "the network gives numbers that are not finite; choose precision fp32, or other weights"
        )
    return ClipFeatures(clip.media, clip.frames, features)
