"""Made-up clips that the tests of the keypoint cache write, damage and compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poses.cache.keypoint_cache import PoseTable, Provenance, write_clip

REPO = Path(__file__).resolve().parents[3]
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
