"""What reading photographs and reading videos have in common."""

import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from errors import InputError
from extraction.types import Image

COPY_AGAIN = "copy it again from where it came from, or take it out of the folder"


class Turn(NamedTuple):
    """How a stored image is turned to be looked at: first the axes are swapped, then the result is mirrored."""

    swap: bool
    mirror_x: bool
    mirror_y: bool


UPRIGHT = Turn(False, False, False)


def turned(image: Image, turn: Turn) -> Image:
    """The image [H, W, 3] (or [W, H, 3]) as it is looked at, contiguous."""
    if turn.swap:
        image = image.swapaxes(0, 1)
    if turn.mirror_x:
        image = image[:, ::-1]
    if turn.mirror_y:
        image = image[::-1]
    return np.ascontiguousarray(image)


def check_file(path: Path) -> None:
    """Refuse what is no file that can be read and holds something.

    Raises:
        InputError: not there, a folder, a pipe or a device, no permission, no bytes.
    """
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise InputError(f"{path}: is a folder, not a file; name the file in it")
        if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for ever
            raise InputError(f"{path}: is no ordinary file; take it out of the folder")
        if about.st_size == 0:
            raise InputError(f"{path}: is empty (0 bytes); {COPY_AGAIN}")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; give yourself permission (chmod u+r)") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and the disk it is on") from None
