import builtins
import contextlib
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.safe_pickle import load_pickle
from errors import InputError


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        load_pickle(written(folder, content))
    message = str(caught.value)
    assert "\n" not in message
    assert "file.pkl" in message
    return message


def as_numpy_1(content: bytes) -> bytes:
    """The global names that numpy 1 wrote, whichever numpy runs the tests (protocol 2: newline-terminated)."""
    return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


ARRAYS = [
    np.array([3, 1, 2]),
    np.arange(6, dtype=">i4").reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([True, False]),
    np.array(["407c", "5253B"]),
    np.array(2.5),
]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray[Any, Any], protocol: int) -> None:
    read = load_pickle(written(tmp_path, pickle.dumps({("a", 1): [array, array]}, protocol=protocol)))
    first, second = read[("a", 1)]
    assert first is second
    assert first.dtype == array.dtype
    assert first.shape == array.shape
    assert (first == array).all()
    first.flat[:0] = 0  # writeable


def test_scalars_become_python_numbers(tmp_path: Path) -> None:
    value = [np.float64(3.2), np.int64(7), np.float32(0.5), np.bool_(True), np.str_("407c")]
    for spelling in (pickle.dumps(value, protocol=2), as_numpy_1(pickle.dumps(value, protocol=2))):
        read = load_pickle(written(tmp_path, spelling))
        assert read == [3.2, 7, 0.5, True, "407c"]
        assert [type(item) for item in read] == [float, int, float, bool, str]


def test_python_2_strings_and_array_bytes_are_latin1(tmp_path: Path) -> None:
    raw = struct.pack("<q", 200)
    content = (
        b"\x80\x02(U\x03\xe9tecnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x01tcnumpy\ndtype\n(U\x02i8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08" + raw + b"tbt."
    )
    name, array = load_pickle(written(tmp_path, content))
    assert name == "\xe9te"
    assert array.tolist() == [200]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.tuples(st.text(), st.integers()), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=plain, protocol=st.integers(0, 4))
def test_plain_data_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int) -> None:
    folder = tmp_path_factory.mktemp("plain")
    assert load_pickle(written(folder, pickle.dumps(value, protocol=protocol))) == value


@settings(deadline=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.mktemp("bytes"), content)
    with contextlib.suppress(InputError):
        load_pickle(path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_of_os_system_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "ran"
    message = refused(tmp_path, pickle.dumps([1, Call(os.system, f"touch {trace}")], protocol=protocol))
    assert "system" in message
    assert not trace.exists()


@pytest.mark.parametrize("function", [builtins.eval, builtins.exec, builtins.getattr, builtins.__import__])
def test_builtins_are_refused(tmp_path: Path, function: Any) -> None:
    trace = tmp_path / "ran"
    message = refused(tmp_path, pickle.dumps(Call(function, f"open({str(trace)!r}, 'w')")))
    assert f"builtins.{function.__name__}" in message
    assert not trace.exists()


def test_other_globals_of_numpy_are_refused(tmp_path: Path) -> None:
    assert "numpy.load" in refused(tmp_path, b"cnumpy\nload\n(Vx.npy\ntR.")
    assert "numpy.f2py" in refused(tmp_path, b"cnumpy.f2py\ncompile\n(Vx\ntR.")
    # attributes through a dotted name, which protocol 4 allows
    assert "ndarray.tofile" in refused(tmp_path, b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")


def test_an_extension_code_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, b"\x80\x02\x82\x01.")


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}, None], dtype=object),
        np.zeros(2, dtype=[("x", "f8"), ("y", "O")]),
        np.zeros(2, dtype="V8"),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.dtype("O"),
        np.ndarray,
        np.dtype("f8"),
        np.array([1]).view(np.recarray),
    ],
    ids=str,
)
def test_objects_structures_and_bare_types_are_refused(tmp_path: Path, value: Any) -> None:
    refused(tmp_path, pickle.dumps({"x": value}, protocol=2))


@pytest.mark.parametrize(
    "content",
    [
        # numpy.dtype is called with a name that would make objects, with fields that overlay pointers, in its state
        b"cnumpy\ndtype\n(VO\ntR.",
        b"cnumpy\ndtype\n(Vi8\ntR(K\x03V|\nN(Vp\nt}Vp\n(cnumpy\ndtype\n(VO8\ntRK\x00tsK\x08K\x01K\x00tb.",
        # numpy.ndarray called, given state, instantiated, or used as the class of an object
        b"cnumpy\nndarray\n(I1000000000000\ntR.",
        b"cnumpy\nndarray\nN}V__array_priority__\nI1\ns\x86b.",
        b"(inumpy\nndarray\n.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        # _reconstruct with another class; an array that never gets its bytes; more elements than bytes
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntVb\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR(I1\n(I9999999999\ntcnumpy\ndtype\n(Vi8\ntRI00\nVabc\ntb.",
        # a function that would take new defaults, and a codec of the attacker's choice
        b"c_codecs\nencode\nN}V__defaults__\n(Vx\nts\x86b.",
        b"c_codecs\nencode\n(Vabc\nVzlib_codec\ntR.",
        # contains itself
        b"]\x94h\x00a.",
    ],
)
def test_the_allowed_names_cannot_be_abused(tmp_path: Path, content: bytes) -> None:
    before = dict(vars(np.ndarray))
    refused(tmp_path, content)
    assert dict(vars(np.ndarray)) == before


def test_cut_off_and_empty_files_are_refused(tmp_path: Path) -> None:
    content = pickle.dumps({("a", 1): np.arange(9)}, protocol=2)
    for length in range(len(content)):
        refused(tmp_path, content[:length])
    assert "empty" in refused(tmp_path, b"")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pkl"):
        load_pickle(tmp_path / "none.pkl")
    with pytest.raises(InputError):
        load_pickle(tmp_path)


def test_a_number_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.pkl"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")  # remember an empty list as object 2,147,483,647
    with pytest.raises(InputError, match=r"annotations\.pkl: .*object number 2147483647 in 9 bytes"):
        load_pickle(path)
