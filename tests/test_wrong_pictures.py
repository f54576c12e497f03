"""`extract` on files that are broken, hostile, or only unusual; for `score` see test_wrong_pictures_to_score.py."""

import importlib.util
import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import run
from extraction.ledger import FOLDER
from extraction.types import Floats
from poses.cache.keypoint_cache import list_clips, read_clip
from poses.skeleton import convert
from tests.commands.test_extract import contents, make_media, words
from tests.extraction.fakes import keypoints_of, write_photograph
from tests.forks import start
from tests.refusal import assert_one_line, assert_refused
from tests.test_wrong_files import Hostile
from tests.wrong_pictures import (
    PERSON,
    SOMEBODY,
    UNUSUAL,
    write_unusual_photographs,
    write_unusual_videos,
    write_wrong_pictures,
    write_wrong_videos,
)

FOREIGN_NETWORK = {"state_dict": {"features.0.weight": torch.zeros(4, 3, 3, 3)}}


def joints(*person: float) -> Floats:
    """[15, 2], where the joints of a person are."""
    return convert(keypoints_of(*person), None, "coco17")[0]


def closed(monkeypatch: pytest.MonkeyPatch, folder: str, file: str) -> None:
    """A folder and a file of these names may not be read, not even by root, for whom permissions do not exist."""
    iterdir, opened = Path.iterdir, Path.open

    def no_list(path: Path) -> Any:
        if path.name == folder:
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    def no_content(path: Path, *more: Any, **options: Any) -> Any:
        if path.name == file:
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **options)

    monkeypatch.setattr(Path, "iterdir", no_list)
    monkeypatch.setattr(Path, "open", no_content)


def reports(said: str, summary: dict[str, Any]) -> dict[str, str]:
    """Reasons by name, the same on the screen, a line each, as in the summary's file."""
    listed = [(one["clip"], one["reason"]) for one in summary["failed"]]
    listed += [(one["name"], one["reason"]) for one in summary["left_out"]]
    lines = [line for line in said.splitlines() if line.startswith(("failed: ", "left out: "))]
    assert sorted(line.split(": ", 1)[1] for line in lines) == sorted(f"{name}: {reason}" for name, reason in listed)
    assert len(dict(listed)) == len(listed)
    return dict(listed)


def test_everything_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "media"
    wrong = write_wrong_pictures(root) | write_wrong_videos(root)
    write_unusual_photographs(root)
    write_unusual_videos(root)
    write_photograph(root / "good.png", SOMEBODY)
    write_photograph(root / "folder.jpg" / "inside.png", SOMEBODY)
    for name in ("locked.png", "closed/inside.png", "back\\..\\slash.png"):
        write_photograph(root / name, SOMEBODY)
    write_photograph(tmp_path / "outside" / "secret.png", SOMEBODY)
    (root / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "linked folder").symlink_to(tmp_path / "outside")
    wrong |= {
        "locked.png": "may not be read",
        "closed": "cannot be listed",
        "back\\..\\slash.png": "which no clip id may hold",
        "link.png": "a symbolic link that leaves the folder",
        "linked folder": "a symbolic link that leaves the folder",
    }
    cache = tmp_path / "cache"
    with monkeypatch.context() as patched:
        closed(patched, "closed", "locked.png")
        assert run.main(words(root / "folder.jpg" / "..", cache)) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    found = reports(said.out, json.loads((cache / FOLDER / "summary.json").read_text()))
    assert len(found) == len(wrong)
    for name, reason in wrong.items():
        (its,) = [told for clip, told in found.items() if clip in (name, Path(name).stem)]
        assert reason in its
        assert "; " in its  # what to do

    names = {*UNUSUAL, "good", "folder.jpg_inside", "uneven", "turned", "moving", "once"}
    assert set(list_clips(cache)) == names
    for name in ("good", "folder.jpg_inside", *UNUSUAL):
        table = read_clip(cache, name)
        wanted = joints(*UNUSUAL.get(name, PERSON))
        assert table.xy.shape == (1, 15, 2)
        np.testing.assert_allclose(table.xy[0], wanted, atol=1.5)
    uneven = read_clip(cache, "uneven")
    np.testing.assert_allclose(uneven.time, [0, 0.04, 0.5, 0.54, 2, 2.04], atol=1e-6)
    turned = read_clip(cache, "turned")
    for frame in range(6):
        for table in (uneven, turned, read_clip(cache, "moving")):
            np.testing.assert_allclose(table.xy[frame], joints(10 + 3 * frame, 40, 20, 60), atol=2.5)
    assert read_clip(cache, "once").frame.tolist() == [0]
    # the others are not made again, and what is mended is
    (root / "no image.jpg").unlink()
    write_photograph(root / "no image.jpg", SOMEBODY)
    assert run.main(words(root, cache)) == 1
    assert f"{len(names)} of " in (again := capsys.readouterr().out)
    assert "clips: 3 extracted" in again  # and those that may be read now


def test_what_was_done_and_can_no_longer_be_read_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, cache = tmp_path / "m", tmp_path / "cache"
    write_photograph(root / "a.png", SOMEBODY)
    assert run.main(words(root, cache)) == 0
    (root / "a.png").rename(tmp_path / "a.png")
    (root / "a.png").symlink_to(tmp_path / "a.png")
    write_photograph(root / "b.png", SOMEBODY)
    capsys.readouterr()
    assert run.main(words(root, cache)) == 1
    assert "failed: a: " in capsys.readouterr().out
    assert list_clips(cache) == ["a", "b"]


def test_interrupted_and_continued(tmp_path: Path) -> None:
    root, cache = make_media(tmp_path / "m"), tmp_path / "cache"
    arguments = words(root, cache, "--pose.detector.delay=0.2")
    with start("run.py", *arguments) as running:
        until = time.monotonic() + 60
        while not list(cache.glob("*.parquet")) and running.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "error: interrupted" in said
    assert "Traceback" not in said
    done = len(list_clips(cache))
    assert 0 < done < 7
    contents(cache)  # nothing half-written
    assert run.main(arguments) == 0
    single = tmp_path / "single"
    assert run.main(words(root, single, "--pose.detector.delay=0.2")) == 0
    assert contents(cache) == contents(single)


@pytest.mark.parametrize(
    ("more", "essential"),
    [
        (["--pose.turn_below=abc"], ["turn_below", "abc"]),
        (["--pose.turn_below=50"], ["turn_below", "50"]),
        (["--data.cache=m/good.png"], ["m/good.png"]),
        (["--data.cache=m/good.png/cache"], ["m/good.png"]),
        (["--data.cache=m"], ["both root and cache"]),
        (["--data.root=m/notes.txt"], ["m/notes.txt", "is not a folder, and by its name no video or image"]),
        (["--data.root=empty"], ["empty", "no videos and no images"]),
        (["--data.performers=two"], ["data.performers is 'two', expected a whole number"]),
        (["--data.images=clips"], ["data.images is 'clips'", "did you mean 'clip'?"]),
        (["--data.root"], ["data.root"]),
        (["good.png"], ["good.png"]),
    ],
)
def test_wrong_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str],
    essential: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_photograph(Path("m/good.png"), SOMEBODY)
    Path("m/notes.txt").write_text("good.png is from August")
    Path("empty").mkdir()
    assert_refused(capsys, tmp_path, [*words(Path("m"), Path("cache")), *more], *essential)


@pytest.mark.skipif(importlib.util.find_spec("mmpose") is None, reason="needs the packages of requirements.txt")
@pytest.mark.parametrize("kind", ["hostile", "foreign", "numbers"])
def test_weights_of_another_network_and_hostile_ones(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photograph(tmp_path / "m" / "good.png", SOMEBODY)
    weights, marker = tmp_path / "weights.pth", tmp_path / "it ran"
    content = {"hostile": {"state_dict": Hostile(marker)}, "foreign": FOREIGN_NETWORK, "numbers": [1, 2, 3]}[kind]
    torch.save(content, weights)
    pipeline = {
        "hrnet": ["--pose.detector=tests.extraction.fakes.BarDetector", "--config=hrnet.yaml",
                  f"--pose.estimator.weights={weights}"],
        "yolov5": ["--config=yolov5.yaml", f"--pose.detector.weights={weights}",
                   "--pose.estimator=tests.extraction.fakes.BarEstimator"],
    }  # fmt: skip
    for options in pipeline.values():
        arguments = [
            "extract", "--config=media_folder.yaml", f"--data.root={tmp_path / 'm'}",
            f"--data.cache={tmp_path / 'cache'}", "--trainer.accelerator=cpu", *options,
        ]  # fmt: skip
        capsys.readouterr()
        assert run.main(arguments) == 2
        assert_one_line(capsys.readouterr().err, "weights.pth")
        assert not marker.exists()
        assert not (tmp_path / "cache").exists()


def test_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, tmp_path, ["extract"], "no dataset is named", "--config media_folder.yaml")
