import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from datamodules.speed21 import Folds, Run, Speed21, convert_run, fold_of_runs, read_metadata, read_skeletons
from errors import InputError
from poses.cache.keypoint_cache import Provenance, list_clips, read_cache, read_clip, write_clip
from poses.skeleton import JOINTS
from tests.data.speed21.make import make

ROW = "{run};3;2019-04-12;1;https://x.test/;10.5;17.0;6.5;162;1;l;25"


def read_slowly(path: Path) -> tuple[list[int], NDArray[np.float64]]:
    frames, poses = [], []
    for line in path.read_text().splitlines():
        number, points = line.split("#")
        frames.append(int(number))
        pose = (
            [[float(value) for value in point.split(",")] for point in points.split(";")] if points != "NULL" else None
        )
        poses.append(np.full((16, 2), np.nan) if pose is None else np.array(pose))
    return frames, np.stack(poses)


def skeleton_file(folder: Path, *lines: str) -> Path:
    path = folder / "run.data"
    path.write_text("\n".join(lines) + "\n")
    return path


def pose(offset: float = 0.0) -> str:
    return ";".join(f"{i + offset},{2 * i - offset}" for i in range(16))


def complaint(function: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        function()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_without_a_pose_and_negative_coordinates(tmp_path: Path) -> None:
    frame, xy = read_skeletons(skeleton_file(tmp_path, f"3#{pose(-2.5)}", "4#NULL", f"5#{pose()}"))
    assert frame.tolist() == [3, 4, 5]
    assert xy[0, 0].tolist() == [-2.5, 2.5]
    assert np.isnan(xy[1]).all()
    assert xy[2, 15].tolist() == [15.0, 30.0]


def test_windows_line_ends_and_a_clip_without_any_pose(tmp_path: Path) -> None:
    path = tmp_path / "run.data"
    path.write_bytes(f"1#{pose()}\r\n2#NULL\r\n".encode())
    assert np.isfinite(read_skeletons(path)[1]).all(axis=(1, 2)).tolist() == [True, False]
    path.write_bytes(b"1#NULL\n2#NULL")
    assert np.isnan(read_skeletons(path)[1]).all()


@settings(deadline=None)
@given(
    st.lists(
        st.none() | st.lists(st.floats(-1e4, 1e4).map(lambda x: round(x, 3)), min_size=32, max_size=32),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 99),
)
def test_reading_equals_a_slow_reader(
    tmp_path_factory: pytest.TempPathFactory, poses: list[list[float] | None], first: int
) -> None:
    lines = [
        f"{first + i}#" + ("NULL" if p is None else ";".join(f"{x},{y}" for x, y in np.reshape(p, (16, 2)).tolist()))
        for i, p in enumerate(poses)
    ]
    path = skeleton_file(tmp_path_factory.mktemp("run"), *lines)
    frame, xy = read_skeletons(path)
    slow_frame, slow_xy = read_slowly(path)
    assert frame.tolist() == slow_frame
    np.testing.assert_array_equal(xy, slow_xy)


@pytest.mark.parametrize(
    "line",
    [
        "3#null",
        "3#",
        "3",
        "",
        f"3#{pose()};1,2",
        "3#" + ";".join(["1,2"] * 15),
        "3#" + pose().replace(",", ";"),
        "3#" + pose().replace("0.0,", ",", 1),
        "3#" + pose().replace("0.0,", "nan,", 1),
        "3#" + pose().replace("0.0,", "1e999,", 1),
        "3#" + pose().replace("0.0,", "1-2,", 1),
        f"x#{pose()}",
        f"3.5#{pose()}",
        f"{10**30}#{pose()}",
        f"#{pose()}",
        f"2#{pose()}",
        f"4#{pose()}",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = skeleton_file(tmp_path, f"1#{pose()}", "2#NULL", line, f"4#{pose()}")
    assert "run.data, line 3: " in complaint(lambda: read_skeletons(path))


def test_empty_and_missing_skeleton_files(tmp_path: Path) -> None:
    path = tmp_path / "run.data"
    assert "SPEED21 is" in complaint(lambda: read_skeletons(path))
    path.touch()
    assert "is empty" in complaint(lambda: read_skeletons(path))


def test_a_row_of_the_metadata(tmp_path: Path) -> None:
    (tmp_path / "metadata.txt").write_text(ROW.format(run="3_a_1") + "\n\n" + ROW.format(run="3_b_1"))
    runs = read_metadata(tmp_path)
    assert runs[0] == Run("3_a_1", 3, "2019-04-12", 6.5, "l", 25.0)
    assert [run.run_id for run in runs] == ["3_a_1", "3_b_1"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ROW.format(run="a"), "'a' is listed twice"),
        (ROW.format(run="b").replace("6.5", ""), "time_sec is ''"),
        (ROW.format(run="b").replace("6.5", "nan"), "time_sec is 'nan'"),
        (ROW.format(run="b").replace("6.5", "-6.5"), "time_sec is '-6.5'"),
        (ROW.format(run="b").replace(";25", ";0"), "fps is '0'"),
        (ROW.format(run="b").replace(";3;", ";x;"), "id_climber is 'x'"),
        (ROW.format(run="b").replace("2019-04-12", ""), "date is empty"),
        (ROW.format(run="b") + ";more", "has 13 columns"),
        ("b", "has 1 columns"),
        (ROW.format(run="../b"), "'../b'"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "metadata.txt").write_text(f"{ROW.format(run='a')}\n{row}\n")
    message = complaint(lambda: read_metadata(tmp_path))
    assert "metadata.txt, line 2: " in message
    assert says in message


def test_missing_metadata_says_where_to_get_it_and_the_next_command(tmp_path: Path) -> None:
    assert "python run.py fit --config speed21.yaml" in complaint(lambda: read_metadata(tmp_path))
    (tmp_path / "metadata.txt").write_bytes(b"\xff\xfe\x00")
    assert "metadata.txt" in complaint(lambda: read_metadata(tmp_path))
    (tmp_path / "metadata.txt").write_text("\n")
    assert "lists no run" in complaint(lambda: read_metadata(tmp_path))


def test_too_few_groups_for_five_folds() -> None:
    runs = [Run(f"r{i}", i % 4, f"day {i % 5}", 6.0, "l", 25.0) for i in range(20)]
    assert "metadata has 4" in complaint(lambda: fold_of_runs(runs, "climber"))
    assert sorted(set(fold_of_runs(runs, "event").tolist())) == [0, 1, 2, 3, 4]


def test_folds_are_numbered_0_to_4() -> None:
    assert "folds 0 to 4" in complaint(lambda: Speed21(fold=5))
    assert "folds 0 to 4" in complaint(lambda: Speed21(fold=-1))


@pytest.mark.parametrize("folds", ["climber", "event"])
def test_the_fixture_is_converted_read_and_trains(tmp_path: Path, folds: Folds) -> None:
    root = make(tmp_path)
    tests: list[str] = []
    for fold in range(5):
        data = Speed21(root=str(root), folds=folds, fold=fold, cache=str(tmp_path / "cache"), val_share=0.4)
        data.prepare_data()
        labels = data.labels()
        test = {label.group for label in labels if label.part == "test"}
        assert not test & {label.group for label in labels if label.part == "train"}
        tests += [label.clip_id for label in labels if label.part == "test"]
        data.setup("test")
    assert sorted(tests) == list_clips(tmp_path / "cache")
    assert len(tests) == 30
    label = labels[7]
    assert label.score < -5  # from the official time, though this run starts after it ends
    assert label.covariates == {"climber": "2", "side": "r", "fps": "50"}
    assert label.group == ("2" if folds == "climber" else "2019-04-12")


def test_conversion_keeps_frames_and_joints(tmp_path: Path) -> None:
    root = make(tmp_path)
    runs = read_metadata(root)
    for run in (runs[4], runs[9]):
        convert_run(root, run, tmp_path / "cache")
        table = read_clip(tmp_path / "cache", run.run_id)
        frame, xy = read_slowly(root / "skeletons" / f"{run.run_id}.data")
        assert table.frame.tolist() == frame
        assert table.frame[0] == (3 if run is runs[9] else 1)
        assert table.time == pytest.approx(table.frame / run.fps)
        assert np.isnan(table.confidence).all()
        np.testing.assert_allclose(table.xy[:, JOINTS.index("pelvis")], xy[:, 6], rtol=1e-6)
        np.testing.assert_allclose(table.xy[:, JOINTS.index("head")], (xy[:, 8] + xy[:, 9]) / 2, rtol=1e-6)
        np.testing.assert_allclose(table.xy[:, JOINTS.index("left_wrist")], xy[:, 15], rtol=1e-6)
    assert (read_clip(tmp_path / "cache", runs[4].run_id).xy < 0).any()


def test_what_is_converted_is_not_converted_again(tmp_path: Path) -> None:
    root, cache = make(tmp_path), tmp_path / "cache"
    run = read_metadata(root)[0]
    assert convert_run(root, run, cache)
    assert not convert_run(root, run, cache)
    target = cache / f"{run.run_id}.parquet"

    target.write_bytes(target.read_bytes()[:100])  # damaged
    assert convert_run(root, run, cache)
    os.utime(target, (1, 1))  # older than its source
    assert convert_run(root, run, cache)
    assert not convert_run(root, run, cache)


def test_poses_of_another_source_are_not_overwritten(tmp_path: Path) -> None:
    root, cache = make(tmp_path), tmp_path / "cache"
    run = read_metadata(root)[0]
    rng = np.random.default_rng(0)
    target = write_clip(
        cache,
        run.run_id,
        xy=rng.normal(size=(3, 15, 2)),
        confidence=None,
        frame=[1, 2, 3],
        provenance=Provenance(source="my own extraction", estimator="rtmpose"),
    )
    before = target.read_bytes()
    assert "my own extraction" in complaint(lambda: convert_run(root, run, cache))
    assert target.read_bytes() == before


def test_a_missing_skeleton_is_told_before_anything_is_written(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / "skeletons" / "6_2020-11-28_1.data").unlink()
    data = Speed21(root=str(root), cache=str(tmp_path / "cache"))
    assert "6_2020-11-28_1.data: no such file" in complaint(data.prepare_data)
    assert not (tmp_path / "cache").exists()


def test_the_real_data(speed21_root: Path, tmp_path: Path) -> None:
    data = Speed21(root=str(speed21_root), cache=str(tmp_path / "cache"))
    begun = time.perf_counter()
    data.prepare_data()
    seconds = time.perf_counter() - begun
    assert seconds < 30  # measured: about 3 s on two cores
    labels = data.labels()
    assert len(labels) == 362
    assert len({label.covariates["climber"] for label in labels}) == 55
    assert len({label.group for label in Speed21(root=str(speed21_root), folds="event").labels()}) == 17
    assert (min(label.score for label in labels), max(label.score for label in labels)) == (-9.61, -5.513)
    xy = read_cache(tmp_path / "cache", [label.clip_id for label in labels]).xy
    assert len(xy) == 61752
    assert int(np.isnan(xy).all(axis=(1, 2)).sum()) == 1237
    assert int((xy < 0).any(axis=(1, 2)).sum()) == 2
