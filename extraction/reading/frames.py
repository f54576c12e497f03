"""The frames of a clip, from image files or from a video."""

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from errors import InputError
from extraction.reading.media import ClipMedia
from extraction.reading.photographs import read_image
from extraction.reading.readable import check_file
from extraction.reading.videos import read_video
from extraction.types import Frame

HEAD = 64 * 1024


def read_frames(media: ClipMedia) -> Iterator[Frame]:
    """The frames of a clip in order, all of one size; memory does not grow with their number.

    Frames of image files have no time.

    Raises:
        InputError: a file that cannot be read (see `extraction.reading.photographs.read_image` and
            `extraction.reading.videos.read_video`), that lies outside
            `media.root` behind a symbolic link, or that has another size than the first.
    """
    _check_inside(media)
    if media.frames is None:
        yield from read_video(media.files[0])
        return
    first: tuple[int, ...] = ()
    for path, number in zip(media.files, media.frames, strict=True):
        image = read_image(path)
        first = first or image.shape
        if image.shape != first:
            raise InputError(
                f"{path}: has {image.shape[1]} x {image.shape[0]} pixels, {media.files[0]} has {first[1]} x "
                f"{first[0]}; the frames of a clip have one size: put photographs that belong to no clip elsewhere"
            )
        yield Frame(number, math.nan, image)


def fingerprint(media: ClipMedia) -> str:
    """What tells whether a clip's media changed: SHA-256 (hexadecimal) of the files' names, sizes and first bytes.

    Names are relative to `media.root`; of the contents only the first 64 KiB of the first file are read.

    Raises:
        InputError: a file is not there or may not be read, or lies outside `media.root` behind a symbolic link.
    """
    _check_inside(media)
    digest = hashlib.sha256()
    path = media.files[0]
    try:
        for path in media.files:
            digest.update(os.fsencode(f"{os.path.relpath(path, media.root)}\0{path.stat().st_size}\0"))
        path = media.files[0]
        check_file(path)
        with path.open("rb") as file:
            digest.update(file.read(HEAD))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and who may read it") from None
    return digest.hexdigest()


def _check_inside(media: ClipMedia) -> None:
    root = os.path.realpath(media.root)
    folders: dict[Path, Path] = {}
    for path in media.files:
        if path.parent not in folders:
            folders[path.parent] = Path(os.path.realpath(path.parent))
        real = Path(os.path.realpath(path)) if path.is_symlink() else folders[path.parent] / path.name
        if not real.is_relative_to(root):
            raise InputError(f"{path}: a symbolic link that leaves the folder {media.root}; copy the file itself")
