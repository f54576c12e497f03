"""`score` on files that are broken, hostile, or only unusual; for `extract` see test_wrong_pictures.py."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pillow

import run
from errors import InputError
from extraction.weights.blazepose_weights import blazepose_file
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained_model import SHIPPED
from tests.conftest import shared_data
from tests.extraction.fakes import picture, walking, write_photograph
from tests.extraction.media_files import write_video
from tests.refusal import assert_refused
from tests.test_wrong_files import Hostile
from tests.wrong_pictures import (
    SOMEBODY,
    UNUSUAL,
    write_unusual_photographs,
    write_unusual_videos,
    write_wrong_pictures,
    write_wrong_videos,
)

FAKES = ["--pose.detector=tests.extraction.fakes.BarDetector", "--pose.estimator=tests.extraction.fakes.BarEstimator"]
WIDER = (50, 25, 30, 70)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photograph and a video that are fine; it is the current one."""
    monkeypatch.chdir(tmp_path)
    write_photograph(tmp_path / "good.png", picture(WIDER))
    write_video(tmp_path / "good.mp4", walking(8, step=4))
    return tmp_path


def score(*words: str) -> list[str]:
    return ["score", *FAKES, *words]


def refused_either_way(capsys: pytest.CaptureFixture[str], folder: Path, good: str, wrong: dict[str, str]) -> None:
    for name, reason in wrong.items():
        assert_refused(capsys, folder, score(good, name), name, reason, "; ")
        assert_refused(capsys, folder, score(name, good), name, reason, "; ")


def test_wrong_photographs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused_either_way(capsys, folder, "good.png", write_wrong_pictures(folder))


def test_wrong_videos(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused_either_way(capsys, folder, "good.mp4", write_wrong_videos(folder))


def test_a_file_without_permission(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photograph(folder / "locked.png", SOMEBODY)
    opened = Path.open

    def closed(path: Path, *more: Any, **options: Any) -> Any:  # for root, for whom permissions do not exist
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **options)

    monkeypatch.setattr(Path, "open", closed)
    capsys.readouterr()
    assert run.main(score("good.png", "locked.png")) == 2
    assert "locked.png: may not be read; give yourself permission" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_half_a_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        blazepose_file("landmarks")
    except InputError as error:
        pytest.skip(str(error))
    whole = shared_data("people") / "coco" / "000000000785.jpg"
    with Pillow.open(whole) as image:
        image.crop((300, 0, 460, 130)).save(folder / "head.png")  # and shoulders
    said = "head.png: only part of a person can be seen"
    assert_refused(capsys, folder, ["score", str(whole), "head.png"], said)
    assert_refused(capsys, folder, ["score", "head.png", str(whole)], said)


def test_unusual_photographs_are_read_rightly(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photograph(folder / "plain.png", SOMEBODY)
    write_unusual_photographs(folder / "sub folder")
    (folder / "link.png").symlink_to(folder / "sub folder" / "grey.png")
    files = [next((folder / "sub folder").glob(f"{name}.*")) for name in UNUSUAL if name != "cut in half"]
    for path in ["link.png", *(f"sub folder/../sub folder/{file.name}" for file in files)]:
        assert run.main(score("plain.png", path, "--json")) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["score"] > 99.9
        assert answer["attempt"] == Path(path).name
    assert Path("runs/score/link-vs-plain.png").stat().st_size > 10_000


def test_unusual_videos_are_read_rightly(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_unusual_videos(folder)
    for name, last in (("uneven.mkv", 2.04), ("turned.mp4", 0.2), ("moving.gif", 0.2)):
        assert run.main(score("good.mp4", name, "--json")) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["score"] > 99
        assert answer["curve"][-1]["time"] == pytest.approx(last, abs=0.001)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_full_disk(
    suffix: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photograph(folder / "other.png", SOMEBODY)
    write = Path.write_bytes

    def full(path: Path, content: Any) -> Any:
        if path.suffixes[:1] == [suffix]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    words = score("good.png", "other.png", f"--output=x{suffix}")
    assert_refused(capsys, folder, words, f"x{suffix}", "No space left")


@pytest.mark.parametrize(
    ("words", "essential"),
    [
        (["good.png", "moving.gif"], ["photograph", "video"]),
        (["good.mp4", "once.mp4"], ["once.mp4 is one pose"]),
        (["good.png", "plain.png", "--output=good.png/x.png"], ["good.png", "choose another place"]),
        (["good.png", "plain.png", "--output="], ["--output"]),
        (["good.png", "plain.png", "--pose.turn_below=abc"], ["turn_below", "abc"]),
        (["good.png", "plain.png", "--pose.most_people=0"], ["most_people"]),
        (["good.png", "plain.png", "--keypoints=nowhere"], ["nowhere", "no such folder"]),
        (["good.png", "plain.png", "--keypoints=empty"], ["empty", "good"]),
        (["good.png", "plain.png", "--keypoints=plain.png"], ["plain.png", "not a folder"]),
        (["good.png", "empty"], ["empty: is a folder"]),
        (["good.png", "plain.png", "--group=nowhere"], ["nowhere"]),
        (["good.png", "plain.png", "--config=nothing.yaml"], ["nothing.yaml"]),
        ([], ["no file is given", "score REFERENCE ATTEMPT"]),
    ],
)
def test_wrong_words(folder: Path, words: list[str], essential: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    write_unusual_videos(folder)
    write_photograph(folder / "plain.png", SOMEBODY)
    Path("empty").mkdir()
    assert_refused(capsys, folder, score(*words), *essential)


def test_checkpoints_that_are_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photograph(folder / "plain.png", SOMEBODY)
    shipped = load_checkpoint(SHIPPED)
    marker = folder / "it ran"
    wrong: dict[str, Any] = {
        "hostile.ckpt": Hostile(marker),
        "hidden.ckpt": shipped | {"callbacks": Hostile(marker)},
        "foreign.ckpt": {"state_dict": {"features.0.weight": torch.zeros(4, 3, 3, 3)}},
        "tensor.ckpt": torch.zeros(3),
        "other weights.ckpt": shipped | {"state_dict": {n: torch.zeros(7, 7) for n in shipped["state_dict"]}},
        "no weights.ckpt": shipped | {"state_dict": {}},
    }
    for name, content in wrong.items():
        torch.save(content, folder / name)
    shutil.copy(folder / "good.png", folder / "picture.ckpt")
    (folder / "cut.ckpt").write_bytes(SHIPPED.read_bytes()[:-500])
    (folder / "empty.ckpt").write_bytes(b"")
    for name in [*wrong, "picture.ckpt", "cut.ckpt", "empty.ckpt"]:
        assert_refused(capsys, folder, score("good.png", "plain.png", f"--checkpoint={name}"), name)
    assert not marker.exists()
