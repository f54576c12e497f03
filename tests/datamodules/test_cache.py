"""The keypoint cache: what is written comes back, and nothing wrong gets in or out."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.cache import (
    PoseTable,
    Provenance,
    check_clip_id,
    clip_path,
    list_clips,
    read_cache,
    read_clip,
    write_clip,
)
from errors import InputError

REPO = Path(__file__).resolve().parents[2]
PROVENANCE = Provenance("test", "detector", "estimator", "0" * 64)


def arrays(frames: int = 5, persons: int = 1, seed: int = 0) -> dict[str, Any]:
    """Arguments of write_clip: a person not found in one frame, some joints missing, some confidences unknown."""
    generator = np.random.default_rng(seed)
    rows = frames * persons
    xy = generator.uniform(-10, 1000, (rows, 15, 2)).astype(np.float32)
    xy[generator.random((rows, 15)) < 0.1] = np.nan
    xy[rows // 2] = np.nan
    confidence = generator.random((rows, 15), dtype=np.float32)
    confidence[0, 3] = np.nan
    frame = np.tile(np.arange(frames, dtype=np.int32) + 7, persons)
    return {
        "xy": xy,
        "confidence": confidence,
        "frame": frame,
        "person": np.repeat(np.arange(persons, dtype=np.int32), frames),
        "time": frame / 25,
    }


def write(root: Path, clip_id: str = "clip", **changes: Any) -> Path:
    return write_clip(root, clip_id, **{**arrays(), "provenance": PROVENANCE, **changes})


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    table = change(pq.read_table(path))
    group = options.pop("row_group_size", None)
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        writer.add_key_value_metadata(table.schema.metadata or {})  # store_schema=False leaves them out
        writer.write_table(table, group)


def with_column(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.names.index(name), name, column)


def assert_same(table: PoseTable, clips: dict[str, dict[str, Any]]) -> None:
    """Against a loop over clips, persons and rows."""
    row = track = 0
    assert table.clip_ids == list(clips)
    for index, clip in enumerate(clips.values()):
        for person in np.unique(clip["person"]):
            assert table.track_clip[track] == index
            assert table.track_person[track] == person
            assert table.track_start[track] == row
            track += 1
            for i in np.flatnonzero(clip["person"] == person):
                np.testing.assert_array_equal(table.xy[row], clip["xy"][i])
                np.testing.assert_array_equal(table.confidence[row], clip["confidence"][i])
                np.testing.assert_array_equal(table.time[row], clip["time"][i])
                assert table.frame[row] == clip["frame"][i]
                row += 1
    assert table.track_start.tolist()[track:] == [row]
    assert len(table.xy) == len(table.confidence) == len(table.frame) == len(table.time) == row
    assert len(table.track_clip) == len(table.track_person) == track


# What is written comes back -------------------------------------------------------------------------------------------


def test_clips_with_different_lengths_and_persons_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    clips = {"b": arrays(5, 1, 1), "a": arrays(3, 2, 2), "c d": arrays(1, 3, 3), "é": arrays(8, 2, 4)}
    for clip_id, clip in clips.items():
        write_clip(tmp_path, clip_id, **clip, provenance=Provenance(clip_id))
    assert list_clips(tmp_path) == ["a", "b", "c d", "é"]
    table = read_cache(tmp_path, list(clips))
    assert_same(table, clips)
    assert table.provenance == [Provenance(clip_id) for clip_id in clips]
    assert_same(read_cache(tmp_path), {clip_id: clips[clip_id] for clip_id in list_clips(tmp_path)})
    assert_same(read_clip(tmp_path, "a"), {"a": clips["a"]})


def test_types_and_shapes_are_those_promised(tmp_path: Path) -> None:
    write(tmp_path)
    table = read_cache(tmp_path)
    assert table.xy.shape == (5, 15, 2)
    assert table.confidence.shape == (5, 15)
    assert [array.dtype.name for array in (table.xy, table.confidence, table.frame, table.time)] == [
        "float32",
        "float32",
        "int32",
        "float64",
    ]
    assert {array.dtype.name for array in (table.track_clip, table.track_person, table.track_start)} == {"int64"}
    assert table.provenance == [PROVENANCE]
    assert table.xy.flags.writeable


def test_defaults_are_person_0_and_everything_else_unknown(tmp_path: Path) -> None:
    write_clip(tmp_path, "c", xy=np.ones((2, 15, 2)), confidence=None, frame=[0, 1], provenance=Provenance("s"))
    table = read_clip(tmp_path, "c")
    assert np.isnan(table.confidence).all()
    assert np.isnan(table.time).all()
    assert table.track_person.tolist() == [0]
    assert table.provenance == [Provenance("s", None, None, None)]


coordinates = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_clip_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    frames = sorted(data.draw(st.sets(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=4)))
    persons = sorted(data.draw(st.sets(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=3)))
    rows = len(frames) * len(persons)
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = np.array(data.draw(st.lists(coordinates, min_size=rows, max_size=rows)), dtype=np.float32)
    xy = np.repeat(x, 30).reshape(rows, 15, 2) + draw.random((rows, 15, 2), dtype=np.float32)
    xy[draw.random((rows, 15)) < 0.3] = np.nan
    confidence = draw.random((rows, 15), dtype=np.float32)
    confidence[draw.random((rows, 15)) < 0.3] = np.nan
    times = st.floats(-1e9, 1e9) | st.just(float("nan"))
    clip = {
        "xy": xy,
        "confidence": confidence,
        "frame": np.tile(frames, len(persons)),
        "person": np.repeat(persons, len(frames)),
        "time": np.array(data.draw(st.lists(times, min_size=rows, max_size=rows))),
    }
    words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    provenance = Provenance(data.draw(words), *(data.draw(st.none() | words) for _ in range(3)))
    root = tmp_path_factory.mktemp("cache")
    write_clip(root, "clip", **clip, provenance=provenance)
    table = read_cache(root)
    assert_same(table, {"clip": clip})
    assert table.provenance == [provenance]


@settings(max_examples=60, deadline=None)
@given(clip_id=st.text(max_size=60))
def test_any_id_is_refused_or_serves_as_a_name(tmp_path_factory: pytest.TempPathFactory, clip_id: str) -> None:
    root = tmp_path_factory.mktemp("cache")
    try:
        check_clip_id(clip_id)
        message = ""
    except InputError as error:
        message = str(error)
    if message:
        assert message.isprintable()
        with pytest.raises(InputError):
            write(root, clip_id)
        assert not list(root.parent.glob("*.parquet"))
        return
    path = write(root, clip_id)
    assert path == clip_path(root, clip_id)
    assert path.parent == root
    assert list_clips(root) == [clip_id]
    assert read_clip(root, clip_id).clip_ids == [clip_id]


@pytest.mark.parametrize(
    "clip_id", ["diving_001", "FINA 2019", "跳水", "27_2020-11-28_1", "a..b", "x.parquet", "é" * 100]
)
def test_ordinary_ids_are_fine(clip_id: str) -> None:
    check_clip_id(clip_id)


@pytest.mark.parametrize(
    "clip_id",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        ".hidden",
        "a\0b",
        "a\nb",
        "a\x1b[0m",
        "a\u2028b",
        "é" * 101,
        "\ud800",
    ],
)
@pytest.mark.parametrize(
    "use", [check_clip_id, lambda name: clip_path("cache", name), lambda name: read_clip(".", name)]
)
def test_ids_that_are_no_plain_names_are_refused(clip_id: str, use: Callable[[str], object]) -> None:
    with pytest.raises(InputError, match=r"clip id .*; "):
        use(clip_id)


# The format, as other tools see it ------------------------------------------------------------------------------------


def test_the_file_holds_what_the_documentation_says(tmp_path: Path) -> None:
    path = write(tmp_path, confidence=None, time=None)
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    assert schema.names == ["clip_id", "person", "frame", "time", "xy", "confidence"]
    assert schema.field("clip_id").type == pa.dictionary(pa.int32(), pa.string())
    assert schema.field("person").type == schema.field("frame").type == pa.int32()
    assert schema.field("time").type == pa.float64()
    assert (schema.field("xy").type.list_size, schema.field("xy").type.value_type) == (30, pa.float32())
    assert (schema.field("confidence").type.list_size, schema.field("confidence").type.value_type) == (15, pa.float32())
    assert json.loads(schema.metadata[b"pose_cache"]) == {
        "format_version": 1,
        "skeleton": "gcn-psn-15",
        "source": "test",
        "detector": "detector",
        "estimator": "estimator",
        "weights_sha256": "0" * 64,
    }
    assert file.metadata.num_row_groups == 1
    table = file.read()
    assert table["time"].null_count == 5
    assert table["confidence"].to_pylist() == [[None] * 15] * 5
    nobody = [row for row in table["xy"].to_pylist() if None in row]
    assert nobody == [[None] * 30]  # missing joints are NaN


def test_pandas_reads_a_clip_and_a_whole_cache(tmp_path: Path) -> None:
    clips = {"a": arrays(4, 2, 1), "b": arrays(3, 1, 2)}
    for clip_id, clip in clips.items():
        write_clip(tmp_path, clip_id, **clip, provenance=PROVENANCE)
    frame = pd.read_parquet(tmp_path)
    assert frame.groupby("clip_id", observed=True).size().to_dict() == {"a": 8, "b": 3}
    ours = read_cache(tmp_path)
    np.testing.assert_array_equal(np.stack(list(frame["xy"])).reshape(-1, 15, 2), ours.xy)
    np.testing.assert_array_equal(np.stack(list(frame["confidence"])), ours.confidence)


def plain_lists(table: pa.Table) -> pa.Table:
    table = with_column(table, "clip_id", table["clip_id"].cast(pa.large_string()))
    table = with_column(table, "xy", table["xy"].cast(pa.large_list(pa.float64())))
    table = with_column(table, "confidence", table["confidence"].cast(pa.list_(pa.float32())))
    return with_column(table, "frame", table["frame"].cast(pa.int64())).append_column("note", pa.nulls(len(table)))


def null_lists(table: pa.Table) -> pa.Table:
    rows = [None if None in row else row for row in table["xy"].to_pylist()]
    return with_column(table, "xy", pa.array(rows, pa.list_(pa.float32())))


def null_joints(table: pa.Table) -> pa.Table:
    rows = [[None if value != value else value for value in row] for row in table["xy"].to_pylist()]
    return with_column(table, "xy", pa.array(rows, pa.list_(pa.float32(), 30)))


def through_pandas(table: pa.Table) -> pa.Table:
    return pa.Table.from_pandas(table.to_pandas()).replace_schema_metadata(table.schema.metadata)


@pytest.mark.parametrize("change", [plain_lists, null_lists, null_joints, through_pandas, lambda table: table])
@pytest.mark.parametrize("options", [{}, {"row_group_size": 3}, {"compression": "zstd", "store_schema": False}])
def test_what_other_tools_make_of_a_clip_is_read_alike(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], options: dict[str, Any]
) -> None:
    clip = arrays(6, 2)
    path = write(tmp_path, **clip)
    rewrite(path, change, **options)
    assert_same(read_cache(tmp_path), {"clip": clip})


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 30), pa.list_(pa.null())])
def test_a_person_never_found_may_be_null_throughout(tmp_path: Path, kind: pa.DataType) -> None:
    path = write(tmp_path)
    nothing = [[None] * 30] * 5 if pa.types.is_fixed_size_list(kind) else [None] * 5
    rewrite(path, lambda table: with_column(table, "xy", pa.array(nothing, kind)))
    assert np.isnan(read_cache(tmp_path).xy).all()


@pytest.mark.parametrize("column", ["confidence", "time"])
def test_a_column_of_nulls_without_a_type_is_unknown(tmp_path: Path, column: str) -> None:
    kind = pa.null() if column == "time" else pa.list_(pa.null())
    path = write(tmp_path)
    rewrite(path, lambda table: with_column(table, column, pa.nulls(len(table), kind)))
    table = read_cache(tmp_path)
    assert np.isnan(getattr(table, column)).all()


# Wrong arrays are not written -----------------------------------------------------------------------------------------


def changed(name: str, index: Any, value: Any) -> dict[str, Any]:
    array = arrays()[name].copy()
    array[index] = value
    return {name: array}


two = arrays(3, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (changed("xy", (1, 4, 0), np.inf), "person 0, frame 8: infinite coordinate of left_hip"),
        (changed("xy", (1, 4), -np.inf), "frame 8: infinite coordinate of left_hip"),
        ({"xy": np.full((5, 15, 2), 1e39)}, "frame 7: infinite coordinate of right_ankle"),
        (changed("xy", (1, 4), [np.nan, 1]), "frame 8: left_hip has y but no x"),
        (changed("xy", (1, 4), [1, np.nan]), "frame 8: left_hip has x but no y"),
        (changed("confidence", (3, 14), 1.5), "frame 10: confidence 1.5 of head lies outside"),
        (changed("confidence", (3, 14), -0.1), "frame 10: confidence -0.1 of head lies outside"),
        (changed("confidence", (3, 14), np.inf), "frame 10: confidence inf of head lies outside"),
        (changed("time", 2, np.inf), "frame 9: infinite time"),
        (changed("frame", 3, 9), "person 0, frame 9: stands there twice"),
        (changed("frame", 3, 5), "person 0, frame 5: comes after frame 9"),
        ({"person": np.array([1, 1, 0, 0, 0])}, "person 0, frame 9: comes after person 1"),
        ({**two, "frame": np.array([0, 1, 2, 0, 1, 3])}, "person 0, frame 2: person 1 has no row for it"),
        ({"person": np.array([0, 0, 0, 1, 1])}, "person 0, frame 7: person 1 has no row for it"),
        (
            {"person": np.array([0, 0, 1, 1, 1]), "frame": np.array([0, 1, 0, 1, 2])},
            "person 1, frame 2: person 0 has no",
        ),
        ({"xy": np.zeros((5, 30))}, r"xy has the shape \[5, 30\] instead of \[5, 15, 2\]"),
        ({"xy": np.zeros((5, 17, 2))}, r"xy has the shape"),
        ({"xy": np.full((5, 15, 2), "a")}, "xy does not hold numbers"),
        ({"xy": [[1], [1, 2]]}, "xy does not hold numbers"),
        ({"confidence": np.ones(5)}, r"confidence has the shape \[5\] instead of \[5, 15\]"),
        ({"time": np.ones(4)}, r"time has the shape \[4\]"),
        ({"person": np.zeros(4, int)}, r"person has the shape \[4\]"),
        ({"frame": np.arange(5.0)}, "frame must be integers"),
        ({"frame": np.arange(5) + 2**31}, "frame must be integers that fit into int32"),
        ({"frame": np.array(3)}, r"frame has the shape \[\]"),
        ({"frame": np.zeros(0, int)}, r"frame has the shape \[0\]"),
        ({"person": 0.5}, "person must be integers"),
        ({"provenance": Provenance("")}, "names no source"),
        ({"provenance": Provenance("s", estimator=cast(str, Path("weights")))}, "names no source, or not in words"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"clip 'clip' not written: .*{message}") as caught:
        write(tmp_path / "cache", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


# Writing is atomic ----------------------------------------------------------------------------------------------------


def run_python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_write_other_clips_and_the_same_clip_at_once(tmp_path: Path) -> None:
    code = """
        import sys, numpy as np
        from datamodules.cache import Provenance, write_clip
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
        from datamodules.cache import Provenance, write_clip
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


# Wrong files are not read ---------------------------------------------------------------------------------------------


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
