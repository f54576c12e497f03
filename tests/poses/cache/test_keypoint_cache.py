"""The keypoint cache: what is written comes back, and nothing wrong gets in or out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from poses.cache.keypoint_cache import (
    Provenance,
    check_clip_id,
    clip_path,
    list_clips,
    read_cache,
    read_clip,
    write_clip,
)
from tests.poses.cache.cache_clips import PROVENANCE, arrays, assert_same, rewrite, with_column, write

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
        "weights_licence": None,
        "detector_sha256": None,
        "detector_licence": None,
        "settings": None,
        "media": None,
    }
    assert file.metadata.num_row_groups == 1
    table = file.read()
    assert table["time"].null_count == 5
    assert table["confidence"].to_pylist() == [[None] * 15] * 5
    nobody = [row for row in table["xy"].to_pylist() if None in row]
    assert nobody == [[None] * 30]  # missing joints are NaN


def test_filled_in_rows_are_marked_in_a_column_of_their_own(tmp_path: Path) -> None:
    marks = np.array([False, True, True, False, False])
    path = write(tmp_path, "a", interpolated=marks)
    write(tmp_path, "b")
    assert pq.read_schema(path).names[-1] == "interpolated"
    table = read_cache(tmp_path)
    np.testing.assert_array_equal(table.interpolated, [*marks, *[False] * 5])
    with pytest.raises(InputError, match="interpolated must be booleans"):
        write(tmp_path, "c", interpolated=[0, 1, 1, 0, 0])
    with pytest.raises(InputError, match=r"interpolated has the shape \[4\]"):
        write(tmp_path, "c", interpolated=marks[:4])
    column = pa.array([None, 1, 0, 0, 1], pa.int32())
    rewrite(path, lambda table: table.set_column(6, "interpolated", column))
    with pytest.raises(InputError, match="column interpolated holds int32"):
        read_clip(tmp_path, "a")


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
