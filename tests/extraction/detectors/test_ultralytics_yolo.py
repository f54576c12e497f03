import copy
import importlib.util
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from errors import InputError
from extraction.types import Frame, Image
from tests.conftest import shared_data

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)

from extraction.detectors.ultralytics_setup import set_up
from extraction.detectors.ultralytics_yolo import UltralyticsDetector
from extraction.weights.ultralytics_weights import load, read

SIZE = 192
SCORE = 0.05


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GCN_PSN_CACHE", str(folder))
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    set_up()  # a test that imported ultralytics without it would leave its replacements to the tests after it
    return folder


@pytest.fixture(scope="module")
def model() -> Any:
    """The smallest YOLOv5, random, but with much to say: its scores and boxes differ from cell to cell."""
    set_up()
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    network = DetectionModel("yolov5n.yaml", nc=1, verbose=False)
    network.names = {0: "person"}
    images = nn.functional.interpolate(torch.rand(4, 3, 12, 12), size=(SIZE, SIZE))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    head = network.model[-1]
    with torch.no_grad():
        network.train()(images)
        for i, seen in enumerate(network.eval()(images)[1]["feats"]):
            for branch, spread, middle in ((head.cv2[i], 0.5, 0.0), (head.cv3[i], 1.0, -4.0)):
                branch[-1].weight.mul_(spread / branch(seen).std())
                branch[-1].bias.add_(middle - branch(seen).mean())
    network.eval()
    return network


def save(model: Any, path: Path, **more: Any) -> str:
    """As ultralytics' trainer does it at the end."""
    half = copy.deepcopy(model).half()
    torch.save(
        {
            "epoch": -1,
            "best_fitness": None,
            "model": half,
            "ema": None,
            "train_args": {"data": "data.yaml", "imgsz": 640},
            "train_metrics": {"fitness": np.float64(0.5)},
            "date": "2026-01-01",
            **more,
        },
        path,
    )
    return str(path)


@pytest.fixture(scope="module")
def detector(model: Any, tmp_path_factory: pytest.TempPathFactory) -> UltralyticsDetector:
    return UltralyticsDetector(save(model, tmp_path_factory.mktemp("weights") / "mine.pt"), SCORE, SIZE)


@pytest.fixture
def weights(model: Any, tmp_path: Path) -> str:
    return save(model, tmp_path / "mine.pt")


def photographs() -> list[Image]:
    files = sorted(shared_data("people").rglob("*.jpg"))
    assert len(files) == 10
    return [cv2.imread(str(file))[:, :, ::-1] for file in files]  # type: ignore[misc]  # cv2 may return None


def frames(*images: Image) -> list[Frame]:
    return [Frame(i, 0.0, image) for i, image in enumerate(images)]


def test_the_same_boxes_as_the_predictor_of_ultralytics(detector: UltralyticsDetector, weights: str) -> None:
    from ultralytics import YOLO

    theirs: Any = YOLO(weights)
    count = 0
    for image in photographs():
        (people,) = detector.detect("clip", frames(image))
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        (result,) = theirs.predict(bgr, imgsz=SIZE, conf=SCORE, classes=[0], device="cpu", verbose=False)
        ours = np.column_stack([people.boxes, people.score * 100])
        expected = np.column_stack([result.boxes.xyxy.numpy(), result.boxes.conf.numpy() * 100])
        distance = np.abs(ours[:, None] - expected).max(axis=2)  # some scores are so close that their order is chance
        assert sorted(distance.argmin(axis=1)) == list(range(len(expected)))
        assert distance.min(axis=1).max(initial=0) < 0.2
        assert (np.diff(people.score) <= 0).all()
        assert people.boxes.dtype == people.score.dtype == np.float32
        count += len(people.boxes)
    assert count > 50


def test_a_frame_does_not_depend_on_the_others(detector: UltralyticsDetector) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (90, 160, 3), dtype=np.uint8) for _ in range(5)]
    together = detector.detect("clip", frames(*images))
    detector.detect("other", frames(rng.integers(0, 256, (80, 50, 3), dtype=np.uint8)))
    alone = [detector.detect("clip", [frame])[0] for frame in frames(*images)]
    assert sum(len(people.boxes) for people in together) > 5
    for one, other in zip(together, alone, strict=True):
        assert one.boxes.tobytes() == other.boxes.tobytes()
        assert one.score.tobytes() == other.score.tobytes()
    assert detector.detect("clip", []) == []


def test_an_image_of_one_pixel_and_a_thin_one(detector: UltralyticsDetector) -> None:
    for shape in ((1, 1, 3), (3000, 2, 3)):
        (people,) = detector.detect("clip", frames(np.zeros(shape, np.uint8)))
        assert (people.boxes <= [shape[1], shape[0]] * 2).all()


def test_the_weights_are_told(weights: str) -> None:
    import hashlib

    told = UltralyticsDetector(weights).weights
    assert told.name == "mine.pt"
    assert told.sha256 == hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    assert told.licence == "AGPL-3.0"


def test_random_weights_are_called_so() -> None:
    first, second = load("yolov5nu.yaml"), load("yolov5nu.yaml")
    assert first.weights.name == "yolov5nu.yaml, random"
    assert first.weights.sha256 is None
    assert first.person == 0
    for one, other in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(InputError, match="ships no such description"):
        load("yolov77.yaml")


def test_tensors_come_through_unchanged(model: Any, weights: str) -> None:
    loaded = read(Path(weights)).module
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name].half().to(tensor.dtype)), name
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image)[0], copy.deepcopy(model).half().float()(image)[0])


def test_other_architectures_load() -> None:
    from ultralytics.nn.tasks import DetectionModel

    for name in ("yolov8n.yaml", "yolo11n.yaml", "yolo26n.yaml", "yolov10n.yaml"):
        network = DetectionModel(name, nc=2, verbose=False)
        network.names = {0: "ball", 1: "Person"}
        assert load(save(network, Path(name).with_suffix(".pt"))).person == 1


@pytest.mark.parametrize("name", ["yolov5n.yaml", "yolov10n.yaml"])
def test_a_fine_tuned_network_keeps_the_width_of_the_one_it_was_made_of(name: str, tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    broad, network = DetectionModel(name, nc=80, verbose=False), DetectionModel(name, nc=1, verbose=False)
    network.load(broad, verbose=False)
    network.names = {0: "person"}
    assert network.model[-1].cv3[0][-1].in_channels == 80
    for norm in network.model[-1].cv3.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.constant_(norm.get_buffer("running_var"), 1e-2)  # so small that the constant beside it shows
    loaded = load(save(network, tmp_path / "a.pt")).module
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        said, expected = (one.eval()(image)[1] for one in (loaded, copy.deepcopy(network).half().float()))
    for part in ("one2many", "one2one") if "one2many" in said else (None,):
        ours, theirs = (parts if part is None else parts[part] for parts in (said, expected))
        torch.testing.assert_close(ours["scores"], theirs["scores"])
        torch.testing.assert_close(ours["boxes"], theirs["boxes"])


# Classes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "person"), [({0: "item"}, 0), ({0: "person"}, 0), ({0: " Person"}, 0)])
def test_which_class_is_a_person(names: dict[int, str], person: int, model: Any, tmp_path: Path) -> None:
    network = copy.deepcopy(model)
    network.names = names
    assert load(save(network, tmp_path / "a.pt")).person == person


@pytest.mark.parametrize("names", [{0: "dog"}, {0: "item", 1: "ball"}])
def test_no_person_among_the_classes(names: dict[int, str], tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolov5n.yaml", nc=len(names), verbose=False)
    network.names = names
    path = save(network, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: finds no persons, its classes are (dog|item, ball); give a local"):
        UltralyticsDetector(path)


# Files that are not what they should be -------------------------------------------------------------------------------


class Hostile:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["model", "train_args", "file"])
def test_a_hostile_checkpoint_runs_nothing(place: str, zipped: bool, model: Any, tmp_path: Path) -> None:
    made = tmp_path / "made"
    hostile = Hostile(os.system, f"touch {made}")
    path = tmp_path / "hostile.pt"
    content = hostile if place == "file" else {"model": model, "train_args": {}, place: hostile}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError) as error:
        load(str(path))
    assert "hostile.pt: " in one_line(error)
    assert not made.exists()
    torch.load(path, weights_only=False)
    assert made.exists(), "the file was not hostile at all"


def test_classes_of_ultralytics_are_not_called(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made of a URL, DetectionModel would fetch it; as a `yaml` with code, its activation would be evaluated."""
    from ultralytics.nn.tasks import DetectionModel

    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("went to the network"))
    path = tmp_path / "a.pt"
    torch.save({"model": Hostile(DetectionModel, "https://localhost/a.yaml")}, path)
    with pytest.raises(InputError, match="has no names of classes"):
        load(str(path))
    made = tmp_path / "made"
    for changes in (
        {"activation": f"open({str(made)!r}, 'w')"},
        {"head": [*model.yaml["head"][:-1], [[-1], 1, "torchvision.ops.nms", []], model.yaml["head"][-1]]},
        {"head": [*model.yaml["head"][:-1], [-1, 1, "TorchVision", [64, "alexnet"]], model.yaml["head"][-1]]},
        {"channels": 4},
    ):
        network = copy.deepcopy(model)
        network.yaml = {**network.yaml, **changes}
        with pytest.raises(InputError, match="describes layers that no detector of ultralytics has"):
            load(save(network, path))
    assert not made.exists()


def test_the_process_allows_no_more_than_before(model: Any, weights: str) -> None:
    """Nor does what others have allowed, as ultralytics does, change what is done with a file."""
    torch.serialization.add_safe_globals([type(model)])
    before = torch.serialization.get_safe_globals()
    assert before
    load(weights)
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_weights_of_the_old_repository(tmp_path: Path) -> None:
    source = "import torch\nclass Model(torch.nn.Module):\n    pass\n"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yolo.py").write_text(source)
    script = "import torch, models.yolo; torch.save({'model': models.yolo.Model()}, 'old.pt')"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    with pytest.raises(InputError, match=r"old\.pt: made by the old YOLOv5 repository.*end in u, such as yolov5su\.pt"):
        load(str(tmp_path / "old.pt"))


def test_other_files(model: Any, tmp_path: Path, weights: str) -> None:
    whole = Path(weights).read_bytes()
    files: dict[str, bytes] = {"empty": b"", "text": b"hello", "half": whole[: len(whole) // 2]}
    files["pickle"] = pickle.dumps({"model": 1})
    for name, content in files.items():
        path = tmp_path / f"{name}.pt"
        path.write_bytes(content)
        with pytest.raises(InputError, match="broken, or no checkpoint"):
            load(str(path))
    for other in ({"model": None}, {"state_dict": model.state_dict()}, [1]):
        torch.save(other, tmp_path / "a.pt")
        with pytest.raises(InputError, match="holds no network of ultralytics"):
            load(str(tmp_path / "a.pt"))
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="has no names of classes"):
        load(str(tmp_path / "a.pt"))
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: (broken|refused)"):
        load(str(tmp_path / "a.pt"))
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


def test_tensors_that_do_not_fit(model: Any, tmp_path: Path) -> None:
    fused = copy.deepcopy(model)
    fused.fuse(verbose=False)
    save(fused, tmp_path / "fused.pt")
    looped = copy.deepcopy(model)
    looped.model[0]._modules["again"] = looped.model[0]
    torch.save({"model": looped}, tmp_path / "looped.pt")
    for name in ("fused.pt", "looped.pt"):
        with pytest.raises(InputError, match="its tensors do not fit"):
            load(str(tmp_path / name))


def test_a_network_for_something_else(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import SegmentationModel

    path = save(SegmentationModel("yolov8n-seg.yaml", nc=1, verbose=False), tmp_path / "a.pt")
    with pytest.raises(InputError, match="ends in Segment, so it is no plain detector"):
        load(path)


# Downloads ------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_downloaded_names_the_alternatives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_up()

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr("ultralytics.utils.downloads.attempt_download_asset", offline)
    with pytest.raises(InputError) as error:
        UltralyticsDetector()
    assert one_line(error) == (
        "yolov5su.pt: cannot be downloaded (ConnectionError); give a local file, or use --config given_boxes.yaml or "
        "--config blazepose.yaml"
    )
    for wrong in ("yolov5zz.pt", "none/yolov5su.pt"):
        with pytest.raises(InputError, match="no such file, and no weights that ultralytics publishes; give a local"):
            UltralyticsDetector(wrong)
    with pytest.raises(InputError, match=r"a\.onnx: no weights of ultralytics, which end in \.pt"):
        UltralyticsDetector("a.onnx")


def test_downloads_go_to_the_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path, weights: str
) -> None:
    set_up()
    asked = []

    def download(path: Path) -> None:
        asked.append(path)
        path.write_bytes(Path(weights).read_bytes())

    monkeypatch.setattr("ultralytics.utils.downloads.attempt_download_asset", download)
    for name in ("yolov5nu.pt", "yolov5n.pt"):  # ultralytics renamed the latter
        assert load(name).weights.name == "yolov5nu.pt"
    assert asked == [cache / "yolov5nu.pt"]
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "mine.pt"}


@pytest.mark.parametrize("options", [{"min_score": 0}, {"min_score": 1}, {"image_size": 100}, {"batch": 0}])
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="min_score lies between 0 and 1"):
        UltralyticsDetector("yolov5nu.yaml", **options)


def test_a_device_that_is_not_there(weights: str) -> None:
    for device in ("cuda:77", "toaster"):
        with pytest.raises(InputError, match="there is no device"):
            UltralyticsDetector(weights, device=device).place("cpu")
