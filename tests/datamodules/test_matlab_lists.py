from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import loadmat, savemat

from datamodules.matlab_lists import read_list
from tests.conftest import shared_data

KINDS = [np.float64, np.float32, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.bool_]
NUMBERS = st.sampled_from(KINDS)


@given(
    array=NUMBERS.flatmap(lambda kind: arrays(kind, st.tuples(st.integers(1, 9), st.integers(1, 4)))),
    packed=st.booleans(),
)
def test_it_reads_what_scipy_reads(array: Any, packed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("mat") / "list.mat"
    savemat(str(path), {"other": np.zeros((2, 2, 2)), "text": "abc", "rows": array}, do_compression=packed)
    np.testing.assert_array_equal(read_list(path, "rows"), loadmat(path)["rows"].astype(np.float64))


@pytest.mark.parametrize("part", ["train", "test"])
def test_it_reads_the_official_lists(part: str) -> None:
    path = shared_data("aqa7") / "Split_4" / f"split_4_{part}_list.mat"
    key = f"consolidated_{part}_list"
    np.testing.assert_array_equal(read_list(path, key), loadmat(path)[key])


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 2), np.complex128) + 1j, "real numbers"),
        (np.zeros((2, 2, 2)), "real numbers"),
        (np.array([["a", 1]], dtype=object), "real numbers"),
        ({"a": 1.0}, "real numbers"),
    ],
)
def test_what_is_no_list_is_refused(array: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "list.mat"
    savemat(str(path), {"rows": array})
    with pytest.raises(ValueError, match=says):
        read_list(path, "rows")


def test_a_part_that_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.mat"
    savemat(str(path), {"rows": np.zeros((9_000_000, 1))}, do_compression=True)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ValueError, match="too large"):
        read_list(path, "rows")
