"""The feature cache: wrong files are not read, each for one clear reason."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from poses.cache.feature_cache import OtherKind, list_features, read_feature_provenance, read_features, write_features
from poses.cache.keypoint_cache import Provenance, write_clip
from tests.poses.cache.cache_clips import rewrite, with_column
from tests.poses.cache.feature_clips import PROVENANCE, numbers, spoiled, write


def metadata(**changes: Any) -> Callable[[pa.Table], pa.Table]:
    return raw_metadata(json.dumps({"format_version": 1, "source": "s", "extractor": "e", **changes}))


def raw_metadata(text: str | bytes) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.replace_schema_metadata({"feature_cache": text})


def column(name: str, values: Any, kind: Any = None) -> Callable[[pa.Table], pa.Table]:
    return lambda table: with_column(table, name, pa.array(values, kind))


ROWS = numbers().tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata(None), "no 'feature_cache' in the file's metadata"),
        (raw_metadata("{"), "is not a JSON object"),
        (raw_metadata(b"\xff\xfe"), "is not a JSON object"),
        (raw_metadata("[" * 100_000), "is not a JSON object"),
        (raw_metadata("[1]"), "is not a JSON object"),
        (metadata(format_version=2), "format version 2, newer than 1, which this program reads; update"),
        (metadata(format_version=0), "format version 0, this program reads version 1"),
        (metadata(format_version="1"), "format version '1'"),
        (metadata(format_version=True), "format version True"),
        (metadata(source=None), "names no source or no extractor"),
        (metadata(extractor=""), "names no source or no extractor"),
        (metadata(weights_sha256=3), "or not in words"),
        (lambda table: table.drop_columns(["window"]), "no column 'window'"),
        (lambda table: table.drop_columns(["clip_id", "features"]), "no column 'clip_id', 'features'"),
        (lambda table: table.append_column("window", table["window"]), "'window', or has it twice"),
        (lambda table: table.slice(0, 0), "no rows, which no clip has"),
        (column("clip_id", [1] * 3), "column clip_id holds int64 instead of strings"),
        (column("clip_id", ["other"] * 3), "column clip_id says 'other', not 'clip'"),
        (column("clip_id", ["clip", "clip", "other"]), "column clip_id says 'clip', 'other'"),
        (column("clip_id", ["clip", "clip", None]), "column clip_id says 'clip', 'None'"),
        (column("window", [0.0, 1.0, 2.0]), "column window holds double instead of int32"),
        (column("window", [0, 2, 1]), "column window does not count 0, 1, ..., 2"),
        (column("window", [1, 2, 3]), "column window does not count"),
        (column("window", [0, 1, None]), "column window does not count"),
        (column("features", [0.0] * 3), "column features holds double instead of lists"),
        (column("features", [["a"]] * 3), "column features holds string instead of float"),
        (column("features", [[]] * 3, pa.list_(pa.float32())), "lists of 0 numbers instead of one length"),
        (column("features", [*ROWS[:2], ROWS[2][:3]]), "lists of 3 and 4 numbers instead of one length"),
        (column("features", [*ROWS[:2], None]), "column features holds nulls"),
        (column("features", [*ROWS[:2], [*ROWS[2][:3], None]]), "column features holds nulls"),
        (column("features", spoiled(1, np.nan).tolist()), "window 1: holds nan"),
        (column("features", spoiled(2, np.inf).tolist()), "window 2: holds inf"),
        (column("features", [[1e39] * 4] * 3, pa.list_(pa.float64())), "window 0: holds inf"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    path = write(tmp_path)
    write(tmp_path, "good")
    rewrite(path, change)
    with pytest.raises(InputError) as caught:
        read_features(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert ";" in str(caught.value)  # what to do
    assert str(caught.value).isprintable()
    assert read_features(tmp_path, ["good"]).clip_ids == ["good"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "an empty file (0 bytes)"),
        (lambda whole: whole[:-1], "a truncated Parquet file"),
        (lambda whole: b"clip,window\n1,2\n", "not a Parquet file"),
        (lambda whole: b"PAR1PAR1", "unreadable Parquet content"),
        (lambda whole: whole[:200] + whole[-400:], "unreadable Parquet content"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: Callable[[bytes], bytes], message: str) -> None:
    path = write(tmp_path)
    path.write_bytes(content(path.read_bytes()))
    for read in (read_features, lambda root: read_feature_provenance(root, "clip")):
        with pytest.raises(InputError) as caught:
            read(tmp_path)
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
        read_features(root)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((3, 5), {}, "holds 3 windows of 5 numbers by I3D"),
        ((2, 4), {}, "holds 2 windows of 4 numbers by I3D"),
        ((3, 4), {"extractor": "S3D (weights.pt)"}, "4 numbers by S3D"),
        ((3, 4), {"weights_sha256": "1" * 64}, "weights 111111111111, a.parquet holds 3 windows of 4 numbers"),
        ((3, 4), {"weights_sha256": None}, "weights without hash, a.parquet holds"),
    ],
)
def test_clips_made_in_different_ways_are_named(
    tmp_path: Path, shape: tuple[int, int], changes: dict[str, Any], message: str
) -> None:
    for clip_id in "abd":
        write(tmp_path, clip_id)
    write_features(tmp_path, "c", numbers(*shape), replace(PROVENANCE, **changes))
    with pytest.raises(InputError) as caught:
        read_features(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'c.parquet'}: ")
    assert message in str(caught.value)
    assert read_features(tmp_path, ["d", "a", "b"]).features.shape == (3, 3, 4)


def test_no_folder_no_clips_and_wrong_ids(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for read in (list_features, read_features):
        with pytest.raises(InputError, match=r"nowhere: no such folder; .*check the path"):
            read(tmp_path / "nowhere")
        with pytest.raises(InputError, match="file: is not a folder"):
            read(tmp_path / "file")
    assert list_features(tmp_path / "empty") == []
    with pytest.raises(InputError, match="empty: no clips to read; "):
        read_features(tmp_path / "empty")
    write(tmp_path, "a")
    with pytest.raises(InputError, match="no clips to read"):
        read_features(tmp_path, [])
    with pytest.raises(InputError, match=r"5 of 6 clips are not in this cache: '1', '2', '3' and 2 more; "):
        read_features(tmp_path, ["a", *"12345"])
    with pytest.raises(InputError, match=r"asked for 'a', 'b' more than once; "):
        read_features(tmp_path, ["a", "b", "c", "a", "b"])


def test_what_is_no_clip_is_not_listed(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / ".b.parquet.12.tmp").touch()
    (tmp_path / ".c.parquet").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "d.parquet").mkdir()
    assert list_features(tmp_path) == read_features(tmp_path).clip_ids == ["a"]


def test_a_renamed_clip_and_an_impossible_name(tmp_path: Path) -> None:
    write(tmp_path, "a").rename(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: its column clip_id says 'a', not 'b'"):
        read_features(tmp_path)
    (tmp_path / "b.parquet").rename(tmp_path / "a\nb.parquet")
    with pytest.raises(InputError, match=r"clip id 'a\\nb' holds '\\n'"):
        read_features(tmp_path)


def test_links_are_followed_inside_the_cache_only(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "a")
    write(tmp_path / "cache", "b")
    link = tmp_path / "cache" / "a.parquet"
    link.symlink_to(outside)
    with pytest.raises(InputError, match=r"a\.parquet: a symbolic link that leaves the cache; copy"):
        read_features(tmp_path / "cache")
    link.unlink()
    (tmp_path / "cache" / "sub").mkdir()
    outside.replace(tmp_path / "cache" / "sub" / "stored")
    link.symlink_to(Path("sub", "stored"))
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    assert read_features(tmp_path / "link").clip_ids == ["a", "b"]


def test_keypoints_are_no_features(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path, "a", xy=np.ones((2, 15, 2)), confidence=None, frame=[0, 1], provenance=Provenance("test")
    )
    with pytest.raises(OtherKind, match=r"a\.parquet: holds keypoints, not features; give the folder of a feature"):
        read_feature_provenance(tmp_path, "a")
    with pytest.raises(InputError, match="holds keypoints, not features"):
        read_features(tmp_path)
    assert path.exists()
