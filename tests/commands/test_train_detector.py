import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

import run
from commands.train_detector import check_dataset
from errors import InputError
from extraction.types import Frame
from tests.conftest import REPO

FULL = importlib.util.find_spec("ultralytics") is not None
needs_ultralytics = pytest.mark.skipif(not FULL, reason="needs the packages of requirements.txt (`make full`)")


def dataset(folder: Path, names: Any, person: int, **changes: Any) -> Path:
    """Grey pictures with a bright figure, and something dark of another class if there is one."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2)):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image = np.full((64, 64, 3), 128, np.uint8)
            left, top = rng.integers(2, 24, 2).tolist()
            cv2.rectangle(image, (left, top), (left + 16, top + 36), (255, 255, 255), -1)
            box = [(left + 8) / 64, (top + 18) / 64, 16 / 64, 36 / 64]
            rows = [f"{person} " + " ".join(map(str, box))]
            if len(names) > 1:
                cv2.rectangle(image, (44, 44), (60, 60), (0, 0, 0), -1)
                rows.append(f"{1 - person} 0.8 0.8 0.25 0.25")
            cv2.imwrite(str(folder / "images" / part / f"{i}.jpg"), image)
            (folder / "labels" / part / f"{i}.txt").write_text("\n".join(rows))
    path = folder / "data.yaml"
    content = {"path": ".", "train": "images/train", "val": "images/val", "names": names, **changes}
    path.write_text(yaml.safe_dump(content))
    return path


def train(data: Path, output: Path, *more: str) -> int:
    small = ["--epochs", "1", "--image-size", "64", "--batch", "4", "--weights", "yolov5nu.yaml"]
    return run.main(["train-detector", "--data", str(data), "--output", str(output), *small, *more])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GCN_PSN_CACHE", "YOLO_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@needs_ultralytics
def test_trained_weights_go_into_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from extraction.detectors.ultralytics_yolo import UltralyticsDetector
    from extraction.weights.ultralytics_weights import read

    data = dataset(tmp_path / "with spaces", {0: "dog", 1: "Person"}, 1)
    (data.parent / "labels" / "train.cache").write_bytes(b"a pickle from elsewhere")
    files = {path for path in data.parent.rglob("*") if path.is_file()}
    allowed = torch.serialization.get_safe_globals()
    assert train(data, tmp_path / "run") == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "of its 2 classes, Person is used" in said.out
    assert "epoch 1 of 1: mAP50 0." in said.out
    assert said.out.splitlines()[-1].startswith("mAP50 0.")
    assert said.out.splitlines()[-1].endswith(f"weights: {tmp_path / 'run' / 'person.pt'}")
    assert said.out.count("epoch 1 of 1") == 1
    assert read(tmp_path / "run" / "person.pt").names == {0: "person"}
    detector = UltralyticsDetector(str(tmp_path / "run" / "person.pt"), 0.001, 64)
    image = cv2.imread(str(data.parent / "images" / "val" / "0.jpg"))
    assert image is not None
    (people,) = detector.detect("clip", [Frame(0, 0.0, image.astype(np.uint8))])
    assert people.boxes.shape == (len(people.score), 4)
    assert {path for path in data.parent.rglob("*") if path.is_file()} == files, "the dataset was written to"
    assert set(torch.serialization.get_safe_globals()) == set(allowed)
    # the cache folder is made when this process imports ultralytics for the first time, maybe in another test
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"with spaces", "run"}
    assert train(data, tmp_path / "run") == 2
    assert "holds a finished run" in capsys.readouterr().err


@needs_ultralytics
def test_an_interrupted_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = dataset(tmp_path / "data", ["person"], 0), tmp_path / "run"
    script = (
        "import os, sys, run, extraction.detectors.ultralytics_setup as setup\n"
        "setup.set_up()\n"
        "import extraction.detectors.ultralytics_training as training\n"
        "from ultralytics.engine.trainer import BaseTrainer\n"
        "begin = BaseTrainer.run_callbacks\n"
        "def die(self, event):\n"
        "    begin(self, event)\n"
        "    if event == 'on_fit_epoch_end' and self.epoch == 1: os._exit(9)\n"
        "BaseTrainer.run_callbacks = die\n"
        "run.main(sys.argv[1:])\n"
    )
    words = ["--data", str(data), "--output", str(output), "--image-size", "64", "--batch", "4"]
    words += ["--weights", "yolov5nu.yaml"]
    command = [sys.executable, "-c", script, "train-detector", *words, "--epochs", "3"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert "epoch 2 of 3" in done.stdout
    assert not (output / "person.pt").exists()
    assert run.main(["train-detector", *words]) == 2
    assert "holds an interrupted run; go on with --resume" in capsys.readouterr().err
    assert run.main(["train-detector", *words, "--resume"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "epoch 1 of 3" not in said
    assert "epoch 3 of 3" in said
    assert (output / "person.pt").is_file()


@needs_ultralytics
def test_labels_without_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = dataset(tmp_path / "data", ["person"], 0)
    for path in (data.parent / "labels" / "train").iterdir():
        path.write_text("")
    assert train(data, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert "no box of a person in its labels" in said
    assert said.count("\n") == 1


@needs_ultralytics
def test_nothing_to_go_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(dataset(tmp_path / "data", ["person"], 0), tmp_path / "run", "--resume") == 2
    assert "holds no run that can be resumed" in capsys.readouterr().err


def test_a_data_file_is_made_harmless(tmp_path: Path) -> None:
    path = dataset(tmp_path, ["dog", "person"], 1, download="import os", nc=2, kpt_shape=[1])
    content, person = check_dataset(path)
    assert person == 1
    assert content == {
        "names": {0: "dog", 1: "person"},
        "train": str(tmp_path / "images" / "train"),
        "val": str(tmp_path / "images" / "val"),
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"names": ["dog", "cat"]}, "one class must be named person, its classes are ['dog', 'cat']"),
        ({"names": ["person", "Person"]}, "one class must be named person"),
        ({"names": None}, "names is no list of classes"),
        ({"names": {1: "person"}}, "names is no list of classes"),
        ({"names": {"a": "person"}}, "names is no list of classes"),
        ({"names": 3}, "names is no list of classes"),
        ({"train": "images/none"}, "train is images/none, but there is no "),
        ({"val": ["images/val", "none"]}, "val is none, but there is no "),
        ({"val": None}, "val names no folder of images"),
        ({"train": [1]}, "train names no folder of images"),
        ({"train": []}, "train names no folder of images"),
        ({"path": "none"}, "there is no folder none, its path"),
        ({"path": 1}, "path is no folder"),
    ],
)
def test_wrong_datasets(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = dataset(tmp_path, ["person"], 0)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
    with pytest.raises(InputError) as error:
        check_dataset(path)
    assert complaint in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_wrong_data_files(tmp_path: Path) -> None:
    for content in (b"{", b"\xff", b"!!python/object/apply:os.system [x]"):
        (tmp_path / "a.yaml").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.yaml, line \d: "):
            check_dataset(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"7")
    with pytest.raises(InputError, match="is no mapping"):
        check_dataset(tmp_path / "a.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        check_dataset(tmp_path)


def test_without_ultralytics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    assert run.main(["train-detector", "--data", str(tmp_path / "a.yaml")]) == 2
    said = capsys.readouterr().err
    assert "needs the package ultralytics, which is AGPL-3.0: pip install -r requirements.txt" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--batch", "0"], ["--image-size", "100"]])
def test_options_out_of_range(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["train-detector", "--data", "a.yaml", *words]) == 2
    assert "--image-size is a multiple of 32" in capsys.readouterr().err
