"""`extract` and `score` with HRNet from a local file and given boxes: the same paths as with BlazePose."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("mmpose") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)

import run
from extraction.ledger import FOLDER
from poses.cache.keypoint_cache import list_clips, read_cache, read_provenance
from poses.skeleton import convert
from tests.conftest import shared_data
from tests.refusal import assert_one_line


def pose(root: Path, weights: dict[str, str]) -> list[str]:
    return [
        "--config=given_boxes.yaml", f"--pose.detector.file={root / 'test_coco.json'}", "--config=hrnet.yaml",
        f"--pose.estimator.config={weights['config']}", f"--pose.estimator.weights={weights['weights']}",
    ]  # fmt: skip


def test_extract_finds_the_annotated_joints_and_goes_on_as_decided(
    narrow_hrnet: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shared_data("people") / "coco"
    words = [
        "extract", "--config=media_folder.yaml", *pose(root, narrow_hrnet), f"--data.root={root}",
        f"--data.cache={tmp_path / 'cache'}", "--trainer.accelerator=cpu",
    ]  # fmt: skip
    assert run.main(words) == 0
    said = capsys.readouterr().out
    assert "openvino in " in said  # which precision, and why
    cache = tmp_path / "cache"
    (first,) = list(cache.glob("*785.parquet"))
    first.unlink()
    assert run.main(words) == 0
    assert "as decided before" in capsys.readouterr().out

    annotations = json.loads((root / "test_coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in annotations["images"]}
    errors = []
    for one in annotations["annotations"]:
        marks = np.array(one["keypoints"], np.float64).reshape(-1, 3)
        if one["iscrowd"] or not one["num_keypoints"]:
            continue
        truth, sure = convert(marks[:, :2], marks[:, 2] / 2, "coco17")
        assert sure is not None
        clip = next(name for name in list_clips(cache) if name.endswith(Path(names[one["image_id"]]).stem))
        found = read_cache(cache, [clip]).xy
        distances = np.linalg.norm(found - truth, axis=2)
        seen = (sure > 0) & np.isfinite(distances)
        mean = np.where(seen, distances, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        errors.append(mean[np.where(seen.any(axis=1), mean, np.inf).argmin()] / max(one["bbox"][2:]))
    assert len(errors) > 8
    assert np.mean(errors) < 0.02
    provenance = read_provenance(cache, list_clips(cache)[0])
    assert provenance is not None
    weights = Path(narrow_hrnet["weights"]).read_bytes()
    assert provenance.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert json.loads((cache / FOLDER / "summary.json").read_text())["failed"] == []


def test_score_compares_two_photographs(
    narrow_hrnet: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shared_data("people") / "coco"
    files = [str(root / "000000000785.jpg"), str(root / "000000197388.jpg")]
    picture = tmp_path / "both.png"
    assert run.main(["score", *files, *pose(root, narrow_hrnet), f"--output={picture}", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 <= report["score"] <= 100
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_weights_that_are_none_are_refused(
    narrow_hrnet: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    root = shared_data("people") / "coco"
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(content)
    words = ["extract", "--config=media_folder.yaml", *pose(root, narrow_hrnet | {"weights": str(wrong)})]
    assert run.main([*words, f"--data.root={root}", f"--data.cache={tmp_path / 'cache'}"]) == 2
    assert_one_line(capsys.readouterr().err, "wrong.pth")
    assert not (tmp_path / "cache").exists()
