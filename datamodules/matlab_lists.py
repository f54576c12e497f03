"""Lists of numbers in MATLAB v5 files, as AQA-7's official splits are published.

scipy's `loadmat` reads cells, structures and objects too, and some damaged files end the process in it. A list needs
none of that: the file is walked element by element here, nothing but a matrix of real numbers is accepted, and every
size is compared with what is there before anything is read. Format: MathWorks, "MAT-File Format", level 5.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_BYTES: Final = 64 << 20
"""Of a file, and of what a compressed element may become: a list of a million clips is smaller."""

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES: Final = range(6, 16)
_COMPLEX: Final = 0x0800


def read_list(path: Path, key: str) -> NDArray[np.float64]:
    """The matrix [N, K] of real numbers that a file holds under a name.

    Raises:
        ValueError: it cannot be read, is no MATLAB v5 file, is damaged, or has no such matrix (says what, not where).
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
        found = dict(_matrices(content))
    except OSError as error:
        raise ValueError(error.strerror) from error
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if key not in found:
        raise ValueError(f"it has no array {key!r}, it holds {', '.join(found) or 'nothing'}")
    matrix = found[key]
    if matrix is None:
        raise ValueError(f"{key} does not hold real numbers, expected numbers [rows, columns]")
    return matrix


def _matrices(content: bytes) -> Iterator[tuple[str, NDArray[np.float64] | None]]:
    """Name and numbers of every variable; None where it is no matrix of real numbers."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no header")
    for kind, inner in _elements(content[128:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj()
            plain = unpacked.decompress(inner, MOST_BYTES)
            if not unpacked.eof:
                raise ValueError("a compressed part is cut off, or too large")
            ((kind, inner),) = _elements(plain, order)
        if kind != _MATRIX:
            raise ValueError(f"element of type {kind}")
        yield _matrix(inner, order)


def _matrix(content: bytes, order: str) -> tuple[str, NDArray[np.float64] | None]:
    parts = list(_elements(content, order))
    if len(parts) < 4:
        raise ValueError("a matrix without numbers")
    (_, flags), (_, shape), (_, name), (kind, numbers), *_ = parts
    flag = int(np.frombuffer(flags, f"{order}u4", 1)[0])
    dimensions = np.frombuffer(shape, f"{order}i4")
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _COMPLEX or len(dimensions) != 2:
        return name.decode("ascii", "replace"), None
    if kind not in _NUMBERS:
        raise ValueError(f"numbers of type {kind}")
    rows, columns = map(int, dimensions)
    values = np.frombuffer(numbers, f"{order}{_NUMBERS[kind]}").astype(np.float64)
    if min(rows, columns) < 0 or rows * columns != len(values):
        raise ValueError(f"{len(values)} numbers in a matrix of {rows} x {columns}")
    return name.decode("ascii", "replace"), values.reshape(columns, rows).T


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of the elements that follow one another; a short one has both in its first four bytes."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            raise ValueError("it ends in the middle of an element")
        kind, size = (int(one) for one in np.frombuffer(content, f"{order}u4", 2, at))
        if kind >> 16:
            kind, size, begin, step = kind & 0xFFFF, kind >> 16, at + 4, 8
            if size > 4:
                raise ValueError("a short element is not short")
        else:
            # elements begin at multiples of eight bytes, but for compressed ones
            begin, step = at + 8, 8 + size + (0 if kind == _COMPRESSED else -size % 8)
        if size > len(content) - begin:
            raise ValueError("an element is longer than what is left")
        yield kind, content[begin : begin + size]
        at += step
