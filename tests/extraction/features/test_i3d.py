"""I3D as an extractor: engines and precisions on small windows of real frames, weights, and what is refused."""

import gc
import hashlib
import os
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from errors import InputError
from extraction.engines.openvino_engine import OpenVINOEngine
from extraction.features.feature_precision import choose
from extraction.features.i3d import I3D
from extraction.types import Floats, Image
from tests.conftest import shared_data
from tests.extraction.features.test_inception import listing, reference, trained

FAST = OpenVINOEngine.precisions()[0]

needs_fast = pytest.mark.skipif(FAST == "fp32", reason="this processor computes fastest in fp32")


def placed(**options: Any) -> I3D:
    extractor = I3D(**{"weights": "random", **options})
    extractor.place("cpu")
    return extractor


@pytest.fixture(scope="module")
def windows() -> Image:
    """Four windows of 8 frames, 64x64 pixels: parts of real photographs that move across the picture."""
    made = []
    for path in sorted((shared_data("people") / "coco").glob("*.jpg"))[:4]:
        image = cv2.imread(str(path))
        assert image is not None
        image = cv2.resize(image[..., ::-1], (128, 96), interpolation=cv2.INTER_AREA)
        made.append(np.stack([image[10:74, start : start + 64] for start in range(0, 64, 8)]))
    return np.asarray(made, np.uint8)


def normalised(windows: Image) -> torch.Tensor:
    """[B, 3, L, h, w] in [-1, 1]."""
    return torch.from_numpy(np.moveaxis(windows.astype(np.float32) / 255 * 2 - 1, -1, 1))


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the port's: no counters of batches, not a zip archive."""
    path = tmp_path_factory.mktemp("weights") / "model_rgb.pth"
    torch.save(trained(), path, _use_new_zipfile_serialization=False)
    return path


def relative(found: Floats, wanted: Floats) -> float:
    return float(np.linalg.norm(found - wanted, axis=1).max() / np.linalg.norm(wanted, axis=1).min())


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_features_are_those_of_the_weights_file(engine: Any, weights_file: Path, windows: Image) -> None:
    extractor = placed(weights=str(weights_file), engine=engine, precision="fp32", batch=2)
    with torch.inference_mode():
        wanted = reference(trained(), normalised(windows[:2])).numpy()
    found = extractor.network(windows[:2])
    assert found.dtype == np.float32
    assert found.shape == (2, extractor.width) == (2, 1024)
    assert relative(found, wanted) < 1e-4
    assert extractor.weights.name == "model_rgb.pth"
    assert extractor.weights.sha256 == hashlib.sha256(weights_file.read_bytes()).hexdigest()


@pytest.mark.parametrize("counters", [True, False])
def test_a_file_of_today_s_pytorch_loads_too(counters: bool, tmp_path: Path, windows: Image) -> None:
    """Such a file says that batch normalisation counts batches, whether its counters were kept or not."""
    body = torch.nn.Module()
    state = body.state_dict()  # an ordered dictionary with versions
    state.update(trained())
    if counters:
        state.update({name: torch.tensor(7) for name, shape in listing().items() if shape == ()})
    for name in listing(counters=False):
        state._metadata[name.rpartition(".")[0]] = {"version": 2}  # type: ignore[attr-defined]
    torch.save(state, tmp_path / "weights.pth")
    assert torch.load(tmp_path / "weights.pth", weights_only=True)._metadata["conv3d_1a_7x7.batch3d"]["version"] == 2
    found = placed(weights=str(tmp_path / "weights.pth"), precision="fp32", engine="torch").network(windows[:1])
    with torch.inference_mode():
        assert relative(found, reference(trained(), normalised(windows[:1])).numpy()) < 1e-4


@pytest.mark.parametrize(("engine", "precision"), [("torch", "fp32"), ("openvino", "fp32"), ("openvino", FAST)])
def test_a_window_depends_on_the_others_in_no_bit(engine: Any, precision: Any, windows: Image) -> None:
    extractor = placed(engine=engine, precision=precision, batch=4)
    together = extractor.network(windows[:4])
    for i in range(4):
        np.testing.assert_array_equal(extractor.network(windows[i : i + 1])[0], together[i])
    np.testing.assert_array_equal(extractor.network(windows[[3, 2, 0]])[1:], together[[2, 0]])


def test_random_weights_are_always_the_same_and_tell_windows_apart(windows: Image) -> None:
    torch.manual_seed(5)
    first = placed(precision="fp32").network(windows[:4])
    torch.manual_seed(6)
    np.testing.assert_array_equal(placed(precision="fp32").network(windows[:4]), first)
    lengths = np.linalg.norm(first, axis=1)
    assert ((lengths > 1) & (lengths < 1000)).all()
    alike = (first / lengths[:, None]) @ (first / lengths[:, None]).T
    assert alike[~np.eye(4, dtype=bool)].max() < 0.97
    assert (first.std(axis=0) > 1e-3).mean() > 0.9


def test_the_draw_leaves_the_generator_alone() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    I3D("random")
    assert torch.equal(torch.rand(1), wanted)


@pytest.mark.parametrize("length", [8, 16])
def test_windows_of_any_length_from_8(length: int, windows: Image) -> None:
    extractor = placed(precision="fp32")
    assert extractor.length is None
    longer = np.concatenate([windows, windows], axis=1)[:1, :length]
    assert np.isfinite(extractor.network(longer)).all()


def test_what_it_crops_is_what_the_network_takes() -> None:
    crop = placed().crop(np.full((240, 320, 3), 200, np.uint8))
    assert crop.shape == (224, 224, 3)
    assert (crop == 200).all()


# Precision ------------------------------------------------------------------------------------------------------------


@needs_fast
def test_the_fast_precision_has_to_prove_itself(windows: Image) -> None:
    exact, fast = (placed(precision=precision).network(windows[:4]) for precision in ("fp32", FAST))
    assert 0 < relative(fast, exact) < 0.2
    wanted = choose(FAST, exact, fast)
    extractor = placed()
    assert extractor.precision_in_use == "fp32"
    decision = extractor.prepare(windows[:4], None)
    assert decision is not None
    assert decision.choice == extractor.precision_in_use == wanted.precision
    assert decision.line == f"I3D: openvino in {wanted.why}"
    np.testing.assert_array_equal(extractor.network(windows[:4]), exact if decision.choice == "fp32" else fast)


@needs_fast
@pytest.mark.parametrize("kept", [True, False])
def test_what_is_proven_is_used(kept: bool, windows: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extraction.features.feature_precision.BOUND", 1e9 if kept else 1e-9)
    extractor = placed()
    decision = extractor.prepare(windows[:4], None)
    assert decision is not None
    assert decision.choice == extractor.precision_in_use == (FAST if kept else "fp32")
    forced = placed(precision=decision.choice)
    assert forced.prepare(windows[:4], None) is None
    np.testing.assert_array_equal(extractor.network(windows[:2]), forced.network(windows[:2]))


@needs_fast
@pytest.mark.parametrize("before", ["fp32", FAST])
def test_what_was_decided_before_is_not_proven_again(before: str, windows: Image) -> None:
    extractor = placed()
    decision = extractor.prepare(windows[:1], before)
    assert decision is not None
    assert decision.choice == extractor.precision_in_use == before
    assert decision.line.endswith(f"openvino in {before}, as decided before")


def test_a_processor_without_a_fast_precision(windows: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVINOEngine, "precisions", staticmethod(lambda: ("fp32",)))
    decision = placed().prepare(windows[:1], None)
    assert decision is not None
    assert decision.choice == "fp32"
    assert "no faster precision" in decision.line
    with pytest.raises(InputError, match="I3D: bf16 is not fast here"):
        placed().prepare(windows[:1], "bf16")


def test_the_torch_module_is_dropped_once_the_engine_runs(windows: Image) -> None:
    extractor = placed(precision="fp32")
    assert extractor._runner._network is not None
    alive = weakref.ref(extractor._runner._network.body)
    extractor.network(windows[:1])
    gc.collect()
    assert alive() is None


# Wrong inputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "device", "reason"),
    [
        ({"weights": None}, "cpu", r"kinetics_i3d_pytorch.*extractor.init_args.weights.*\"random\""),
        ({"weights": "absent.pth"}, "cpu", r"absent.pth: cannot be read \(No such file"),
        ({"weights": "."}, "cpu", r"\.: cannot be read \(Is a directory"),
        ({"batch": 0}, "cpu", "I3D: a batch holds at least one window, got 0"),
        ({"engine": "openvino"}, "meta", "I3D: openvino runs on the processor"),
        ({}, "tpu of my neighbour", "I3D: no device 'tpu of my neighbour'"),
        ({"precision": "fp16", "engine": "torch"}, "cpu", "I3D: fp16 is not fast here"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], device: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as error:
        I3D(**{"weights": "random", **options}).place(device)
    assert "\n" not in str(error.value)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


def without(name: str) -> dict[str, torch.Tensor]:
    return {other: value for other, value in trained().items() if other != name}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (without("conv3d_0c_1x1.conv3d.bias"), r"another architecture than I3D \(Missing.*conv3d_0c_1x1.conv3d.bias"),
        (trained() | {"more": torch.zeros(1)}, "another architecture than I3D .*more"),
        (trained() | {"conv3d_1a_7x7.conv3d.weight": torch.zeros(64, 2, 7, 7, 7)}, "another architecture than I3D"),
        ({"fc.weight": Hostile()}, "refused"),
        ([1, 2], "no named tensors"),
    ],
)
def test_wrong_weights_get_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=reason) as error:
        I3D(str(tmp_path / "weights.pth"))
    assert str(error.value).startswith(f"{tmp_path / 'weights.pth'}: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off", b"<!DOCTYPE html>\n<html>"])
def test_files_that_are_no_checkpoint_get_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model_rgb.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"model_rgb.pth: (broken or no checkpoint|refused)") as error:
        I3D(str(tmp_path / "model_rgb.pth"))
    assert "\n" not in str(error.value)


def test_a_batch_that_is_too_large_is_a_mistake(windows: Image) -> None:
    with pytest.raises(ValueError, match="3 crops for an engine that takes 2"):
        placed(precision="fp32", batch=2).network(windows[:3])
