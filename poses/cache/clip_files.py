"""A folder with one Parquet file a clip, whatever the files hold of it: names, lists, whole files, their metadata."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from errors import InputError, quoted, some
from files import write_atomically

SUFFIX = ".parquet"
MAX_ID_BYTES = 200  # file names end at 255 bytes, and the temporary name is longer than the id

# separators of paths, control characters, line and paragraph separators, halves of surrogate pairs
_NOT_IN_IDS = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """What the files of a folder are.

    Attributes:
        name: such as "keypoint".
        key: of a file's own entry in its metadata.
        version: of the format, counted up.
        again: what to do with a damaged file.
        whence: what to do if there is no folder.
        how: what to do with clips that are not there.
    """

    name: str
    key: bytes
    version: int
    again: str
    whence: str
    how: str


def check_clip_id(clip_id: str) -> None:
    """Refuse an id that cannot be a file name inside the cache: Unicode and spaces are fine, paths are not.

    Raises:
        InputError: empty, over 200 bytes, leading dot, separator, control or line-breaking character.
    """
    if not clip_id:
        raise InputError("a clip id is empty; give every clip a name")
    if clip_id.startswith("."):
        raise InputError(f"clip id {quoted(clip_id)} begins with a dot; rename the clip")
    if bad := _NOT_IN_IDS.search(clip_id):
        raise InputError(f"clip id {quoted(clip_id)} holds {bad[0]!r}, which no clip id may hold; rename the clip")
    if len(clip_id.encode()) > MAX_ID_BYTES:
        raise InputError(f"clip id {quoted(clip_id)} has over {MAX_ID_BYTES} bytes; give the clip a shorter name")


def clip_path(root: str | Path, clip_id: str) -> Path:
    """Path of a clip's file, always directly inside `root`.

    Raises:
        InputError: see `check_clip_id`.
    """
    check_clip_id(clip_id)
    return Path(root) / f"{clip_id}{SUFFIX}"


def list_files(kind: Kind, root: str | Path) -> list[str]:
    """Ids of all clips of a folder, sorted; empty if there are none.

    Raises:
        InputError: no such folder, or it cannot be listed.
    """
    root = Path(root)
    try:
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "no such folder"
            raise InputError(f"{root}: {what}; a {kind.name} cache is a folder of Parquet files{kind.whence}")
        with os.scandir(root) as entries:
            files = [entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.is_file()]
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({error.strerror}); check who may read it") from error
    return sorted(name.removesuffix(SUFFIX) for name in files if not name.startswith("."))


def clips_to_read(kind: Kind, root: Path, clip_ids: Sequence[str] | None) -> Sequence[str]:
    """The clips asked for, all if None, once they are found to be there.

    Raises:
        InputError: no such folder or clips, or an id twice.
    """
    there = list_files(kind, root)
    asked = there if clip_ids is None else clip_ids
    if not asked:
        raise InputError(f"{root}: no clips to read; a {kind.name} cache holds one file <clip id>{SUFFIX} a clip")
    for clip_id in asked:
        check_clip_id(clip_id)
    if twice := [clip_id for clip_id, count in Counter(asked).items() if count > 1]:
        raise InputError(f"{root}: asked for {some(twice)} more than once; name every clip once")
    if absent := sorted(set(asked).difference(there)):
        raise InputError(
            f"{root}: {len(absent)} of {len(asked)} clips are not in this cache: {some(absent)}; {kind.how}, or leave "
            "them out"
        )
    return asked


def read_file(root: Path, clip_id: str, decode: Callable[[bytes, str], T]) -> T:
    """What `decode` makes of a clip's bytes and id.

    Raises:
        InputError: the file cannot be read or leaves the folder behind a symbolic link, or `decode` refuses it.
    """
    path = clip_path(root, clip_id)
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root.resolve()):
            raise InputError("a symbolic link that leaves the cache; copy the file itself into the cache")
        return decode(path.read_bytes(), clip_id)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it exists and may be read") from error


def read_if_there(root: str | Path, clip_id: str, decode: Callable[[bytes], T]) -> T | None:
    """What `decode` makes of a clip's bytes; None if the clip is not there.

    Raises:
        InputError: the file cannot be read, or what `decode` raises, with the path.
    """
    path = clip_path(root, clip_id)
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check who may read it") from error


def write_file(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file of a cache, whole or not at all; its folder is made if it is not there.

    Raises:
        InputError: it cannot be written. Nothing is left half-written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); check that the folder may be written to and has space left"
        ) from error


def check_whole(kind: Kind, content: bytes) -> None:
    """Refuse bytes that are no Parquet file from end to end.

    Raises:
        InputError: says what, not where.
    """
    if not content:
        raise InputError(f"an empty file (0 bytes); {kind.again}")
    if not content.startswith(b"PAR1"):
        raise InputError(f"not a Parquet file; {kind.again}, or take the file out of the cache")
    if not content.endswith(b"PAR1"):
        raise InputError(f"a truncated Parquet file; {kind.again}")


def facts_of(kind: Kind, entry: bytes | None) -> dict[str, Any]:
    """What the kind's entry in a file's metadata says, once the version is found right.

    Raises:
        InputError: no such entry, none that can be read, or of another version (says what, not where).
    """
    key = kind.key.decode()
    if entry is None:
        raise InputError(f"no {key!r} in the file's metadata (pandas drops it); {kind.again}")
    try:
        facts = json.loads(entry)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InputError(f"{key!r} in the file's metadata is not a JSON object; {kind.again}")
    version = facts.get("format_version")
    if type(version) is int and version > kind.version:
        raise InputError(f"format version {version}, newer than {kind.version}, which this program reads; update it")
    if type(version) is not int or version != kind.version:
        raise InputError(f"format version {quoted(version)}, this program reads version {kind.version}; {kind.again}")
    return facts


def wrong_type(kind: Kind, name: str, found: Any, wanted: str) -> InputError:
    """Of a column."""
    return InputError(f"column {name} holds {found} instead of {wanted}; {kind.again}")
