"""What an ablation's folder holds its variants to."""

from pathlib import Path

import pytest

from errors import InputError
from trials.shared import FILE, Options, keep_to_options


def keep(folder: Path, title: str = "Table", **values: object) -> None:
    keep_to_options(folder, title, {"wide": Options("Wide", values)})


def test_the_same_options_are_accepted_and_others_are_not(tmp_path: Path) -> None:
    keep(tmp_path / "new", lr=0.1, margin=1.0)
    (tmp_path / "new" / "wide").mkdir()
    keep(tmp_path / "new", lr=0.1, margin=1.0)
    before = (tmp_path / "new" / FILE).read_bytes()
    with pytest.raises(InputError, match=r"wide: its runs have lr = 0.1, now it is 0.2 \(and 1 more\); .*'Wide'"):
        keep(tmp_path / "new", lr=0.2, margin=2.0)
    with pytest.raises(InputError, match="holds the ablation 'Table', not 'Other'"):
        keep(tmp_path / "new", "Other", lr=0.1, margin=1.0)
    assert (tmp_path / "new" / FILE).read_bytes() == before


def test_before_anything_is_trained_options_may_change(tmp_path: Path) -> None:
    keep(tmp_path, lr=0.1)
    keep(tmp_path, lr=0.2)
    (tmp_path / "wide").mkdir()
    with pytest.raises(InputError, match=r"lr = 0.2"):
        keep(tmp_path, lr=0.1)


def test_an_option_that_the_program_learnt_is_no_difference(tmp_path: Path) -> None:
    keep(tmp_path, lr=0.1)
    (tmp_path / "wide").mkdir()
    keep(tmp_path, lr=0.1, graph="skeleton")
    with pytest.raises(InputError, match="graph = skeleton, now it is full"):
        keep(tmp_path, lr=0.1, graph="full")


def test_variants_that_are_left_out_are_remembered(tmp_path: Path) -> None:
    keep(tmp_path, lr=0.1)
    keep_to_options(tmp_path, "Table", {"other": Options("Other", {"lr": 0.3})})
    (tmp_path / "wide").mkdir()
    with pytest.raises(InputError, match=r"wide: its runs have lr = 0.1"):
        keep(tmp_path, lr=0.2)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"title": "Table", "variants": {"wide": 3}}'])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=FILE):
        keep(tmp_path, lr=0.1)
