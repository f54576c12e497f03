"""The feature cache: what is written comes back, and nothing wrong gets in or out."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
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
from poses.cache.clip_files import clip_path
from poses.cache.feature_cache import (
    FeatureProvenance,
    FeatureTable,
    list_features,
    read_feature_provenance,
    read_features,
    write_features,
)
from tests.conftest import REPO
from tests.poses.cache.cache_clips import rewrite, with_column
from tests.poses.cache.feature_clips import PROVENANCE, numbers, spoiled, write

# What is written comes back -------------------------------------------------------------------------------------------


def test_clips_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    for seed, clip_id in enumerate(["b", "a", "c d", "跳水"]):
        write(tmp_path / "new" / "cache", clip_id, seed, media=clip_id)
    root = tmp_path / "new" / "cache"
    assert list_features(root) == ["a", "b", "c d", "跳水"]
    table = read_features(root, ["c d", "a"])
    assert isinstance(table, FeatureTable)
    assert table.clip_ids == ["c d", "a"]
    assert table.features.shape == (2, 3, 4)
    assert table.features.dtype == np.float32
    assert table.features.flags.writeable
    np.testing.assert_array_equal(table.features, [numbers(seed=2), numbers(seed=1)])
    assert table.provenance == [replace(PROVENANCE, media="c d"), replace(PROVENANCE, media="a")]
    np.testing.assert_array_equal(read_features(root).features, [numbers(seed=seed) for seed in (1, 0, 2, 3)])
    assert read_feature_provenance(root, "a") == replace(PROVENANCE, media="a")
    assert read_feature_provenance(root, "nothing") is None


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_clip_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    shape = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
    size = shape[0] * shape[1]
    features = np.array(data.draw(st.lists(finite, min_size=size, max_size=size)), np.float32).reshape(shape)
    words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    provenance = FeatureProvenance(data.draw(words), data.draw(words), *(data.draw(st.none() | words) for _ in "wlsm"))
    root = tmp_path_factory.mktemp("cache")
    write_features(root, "clip", features, provenance)
    table = read_features(root)
    np.testing.assert_array_equal(table.features, features[None])
    assert table.provenance == [provenance]


def test_the_file_holds_what_the_documentation_says(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert path == clip_path(tmp_path, "clip") == tmp_path / "clip.parquet"
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    assert schema.names == ["clip_id", "window", "features"]
    assert schema.field("clip_id").type == pa.dictionary(pa.int32(), pa.string())
    assert schema.field("window").type == pa.int32()
    assert (schema.field("features").type.list_size, schema.field("features").type.value_type) == (4, pa.float32())
    assert json.loads(schema.metadata[b"feature_cache"]) == {
        "format_version": 1,
        "source": "test",
        "extractor": "I3D (weights.pt)",
        "weights_sha256": "0" * 64,
        "weights_licence": "MIT",
        "settings": '{"windows": {}}',
        "media": "fingerprint",
    }
    assert file.metadata.num_row_groups == 1
    write(tmp_path, "another", 1)
    frame = pd.read_parquet(tmp_path)
    assert frame.groupby("clip_id", observed=True).size().to_dict() == {"another": 3, "clip": 3}
    features = np.stack(list(frame["features"])).reshape(2, 3, 4)
    np.testing.assert_array_equal(features, read_features(tmp_path).features)


def other_types(table: pa.Table) -> pa.Table:
    table = with_column(table, "clip_id", table["clip_id"].cast(pa.large_string()))
    table = with_column(table, "features", table["features"].cast(pa.large_list(pa.float64())))
    return with_column(table, "window", table["window"].cast(pa.int64())).append_column("note", pa.nulls(len(table)))


@pytest.mark.parametrize("change", [other_types, lambda table: table])
@pytest.mark.parametrize("options", [{}, {"row_group_size": 2}, {"compression": "zstd", "store_schema": False}])
def test_what_other_tools_make_of_a_clip_is_read_alike(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], options: dict[str, Any]
) -> None:
    rewrite(write(tmp_path), change, **options)
    np.testing.assert_array_equal(read_features(tmp_path).features[0], numbers())


# Wrong arrays and ids are not written ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (spoiled(1, np.nan), "window 1: holds nan, which is no finite number"),
        (spoiled(2, -np.inf), "window 2: holds -inf"),
        (np.full((2, 3), 1e39), "window 0: holds inf"),
        (np.zeros(4), r"the shape \[4\]; give \[W, C\]"),
        (np.zeros((1, 3, 4)), r"the shape \[1, 3, 4\]"),
        (np.zeros((0, 4)), r"the shape \[0, 4\]"),
        (np.zeros((4, 0)), r"the shape \[4, 0\]"),
        ([[1], [1, 2]], "features do not hold numbers"),
        ([["a"]], "features do not hold numbers"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, features: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"clip 'clip' not written: .*{message}") as caught:
        write_features(tmp_path / "cache", "clip", features, PROVENANCE)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("changes", [{"source": ""}, {"extractor": ""}, {"media": cast(str, Path("a"))}])
def test_a_provenance_that_says_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="names no source or no extractor, or not in words"):
        write(tmp_path / "cache", **changes)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("clip_id", ["", "..", "../x", "a/b", "a\\b", ".hidden", "a\nb", "é" * 101])
def test_ids_that_are_no_plain_names_are_refused(tmp_path: Path, clip_id: str) -> None:
    write(tmp_path / "cache")
    for use in (
        lambda: write(tmp_path / "cache", clip_id),
        lambda: read_features(tmp_path / "cache", [clip_id]),
        lambda: read_feature_provenance(tmp_path / "cache", clip_id),
    ):
        with pytest.raises(InputError, match=r"clip id .*; "):
            use()
    assert [path.name for path in tmp_path.rglob("*.parquet")] == ["clip.parquet"]


# Writing is atomic ----------------------------------------------------------------------------------------------------


def run_python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_write_other_clips_and_the_same_clip_at_once(tmp_path: Path) -> None:
    code = """
        import sys, numpy as np
        from poses.cache.feature_cache import FeatureProvenance, write_features
        root, name = sys.argv[1:]
        print("ready", flush=True)
        for i in range(60):
            for clip in (f"{name}_{i}", "shared"):
                write_features(root, clip, np.full((10, 1024), float(ord(name))), FeatureProvenance(name, "e"))
        """
    write_features(tmp_path, "shared", np.full((10, 1024), float(ord("c"))), FeatureProvenance("c", "e"))
    writers = [run_python(code, str(tmp_path), name) for name in "ab"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    seen = set()
    while any(writer.poll() is None for writer in writers):
        table = read_features(tmp_path, ["shared"])
        seen.add(table.provenance[0].source)
        assert (table.features == ord(table.provenance[0].source)).all()  # never half of one and half of the other
        read_features(tmp_path)
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["", ""]
    assert seen & {"a", "b"}
    assert len(list(tmp_path.iterdir())) == len(read_features(tmp_path).clip_ids) == 121


@pytest.mark.parametrize("step", ["open", "replace", "mkdir"])
@pytest.mark.parametrize("number", [28, 30, 13])  # no space left, read-only file system, permission denied
def test_a_failing_file_system_leaves_the_old_clip_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    before = write(tmp_path).read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(InputError, match=rf"clip.parquet: cannot be written \({os.strerror(number)}\); check"):
        write(tmp_path, seed=1)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["clip.parquet"]
    assert (tmp_path / "clip.parquet").read_bytes() == before


def test_writing_over_a_link_replaces_the_link_not_its_target(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("keep me")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "clip.parquet").symlink_to(outside)
    write(tmp_path / "cache")
    assert outside.read_text() == "keep me"
    assert read_features(tmp_path / "cache").clip_ids == ["clip"]


def test_a_cache_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(InputError, match="cannot be written"):
            write(root)
