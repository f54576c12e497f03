"""The photographs and videos that keypoints are extracted from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ClipMedia:
    """A clip as it lies on the disk.

    Attributes:
        clip_id: name of the clip in the keypoint cache.
        action: the sport or action it belongs to; contact sheets are made one an action.
        files: the image files of the clip's frames in order, or its one video.
        frames: number of each image file's frame, strictly increasing; None if `files` is one video, whose frames are
            numbered from 0.
        performers: how many people perform (2 in synchronised diving); None keeps everybody, in a photograph.
        root: folder that the files must lie in; a symbolic link that leaves it is refused when the clip is read.
    """

    clip_id: str
    action: str
    files: tuple[Path, ...]
    frames: tuple[int, ...] | None
    performers: int | None
    root: Path


class MediaSource(Protocol):
    """What a dataset offers to `python run.py extract`.

    Attributes:
        cache: folder of the keypoint cache to fill.
        rejected: name and reason (one line) of everything that should be a clip and cannot be one: a name that no clip
            may have, a folder without permission, a clip that is listed but not there. Filled by `media()`.
    """

    cache: Path
    rejected: list[tuple[str, str]]

    def media(self) -> Sequence[ClipMedia]:
        """The clips that are there, ids unique; files are not opened. What is rejected does not stop the others.

        Raises:
            InputError: no media where they are expected.
        """
        ...
