"""Writing files; for everybody, so it imports nothing heavy. No other module renames a file to put it in its place."""

import glob
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file whole or not at all; see `writing`."""
    with writing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a large file to, which takes its place when the block ends without an error.

    Else nothing is left of it and an older file stays. Several processes may write the same file at once; who comes
    last has it.

    Raises:
        OSError: it cannot be written. It names `path` even where the system's own names no file, as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # no folder: what was raised before says so
            temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Delete what processes that were killed left of a file that nobody writes now."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
