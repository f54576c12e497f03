"""torchvision's video networks as extractors, against torchvision itself."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from errors import InputError
from extraction.features.torchvision_video import TorchvisionVideo
from extraction.types import Image
from tests.conftest import shared_data

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="needs the packages of requirements.txt (`make full` makes their environment)",
)
MODELS: list[Any] = ["s3d", "mvit_v2_s"]


def placed(model: Any, weights: str | None = "random", batch: int = 2) -> TorchvisionVideo:
    extractor = TorchvisionVideo(model, weights, batch)
    extractor.place("cpu")
    return extractor


def frames(count: int) -> Image:
    """The beginning of a window: a real photograph, seen through an opening that moves."""
    path = min((shared_data("people") / "coco").glob("*.jpg"))
    image = cv2.imread(str(path))
    assert image is not None
    return np.stack([image[i : 300 + i, 2 * i : 360 + 2 * i, ::-1] for i in range(count)])


@needs_torchvision
@pytest.mark.parametrize("model", MODELS)
def test_the_classifier_makes_torchvision_s_logits_of_the_features(model: str, tmp_path: Path) -> None:
    from torchvision.models import get_model, get_model_weights

    torch.manual_seed(3)
    theirs = get_model(model, weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    extractor = placed(model, str(tmp_path / "weights.pth"))
    pictures = frames(16)
    # torchvision's own way from frames to logits
    before = get_model_weights(model).KINETICS400_V1.transforms()
    video = before(torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2))[None]
    crops = np.stack([extractor.crop(picture) for picture in pictures])
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (before.mean, before.std))
    seen = (video[0] * std + mean).permute(1, 2, 3, 0).numpy() * 255
    assert np.abs(crops - seen).max() <= 1.01  # cv2 interpolates in whole numbers
    assert np.abs(crops - seen).mean() < 0.3
    found = torch.from_numpy(extractor.network(crops[None]))
    assert found.shape == (1, extractor.width)
    assert extractor.width == {"s3d": 1024, "mvit_v2_s": 768}[model]
    exact = ((torch.from_numpy(crops[None].copy()).float() / 255).permute(0, 4, 1, 2, 3) - mean) / std
    with torch.inference_mode():
        wanted = theirs(exact)
        logits = theirs.classifier(found.view(1, -1, 1, 1, 1)).flatten(1) if model == "s3d" else theirs.head(found)
    torch.testing.assert_close(logits, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-3)
    assert extractor.weights.sha256 == hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()


@needs_torchvision
@pytest.mark.parametrize("model", MODELS)
def test_random_weights_are_always_the_same_and_tell_windows_apart(model: str) -> None:
    crops = np.stack([placed(model).crop(picture) for picture in frames(16)])
    windows = np.stack([crops, np.ascontiguousarray(crops[:, ::-1])])
    torch.manual_seed(5)
    first = placed(model).network(windows)
    torch.manual_seed(6)
    again = placed(model)
    one = again.network(windows[1:])
    np.testing.assert_array_equal(one[0], first[1])  # another draw, another place in another batch
    assert again.weights.sha256 is None
    lengths = np.linalg.norm(first, axis=1)
    assert ((lengths > 1) & (lengths < 1000)).all()
    assert first[0] @ first[1] / lengths.prod() < 0.999


@needs_torchvision
def test_names_and_lengths() -> None:
    s3d, mvit = TorchvisionVideo("s3d", "random"), TorchvisionVideo("mvit_v2_s", "random")
    assert (s3d.name, s3d.length, s3d.width, s3d.batch) == ("S3D", None, 1024, 4)
    assert (mvit.name, mvit.length, mvit.width) == ("MViTv2-S", 16, 768)
    window = np.zeros((1, 16, 224, 224, 3), np.uint8)
    assert s3d.prepare(window, None) is None
    with pytest.raises(InputError, match=r"S3D takes windows of 14 frames or more, got 8; .*--windows.length 16"):
        s3d.prepare(window[:, :8], None)
    s3d.place("cpu")
    with pytest.raises(InputError, match="got 13"):
        s3d.network(window[:, :13])
    small = np.random.default_rng(0).integers(0, 256, (1, 14, 224, 224, 3), dtype=np.uint8)
    assert s3d.network(small).shape == (1, 1024)


@needs_torchvision
@pytest.mark.parametrize("model", MODELS)
def test_what_cannot_be_downloaded_is_said(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model_weights

    url = get_model_weights(model).KINETICS400_V1.url
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(InputError) as error:
        TorchvisionVideo(model)
    said = str(error.value)
    assert said.startswith(f"{url}: cannot be downloaded to {tmp_path / 'checkpoints'} (")
    assert said.endswith('give a local file (--extractor.init_args.weights), or "random" for untrained weights')
    assert "\n" not in said
    assert not list(tmp_path.rglob("*.*"))


@needs_torchvision
def test_a_downloaded_file_is_checked_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "s3d-d76dad2f.pth").write_bytes(b"half a file")
    with pytest.raises(InputError, match="is not the file that was published"):
        TorchvisionVideo("s3d")


@needs_torchvision
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": "absent.pth"}, "absent.pth: cannot be read"),
        ({"weights": "random", "batch": 0}, "TorchvisionVideo: a batch holds at least one window, got 0"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as error:
        TorchvisionVideo("s3d", **options)
    assert "\n" not in str(error.value)


@needs_torchvision
def test_weights_of_the_other_network_do_not_fit(tmp_path: Path) -> None:
    from torchvision.models import get_model

    torch.save(get_model("s3d", weights=None).state_dict(), tmp_path / "s3d.pth")
    with pytest.raises(InputError, match=r"s3d.pth: weights of another architecture than MViTv2-S"):
        TorchvisionVideo("mvit_v2_s", str(tmp_path / "s3d.pth"))


def test_without_torchvision_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InputError, match=r"needs torchvision .*pip install -r requirements.txt, or use I3D") as error:
        TorchvisionVideo("s3d")
    assert "\n" not in str(error.value)
