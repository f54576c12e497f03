"""The photographs and videos that keypoints are extracted from: clips as they lie on the disk, and files of folders."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from errors import InputError

VIDEOS = {
    ".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob",
    ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".mxf", ".dv", ".gif",
}  # fmt: skip
# those of phones that cannot be read are among them, so that it is said
IMAGES = {
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".ppm",
    ".pgm", ".jp2", ".heic", ".heif",
}  # fmt: skip
MOST = 2**31 - 1  # frame numbers are int32 in the cache


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


def is_video(path: Path) -> bool:
    """Whether the name is that of a video."""
    return path.suffix.lower() in VIDEOS


def is_image(path: Path) -> bool:
    """Whether the name is that of an image."""
    return path.suffix.lower() in IMAGES


def entries(folder: Path) -> list[Path]:
    """What a folder holds, hidden things left out, sorted by name.

    Raises:
        InputError: no such folder, or it may not be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder; check the path") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: is not a folder; name the folder that holds the videos and images") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check who may read it") from None


def matching(folder: Path, pattern: str) -> dict[int, Path]:
    """What in a folder has a name of the given pattern, by the number in it, in its order; empty without the folder.

    Args:
        folder: where to look.
        pattern: regular expression of whole names with one group, the number.

    Raises:
        InputError: the folder may not be read.
    """
    if not folder.is_dir():
        return {}
    names = ((re.fullmatch(pattern, path.name, re.ASCII), path) for path in entries(folder))
    return dict(sorted((int(match[1]), path) for match, path in names if match))


def numbered(images: Iterable[Path]) -> dict[int, Path]:
    """Images by the number that their names end in, in its order; empty if any has none or the number of another."""
    found: dict[int, Path] = {}
    for path in images:
        match = re.search(r"[0-9]+$", path.stem, re.ASCII)
        number = int(match[0]) if match and len(match[0]) < 20 else -1
        if not 0 <= number <= MOST or number in found:
            return {}
        found[number] = path
    return dict(sorted(found.items()))


def frames_of(images: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[int, ...]]:
    """Files and frame numbers of a clip: numbered as the names end, or else from 0 in the order of the names."""
    images = list(images)
    frames = numbered(images) or dict(enumerate(sorted(images)))
    return tuple(frames.values()), tuple(frames)
