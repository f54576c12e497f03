from pathlib import Path

import pytest

from errors import InputError
from run_folder.history import History, read_history

HEAD = "step,epoch,train/loss,val/spearman,val/spearman_ridge,val/spearman_best,val/collapsed\n"


def history(tmp_path: Path, rows: str) -> History:
    (tmp_path / "metrics.csv").write_text(HEAD + rows)
    return read_history(tmp_path)


def test_epoch_by_epoch(tmp_path: Path) -> None:
    found = history(tmp_path, "0,0,1.0,,,,\n1,0,0.5,,,,\n1,0,,0.2,0.3,0.2,0.0\n2,1,0.4,,,,\n2,1,,0.6,0.1,0.6,0.0\n")
    assert found.loss == {0: 0.75, 1: 0.4}
    assert found.validation == {"": {0: 0.2, 1: 0.6}, "ridge": {0: 0.3, 1: 0.1}}
    assert found.best == 1
    assert found.at_best() == 0.6
    assert found.at_best("ridge") == 0.1
    assert found.at_best("vote") is None
    assert (found.collapsed, found.last) == (frozenset(), 1)


def test_the_first_of_equal_epochs_is_the_best(tmp_path: Path) -> None:
    assert history(tmp_path, "".join(f"{e},{e},,0.5,,,0.0\n" for e in range(3))).best == 0


def test_collapsed_epochs_have_no_rho(tmp_path: Path) -> None:
    found = history(tmp_path, "0,0,,0.2,0.3,0.2,0.0\n1,1,,nan,,,1.0\n2,2,,,,,1.0\n")
    assert found.validation[""] == {0: 0.2}
    assert (found.collapsed, found.last) == (frozenset({1, 2}), 2)
    assert history(tmp_path, "1,0,,,,,1.0\n").best is None


def test_half_a_line_of_a_killed_run_is_left_out(tmp_path: Path) -> None:
    assert history(tmp_path, "0,0,1.0,,,,\n1,0,0.").loss == {0: 1.0}


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("")
    assert read_history(tmp_path) == History()


@pytest.mark.parametrize("content", [b"epoch,train/loss\n0,abc\n", b"epoch,train/loss\nzero,1\n", b"epoch\n\xff\xfe\n"])
def test_broken_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics.csv: cannot be read"):
        read_history(tmp_path)
