"""The full check of a cache: every broken rule is named, and one bad clip does not hide the next."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errors import InputError
from poses.cache.cache_check import Problem, check_cache
from poses.cache.keypoint_cache import Provenance, read_cache, write_clip


def write(root: Path, clip_id: str, frames: int = 4, persons: int = 1, **changes: Any) -> Path:
    generator = np.random.default_rng(0)
    clip = {
        "xy": generator.uniform(1, 500, (frames * persons, 15, 2)),
        "confidence": None,
        "frame": np.tile(np.arange(frames), persons) + 10,
        "person": np.repeat(np.arange(persons), frames),
    }
    return write_clip(root, clip_id, **{**clip, **changes}, provenance=Provenance("test"))


def set_column(path: Path, name: str, change: Callable[[list[Any]], object]) -> None:
    table = pq.read_table(path)
    values = table[name].to_pylist()
    change(values)
    column = pa.array(values, table.schema.field(name).type)
    pq.write_table(table.set_column(table.schema.names.index(name), name, column), path)


def test_a_sound_cache_has_no_problems(tmp_path: Path) -> None:
    write(tmp_path, "one", confidence=np.ones((4, 15)), time=np.arange(4) / 25)
    xy = np.random.default_rng(1).uniform(-5, 500, (8, 15, 2))
    xy[:2] = np.nan
    xy[5, 3:9] = np.nan
    write(tmp_path, "two persons", persons=2, xy=xy)
    assert list(check_cache(tmp_path)) == []


def test_the_check_goes_on_after_bad_clips_and_bad_rules(tmp_path: Path) -> None:
    for clip in "abcdef":
        write(tmp_path, clip)
    (tmp_path / "a.parquet").write_bytes(b"")
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[:500])
    (tmp_path / "c.parquet").rename(tmp_path / "g.parquet")
    set_column(tmp_path / "d.parquet", "xy", lambda rows: rows[2].__setitem__(0, float("inf")))
    set_column(tmp_path / "d.parquet", "xy", lambda rows: rows[3].__setitem__(1, float("nan")))
    set_column(tmp_path / "d.parquet", "confidence", lambda rows: rows[1].__setitem__(14, 2.0))
    set_column(tmp_path / "d.parquet", "frame", lambda rows: rows.__setitem__(1, 10))
    (tmp_path / "e.parquet").unlink()
    (tmp_path / "e.parquet").symlink_to("/etc/hostname")
    problems = list(check_cache(tmp_path))
    again = "copy the file again, or write the clip with poses.cache.keypoint_cache.write_clip"
    assert problems[:2] == [
        Problem("a", None, f"an empty file (0 bytes); {again}"),
        Problem("b", None, f"a truncated Parquet file; {again}"),
    ]
    assert problems[2:6] == [
        Problem("d", 12, "person 0: infinite coordinate of right_ankle (missing joints are NaN)"),
        Problem("d", 13, "person 0: right_ankle has x but no y (a missing joint has neither)"),
        Problem("d", 10, "person 0: confidence 2 of head lies outside [0, 1]"),
        Problem("d", 10, "person 0: stands there twice (order rows by person, then frame)"),
    ]
    assert problems[6].clip == "e"
    assert "link that leaves the cache" in problems[6].what
    assert problems[7].clip == "g"
    assert "column clip_id says 'c', not 'g'" in problems[7].what
    assert len(problems) == 8


def test_whatever_the_reader_refuses_the_check_finds(tmp_path: Path) -> None:
    write(tmp_path, "a", persons=2)
    for change in (lambda rows: rows.__setitem__(6, 99), lambda rows: rows.__setitem__(0, -1)):
        path = write(tmp_path, "b", persons=2)
        set_column(path, "frame", change)
        with pytest.raises(InputError):
            read_cache(tmp_path)
        assert [problem.clip for problem in check_cache(tmp_path)] == ["b"]


def joints(row: int, joint: int | slice, value: Any) -> np.ndarray[Any, Any]:
    xy = np.random.default_rng(0).uniform(1, 500, (4, 15, 2))
    xy[row, joint] = value
    return xy


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"xy": joints(2, slice(None), 0)}, "clip, frame 12: person 0: all joints at one point (0, 0)"),
        ({"xy": joints(2, slice(4), [[7, 8]])}, None),
        ({"xy": joints(2, slice(2, 15), np.nan) * 0 + 7}, "all joints at one point (7, 7) (and 3 more rows)"),
        ({"xy": joints(1, slice(1, 15), np.nan)}, None),
        ({"xy": joints(3, 4, 0)}, "frame 13: person 0: left_hip at exactly (0, 0) with a confidence other than 0;"),
        ({"xy": joints(3, 4, 0), "confidence": np.zeros((4, 15))}, None),
        ({"time": [0.0, 0.1, 0.1, np.nan]}, "clip, frame 12: person 0: time 0.1 s does not come after 0.1 s"),
        ({"time": [0.0, np.nan, 0.1, 0.2]}, None),
        ({"xy": np.full((4, 15, 2), np.nan)}, "clip: person 0: a pose in 0 of 4 frames, at least 2 needed"),
        ({"frames": 1}, None),  # a photograph
        (
            {"xy": np.full((1, 15, 2), np.nan), "frames": 1},
            "clip: person 0: a pose in 0 of 1 frames, at least 1 needed",
        ),
    ],
)
def test_what_the_reader_accepts_but_makes_no_sense(
    tmp_path: Path, changes: dict[str, Any], problem: str | None
) -> None:
    write(tmp_path, "clip", **changes)
    read_cache(tmp_path)
    problems = [str(found) for found in check_cache(tmp_path)]
    assert len(problems) == (problem is not None)
    assert not problems or (problem or "") in problems[0]


def test_each_person_is_judged_alone(tmp_path: Path) -> None:
    xy = np.random.default_rng(0).uniform(1, 500, (12, 15, 2))
    xy[4:7] = np.nan
    write(tmp_path, "clip", persons=3, xy=xy)
    assert [str(problem) for problem in check_cache(tmp_path)] == [
        "clip: person 1: a pose in 1 of 4 frames, at least 2 needed"
    ]


def test_a_name_that_would_spoil_the_terminal_is_quoted(tmp_path: Path) -> None:
    write(tmp_path, "a").rename(tmp_path / "a\x1b[2J.parquet")
    (problem,) = check_cache(tmp_path)
    assert str(problem).isprintable()
    assert "rename the clip" in str(problem)


def test_there_must_be_a_cache(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clips to check"):
        list(check_cache(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        list(check_cache(tmp_path / "nowhere"))
