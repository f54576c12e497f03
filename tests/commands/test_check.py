"""`run.py check`: what it prints and how it ends."""

from pathlib import Path

import numpy as np
import pytest

from commands.check import run
from errors import InputError
from poses.cache.keypoint_cache import Provenance, write_clip


def write(root: Path, clip_id: str) -> Path:
    xy = np.random.default_rng(0).uniform(1, 500, (3, 15, 2))
    return write_clip(root, clip_id, xy=xy, confidence=None, frame=range(3), provenance=Provenance("test"))


def test_a_sound_cache_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a")
    assert run(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 1 clip, no problems\n"


def test_problems_are_printed_one_a_line_and_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for clip in "abc":
        write(tmp_path, clip)
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    assert run(["check", str(tmp_path)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["a", "c"]
    assert lines[2:] == [f"{tmp_path}: 2 problems in 2 of 3 clips"]


def test_no_cache_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        run(["check", str(tmp_path / "nowhere")])


def test_help_and_a_missing_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["check", "--help"])
    assert caught.value.code == 0
    assert "usage: run.py check [-h] CACHE" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        run(["check"])
    assert caught.value.code == 2
