"""Reads pickles of plain data and numpy arrays; whatever else a pickle asks for is refused and nothing of it runs.

`pickle.load` calls any function that a file names. Here a file may name the few numpy globals of protocol 2 to 4
arrays, and even those are not handed out: inert stand-ins take their place, and the arrays are built afterwards from
raw bytes. So a file can neither reach a callable nor hand numpy a forged dtype (such as one that overlays pointers).
"""

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from errors import InputError, quoted

_PLAIN_DTYPE = re.compile(r"b1|[iuf][1248]|[SU][0-9]{1,4}")
_PLAIN_TYPES = (type(None), bool, int, float, str, bytes)


class _Inert:
    """What a pickle gets instead of a global; it cannot be changed from inside the file."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("state for something that has none")


class _NdarrayType(_Inert):
    """Stands for `numpy.ndarray`, which pickles of arrays only pass on to `_reconstruct`."""

    __slots__ = ()


class _Dtype(_Inert):
    """A numeric or string dtype: name and byte order."""

    __slots__ = ("name", "order")

    def __init__(self, name: object) -> None:
        if not isinstance(name, str) or not _PLAIN_DTYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"arrays of dtype {quoted(name)} are not plain numbers or text")
        self.name = name
        self.order = "|"

    def __setstate__(self, state: object) -> None:
        match state:
            case (_, "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.order = order
            case _:
                raise pickle.UnpicklingError("a dtype with fields, or a damaged one")

    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype; it never holds objects."""
        return np.dtype(self.order + self.name)


class _Array(_Inert):
    """An array whose bytes come with `__setstate__`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (_, tuple(shape), _Dtype() as dtype, bool(fortran), bytes() | str() as raw):
                data = raw if isinstance(raw, bytes) else raw.encode("latin1")  # Python 2 wrote bytes as str
                flat = np.frombuffer(data, dtype=dtype.numpy())
                if not all(type(length) is int and length >= 0 for length in shape):
                    raise pickle.UnpicklingError(f"an array of shape {quoted(shape)}")
                self.value = flat.reshape(shape, order="F" if fortran else "C").copy()
            case _:
                raise pickle.UnpicklingError("an array of objects, or a damaged one")


class _Reconstruct(_Inert):
    """Stands for `numpy.core.multiarray._reconstruct`."""

    __slots__ = ()

    def __call__(self, subtype: object, shape: object, typecode: object) -> _Array:
        if not isinstance(subtype, _NdarrayType):
            raise pickle.UnpicklingError("an array of another type than numpy.ndarray")
        return _Array()


class _MakeDtype(_Inert):
    """Stands for `numpy.dtype`."""

    __slots__ = ()

    def __call__(self, name: object, align: object = False, copy: object = True) -> _Dtype:
        return _Dtype(name)


class _Scalar(_Inert):
    """Stands for `numpy.core.multiarray.scalar`; gives a plain Python value."""

    __slots__ = ()

    def __call__(self, dtype: object, raw: object) -> object:
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("a damaged numpy scalar")
        (value,) = np.frombuffer(data, dtype=dtype.numpy())
        return value.item()


class _Encode(_Inert):
    """Stands for `_codecs.encode`, with which Python 3 writes bytes in protocol 2."""

    __slots__ = ()

    def __call__(self, text: object, encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"text to be encoded as {quoted(encoding)}")
        return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], type[_Inert]] = {
    ("numpy", "ndarray"): _NdarrayType,
    ("numpy", "dtype"): _MakeDtype,
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("_codecs", "encode"): _Encode,
}


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that looks no global up."""

    refused: str | None = None

    def find_class(self, module: str, name: str) -> object:
        """The stand-in of an allowed global.

        Raises:
            pickle.UnpicklingError: any other global.
        """
        stand_in = _ALLOWED.get((module, name))
        if stand_in is None:
            self.refused = f"{module}.{name}"
            raise pickle.UnpicklingError(f"global {self.refused}")
        return stand_in()


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The same containers with arrays in place of their stand-ins; `done` holds shared parts, by id."""
    if isinstance(value, _PLAIN_TYPES):
        return value
    if id(value) in done:
        return done[id(value)]
    result: Any
    if isinstance(value, _Array) and value.value is not None:
        result = value.value
    elif isinstance(value, dict):
        result = {_plain(key, done): _plain(item, done) for key, item in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        result = type(value)(_plain(item, done) for item in value)
    else:
        raise pickle.UnpicklingError(f"a bare {type(value).__name__.strip('_')}")
    done[id(value)] = result
    return result


def _check_memo(content: bytes) -> None:
    """Refuse numbers of remembered objects that no file of this size has: the unpickler makes room for them all."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name.endswith("PUT") and (argument or 0) > len(content):
            raise pickle.UnpicklingError(f"object number {argument} in {len(content)} bytes")


def load_pickle(path: Path) -> Any:
    """What a pickle holds: dicts, lists, tuples, sets, text, numbers, and numpy arrays of numbers or text.

    Strings of Python 2 are read as latin1. Numpy scalars become Python numbers.

    Raises:
        InputError: the file cannot be read, is empty, cut off or damaged, or asks for a global outside the allow-list
            (named in the message; nothing is imported or called).
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from None
    unpickler = _PlainUnpickler(io.BytesIO(content), encoding="latin1")
    try:
        _check_memo(content)
        return _plain(unpickler.load(), {})
    # Damaged and hostile bytes can raise nearly anything: in the unpickler, in numpy or on the way through containers.
    except Exception as problem:
        if unpickler.refused is not None:
            raise InputError(
                f"{path}: refused, this pickle asks for {quoted(unpickler.refused)}, which annotation files never "
                "need; nothing of it was run; get the file again from its official source"
            ) from None
        reason = (" ".join(str(problem).split()) or type(problem).__name__) if content else "it is empty"
        raise InputError(
            f"{path}: not a readable pickle of plain data ({reason}); get the file again from its official source"
        ) from None
