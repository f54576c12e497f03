"""The keypoint cache: writing is atomic, whoever else writes and whatever fails."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from poses.cache.keypoint_cache import Provenance, clip_path, list_clips, read_cache, read_clip
from tests.poses.cache.cache_clips import REPO, write


def run_python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_write_other_clips_and_the_same_clip_at_once(tmp_path: Path) -> None:
    code = """
        import sys, numpy as np
        from poses.cache.keypoint_cache import Provenance, write_clip
        root, name = sys.argv[1:]
        print("ready", flush=True)
        for i in range(60):
            value = dict(xy=np.full((200, 15, 2), float(ord(name))), confidence=None, frame=range(200))
            write_clip(root, f"{name}_{i}", **value, provenance=Provenance(name))
            write_clip(root, "shared", **value, provenance=Provenance(name))
        """
    write(tmp_path, "shared", xy=np.full((5, 15, 2), float(ord("c"))), provenance=Provenance("c"))
    writers = [run_python(code, str(tmp_path), name) for name in "ab"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    seen = set()
    while any(writer.poll() is None for writer in writers):
        table = read_clip(tmp_path, "shared")
        seen.add(table.provenance[0].source)
        assert (table.xy == ord(table.provenance[0].source)).all()  # never half of one and half of the other
        read_cache(tmp_path)
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["", ""]
    assert seen & {"a", "b"}
    assert list_clips(tmp_path) == sorted([f"{name}_{i}" for name in "ab" for i in range(60)] + ["shared"])
    assert len(list(tmp_path.iterdir())) == 121
    read_cache(tmp_path)


def test_a_full_disk_leaves_the_old_clip_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "clip")
    before = clip_path(tmp_path, "clip").read_bytes()
    writer = run_python(
        """
        import resource, sys, numpy as np
        from poses.cache.keypoint_cache import Provenance, write_clip
        from errors import InputError
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        for name in ("clip", "other"):
            try:
                write_clip(sys.argv[1], name, xy=np.ones((999, 15, 2)), confidence=None, frame=range(999),
                           provenance=Provenance("x"))
            except InputError as error:
                print(error)
        """,
        str(tmp_path),
    )
    lines = writer.communicate(timeout=60)[0].splitlines()
    assert len(lines) == 2
    assert all("cannot be written (File too large); check that" in line for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.parquet"]
    assert clip_path(tmp_path, "clip").read_bytes() == before


@pytest.mark.parametrize("step", ["open", "replace", "mkdir"])
@pytest.mark.parametrize("number", [28, 30, 13])  # no space left, read-only file system, permission denied
def test_a_failing_file_system_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(InputError, match=rf"clip.parquet: cannot be written \({os.strerror(number)}\); check"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_writer_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(InputError, match="cannot be written"):
            write(root)


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    assert write(tmp_path).stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_what_is_no_clip_is_not_listed(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / ".b.0123456789abcdef.tmp").touch()
    (tmp_path / ".c.parquet").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "d.parquet").mkdir()
    assert list_clips(tmp_path) == ["a"]
    assert read_cache(tmp_path).clip_ids == ["a"]
