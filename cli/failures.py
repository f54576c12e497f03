"""Failures that are not ours to mend: a package that is not installed, a disk that is full, a path that is wrong.

Imports nothing heavy: it must work where no package is installed at all.
"""

import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from errors import InputError

HOUSE = Path(__file__).resolve().parents[1]
FULL = {errno.ENOSPC, errno.EDQUOT}
BARRED = {errno.EACCES, errno.EPERM, errno.EROFS}
WRONG = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
DEFAULTS = ("runs", "data")  # where runs are written and data are looked for if nothing else is said

_PIP_NAMES = {"cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "PyYAML"}


def explain(error: BaseException, words: Sequence[str], install: str) -> str | None:
    """What the user is told of an error; None if it is a fault, which keeps its traceback.

    Args:
        error: what a command raised.
        words: those after `run.py`.
        install: how to install what the command needs.
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError):
        return _of_the_system(error, words)
    if isinstance(error, ImportError) and (package := missing_package(error)):
        return f"{words[0]} needs {package}, which {sys.executable} lacks: {install}"
    return str(error) if isinstance(error, InputError) else None


def missing_package(error: ImportError) -> str | None:
    """What is not installed, as pip knows it, if an error is for want of that; None if it is another error.

    A module of this project, of Python or of a package that is there is not missing: its error is a fault.
    """
    if library := re.match(r"(lib[\w.+-]+): cannot open shared object file", str(error)):
        return f"the system's library {library[1]} (of OpenCV on Debian: apt install libgl1 libglib2.0-0)"
    top, _, below = (error.name or "").partition(".")
    ours = (HOUSE / top).exists() or (HOUSE / f"{top}.py").exists()
    if not isinstance(error, ModuleNotFoundError) or ours or top in sys.stdlib_module_names:
        return None
    if below and find_spec(top):
        return None
    return f"the package {_PIP_NAMES.get(top, top.replace('_', '-'))}"


def _of_the_system(error: OSError, words: Sequence[str]) -> str | None:
    """What to do about a full disk, or about a path that the user has named (in a config, or by leaving the default)
    and that may not be used or is not what it should be; None for anything else.
    """  # noqa: D205
    why = error.strerror or str(error)
    if error.errno in FULL:
        return f"{error.filename or 'a file'}: {why}; free space, or choose another folder"
    if error.errno not in BARRED | WRONG or not isinstance(error.filename, str | bytes):
        return None
    path = Path(os.fsdecode(error.filename)).absolute()
    named = [place.absolute() for place in _named(words, error.errno in BARRED)]
    if not any(path.is_relative_to(place) or place.is_relative_to(path) for place in named):
        return None
    who = " and who may use it" if error.errno in BARRED else ""
    return f"{os.fsdecode(error.filename)}: {why}; check the path{who}, or choose another folder"


def _named(words: Sequence[str], here: bool) -> Iterator[Path]:
    """Paths that the command line and its configs may have named; the current folder too, if `here`."""
    yield from map(Path, DEFAULTS)
    yield from (Path(word.partition("=")[2] or word) for word in words[1:])
    if here:
        yield Path()
    with suppress(InputError, ImportError, OSError):  # only the configs of `fit` are of that kind
        from cli.config_files import given

        yield from (Path(item.value) for item in given(words[1:]) if item.value)
