"""The keypoint cache: wrong files are not read, each for one clear reason."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from poses.cache.keypoint_cache import list_clips, read_cache, read_clip
from tests.poses.cache.cache_clips import arrays, rewrite, with_column, write


def metadata(**changes: Any) -> Callable[[pa.Table], pa.Table]:
    facts = {"format_version": 1, "skeleton": "gcn-psn-15", "source": "s", **changes}
    return raw_metadata(json.dumps(facts))


def raw_metadata(text: str | bytes) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.replace_schema_metadata({"pose_cache": text})


def column(name: str, values: Any, kind: Any = None) -> Callable[[pa.Table], pa.Table]:
    return lambda table: with_column(table, name, pa.array(values, kind))


def value(name: str, row: int, number: Any, position: int | None = None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        if position is None:
            values[row] = number
        else:
            values[row][position] = number
        return with_column(table, name, pa.array(values, table.schema.field(name).type))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata(None), "no 'pose_cache' in the file's metadata"),
        (raw_metadata("{"), "is not a JSON object"),
        (raw_metadata(b"\xff\xfe"), "is not a JSON object"),
        (raw_metadata("[" * 100_000), "is not a JSON object"),
        (raw_metadata("[1]"), "is not a JSON object"),
        (metadata(format_version=2), "format version 2, newer than 1, which this program reads; update"),
        (metadata(format_version=0), "format version 0, this program reads version 1"),
        (metadata(format_version="1"), "format version '1'"),
        (metadata(format_version=True), "format version True"),
        (metadata(format_version=None), "format version None"),
        (metadata(skeleton="coco-17"), "skeleton 'coco-17' instead of 'gcn-psn-15'; convert"),
        (metadata(skeleton=None), "skeleton None"),
        (metadata(source=None), "names no source"),
        (metadata(source=""), "names no source"),
        (metadata(estimator=3), "names no source, or not in words"),
        (lambda table: table.drop_columns(["confidence"]), "no column 'confidence'"),
        (lambda table: table.drop_columns(["clip_id", "xy"]), "no column 'clip_id', 'xy'"),
        (lambda table: table.append_column("frame", table["frame"]), "'frame', or has it twice"),
        (column("clip_id", [1] * 5), "column clip_id holds int64 instead of strings"),
        (column("clip_id", ["other"] * 5), "column clip_id says 'other', not 'clip'"),
        (column("clip_id", ["clip"] * 4 + ["other"]), "column clip_id says 'clip', 'other'"),
        (column("clip_id", ["clip"] * 4 + [None]), "column clip_id says 'clip', 'None'"),
        (column("person", [0.0] * 5), "column person holds double instead of int32"),
        (column("person", [0, 0, 0, 0, None]), "column person holds nulls"),
        (column("frame", ["0"] * 5), "column frame holds string instead of int32"),
        (column("frame", [0, 1, 2, 3, 2**40]), "column frame holds numbers that do not fit"),
        (column("time", ["0"] * 5), "column time holds string instead of double"),
        (column("xy", [0.0] * 5), "column xy holds double instead of lists of 30"),
        (column("xy", [["a"] * 30] * 5), "column xy holds string instead of float"),
        (column("xy", [[0.0] * 34] * 5), "column xy holds a list of 34 numbers instead of 30"),
        (column("xy", [[0.0] * 34] * 5, pa.list_(pa.float32(), 34)), "a list of 34 numbers instead of 30"),
        (column("xy", [[0.0] * 30] * 4 + [[0.0] * 31]), "a list of 31 numbers instead of 30"),
        (column("confidence", [[1.0] * 15] * 4 + [[]]), "a list of 0 numbers instead of 15"),
        (lambda table: table.slice(0, 0), "no rows"),
        (value("xy", 1, np.inf, 9), "person 0, frame 8: infinite coordinate of left_hip"),
        (value("xy", 1, np.nan, 9), "person 0, frame 8: left_hip has x but no y"),
        (value("confidence", 2, 1.01, 0), "person 0, frame 9: confidence 1.01 of right_ankle lies outside"),
        (value("time", 4, -np.inf), "person 0, frame 11: infinite time"),
        (value("frame", 1, 7), "person 0, frame 7: stands there twice"),
        (value("frame", 1, 100), "person 0, frame 9: comes after frame 100"),
        (value("person", 0, 1), "person 0, frame 8: comes after person 1"),
        (value("person", 4, 1), "person 0, frame 7: person 1 has no row for it"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    clip = arrays(seed=5)
    clip["xy"] = np.nan_to_num(clip["xy"], nan=3)
    path = write(tmp_path, **clip)
    write(tmp_path, "good", **clip)
    rewrite(path, change)
    with pytest.raises(InputError) as caught:
        read_cache(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert ";" in str(caught.value)  # what to do
    assert str(caught.value).isprintable()
    assert read_cache(tmp_path, ["good"]).clip_ids == ["good"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "an empty file (0 bytes)"),
        (lambda whole: whole[:-1], "a truncated Parquet file"),
        (lambda whole: whole[:100], "a truncated Parquet file"),
        (lambda whole: b"clip,frame\n1,2\n", "not a Parquet file"),
        (lambda whole: b"PAR1PAR1", "unreadable Parquet content"),
        (lambda whole: b"PAR1" + b"\0" * 50 + b"PAR1", "unreadable Parquet content"),
        (lambda whole: whole[:200] + whole[-400:], "unreadable Parquet content"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: Callable[[bytes], bytes], message: str) -> None:
    path = write(tmp_path)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        read_cache(tmp_path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert str(caught.value).isprintable()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("cache")
    path = write(root)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(InputError):
        read_cache(root)


def test_no_folder_and_no_clips_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for read in (list_clips, read_cache, lambda root: read_clip(root, "a")):
        with pytest.raises(InputError, match=r"nowhere: no such folder; .*check the path"):
            read(tmp_path / "nowhere")
        with pytest.raises(InputError, match="file: is not a folder"):
            read(tmp_path / "file")
    assert list_clips(tmp_path / "empty") == []
    with pytest.raises(InputError, match="empty: no clips to read; "):
        read_cache(tmp_path / "empty")
    with pytest.raises(InputError, match="no clips to read"):
        read_cache(tmp_path / "empty", [])


def test_absent_and_repeated_ids_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a")
    with pytest.raises(InputError, match=r"1 of 2 clips are not in this cache: 'b'; "):
        read_cache(tmp_path, ["a", "b"])
    with pytest.raises(InputError, match=r"5 of 6 clips are not in this cache: '1', '2', '3' and 2 more; "):
        read_cache(tmp_path, ["a", *"12345"])
    with pytest.raises(InputError, match=r"asked for 'a', 'b' more than once; "):
        read_cache(tmp_path, ["a", "b", "c", "a", "b"])


def test_links_are_followed_inside_the_cache_only(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "a")
    write(tmp_path / "cache", "b")
    rewrite(tmp_path / "cache" / "b.parquet", lambda table: table)
    link = tmp_path / "cache" / "a.parquet"
    link.symlink_to(outside)
    with pytest.raises(InputError, match=r"a\.parquet: a symbolic link that leaves the cache; copy"):
        read_cache(tmp_path / "cache")
    link.unlink()
    (tmp_path / "cache" / "sub").mkdir()
    write(tmp_path / "outside", "a").replace(tmp_path / "cache" / "sub" / "stored")
    link.symlink_to(Path("sub", "stored"))
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    assert read_cache(tmp_path / "link").clip_ids == ["a", "b"]


def test_writing_over_a_link_replaces_the_link_not_its_target(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("keep me")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "clip.parquet").symlink_to(outside)
    write(tmp_path / "cache")
    assert outside.read_text() == "keep me"
    assert read_cache(tmp_path / "cache").clip_ids == ["clip"]


def test_a_stray_file_with_an_impossible_name_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a").rename(tmp_path / "a\nb.parquet")
    with pytest.raises(InputError, match=r"clip id 'a\\nb' holds '\\n'"):
        read_cache(tmp_path)
