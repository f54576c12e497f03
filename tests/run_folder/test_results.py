import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from errors import InputError
from run_folder.results import ClipNames, pairs_of, read_pairs, read_result
from scoring.pose_pairs import pick_pairs
from tests.run_folder.made_runs import make_run, rewrite
from tests.scoring.build import make_clips


def names(clips: int) -> ClipNames:
    named = [SimpleNamespace(clip_id=f"clip {i}", group=None) for i in range(clips)]
    return cast(ClipNames, SimpleNamespace(clips=named, action_names=["walk", "run"]))


def test_pairs_go_to_a_file_with_names_and_poses() -> None:
    scored = make_clips(12, action=torch.arange(12) % 2)
    scored.poses[:, :, 3] = torch.nan
    found = json.loads(json.dumps(pairs_of(scored, names(12))))
    assert [pair["level"] for pair in found] == ["high", "medium", "low"]
    for written, pair in zip(found, pick_pairs(scored), strict=True):
        assert (written["score"], written["above"]) == (pair.score, pair.above)
        for place, (track, time) in enumerate(zip(pair.tracks, pair.times, strict=True)):
            assert written["clips"][place] == f"clip {track}"
            assert written["actions"][place] == ["walk", "run"][track % 2]
            assert written["times"][place] == pytest.approx((2 * time + 1) / 12)
            pose = np.array(written["poses"][place], dtype=float)
            assert np.allclose(pose, scored.poses[track, time].numpy(), atol=1e-4, equal_nan=True)
            assert written["poses"][place][3] == [None, None]
    assert pairs_of(make_clips(1), names(1)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"level": 3}, {"score": "high"}, {"above": None}, {"clips": ["a"]}, {"clips": "ab", "actions": "abc"},
        {"actions": [1, 2]}, {"times": ["noon", 0.5]}, {"times": 0.5}, {"poses": [[[0.5, 0.5]] * 15]},
        {"poses": [[["x", 0.5]] * 15] * 2}, {"poses": {}},
    ],
)  # fmt: skip
def test_a_pair_of_a_wrong_type_is_told(change: dict[str, Any], tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "test" / "pairs.json"
    assert len(read_pairs(folder)) == 3
    pairs = json.loads(path.read_text())["pairs"]
    path.write_text(json.dumps({"pairs": [pairs[0], pairs[1] | change]}))
    with pytest.raises(InputError, match=r"pairs\.json: cannot be read"):
        read_pairs(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"headline": 3}, {"headline": "mean"}, {"rows": 3}, {"rows": [{"name": "a", "trivial": False, "rho": "high"}]},
        {"rows": [3]}, {"calibrated": ["ridge"]}, {"calibrated": None},
    ],
)  # fmt: skip
def test_metrics_of_a_wrong_type_are_told(change: dict[str, Any], tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    read_result(folder)
    rewrite(folder / "test" / "metrics.json", **change)
    with pytest.raises(InputError, match=r"test: cannot be read"):
        read_result(folder)


@pytest.mark.parametrize(("column", "value"), [("score", "high"), ("vote", "low"), ("clip", 3), ("group", 0.5)])
def test_columns_of_a_wrong_type_are_told(column: str, value: object, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "test" / "predictions.parquet"
    columns = pq.read_table(path).to_pydict()
    pq.write_table(pa.table(columns | {column: [value] * 12}), path)
    with pytest.raises(InputError, match=f"test: cannot be read .*'{column}' holds"):
        read_result(folder)
