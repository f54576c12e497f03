"""Both engines on a small network: what they compute, and that a crop's result depends on nothing but the crop."""

import copy
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from extraction.engines import Engine, Network, Precision, filled
from extraction.engines.openvino_engine import OpenVINOEngine, converted
from extraction.engines.torch_engine import TorchEngine
from extraction.types import Image

CPU = torch.device("cpu")
SHAPE = (32, 24, 3)
BATCH = 4


def small_network(seed: int = 0, **options: object) -> Network:
    """As HRNet in small: convolutions, normalisation, two resolutions that are added."""
    torch.manual_seed(seed)
    return Network(Small(), mean=(120, 110, 100), std=(60, 50, 40), **options).eval()  # type: ignore[arg-type]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.Upsample(scale_factor=2))
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.stem(images)
        heatmaps: Tensor = self.head(fine + self.coarse(fine))
        return heatmaps


class TwoAnswers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = Small()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        heatmaps = self.small(images)
        return heatmaps.amax(2), heatmaps.amax(3)


def crops(count: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def on_torch(network: Network, precision: Precision = "fp32") -> Engine:
    return TorchEngine(network, BATCH, SHAPE, precision, CPU)


def on_openvino(network: Network, precision: Precision = "fp32") -> Engine:
    return OpenVINOEngine(converted(network, BATCH, SHAPE), precision, BATCH)


def in_portions(network: Network, precision: Precision = "fp32") -> Engine:
    return OpenVINOEngine(converted(network, 2, SHAPE), precision, BATCH)


MAKERS = [on_torch, on_openvino, in_portions]
Make = Callable[..., Engine]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("rgb", [True, False])
def test_the_network_normalises_what_lies_in_memory(make: Make, rgb: bool) -> None:
    network = small_network(rgb=rgb)
    (found,) = make(network)(crops(3))
    images = torch.from_numpy(crops(3)).permute(0, 3, 1, 2).float()
    order = [0, 1, 2] if rgb else [2, 1, 0]
    for channel in range(3):
        images[:, channel] -= (120, 110, 100)[order.index(channel)]
        images[:, channel] /= (60, 50, 40)[order.index(channel)]
    with torch.no_grad():
        wanted = network.body(images[:, order])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


class Smooth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(3, 4, 3)

    def forward(self, windows: Tensor) -> Tensor:
        means: Tensor = self.layer(windows).mean(dim=(2, 3, 4))
        return means


@pytest.mark.parametrize(
    "make", [TorchEngine, lambda network, batch, shape, *_: OpenVINOEngine(converted(network, 1, shape), "fp32", batch)]
)
def test_windows_of_frames_are_taken_as_crops_are(make: Make) -> None:
    torch.manual_seed(0)
    network = Network(Smooth(), mean=(120, 110, 100), std=(60, 50, 40)).eval()
    windows = np.stack([crops(5, seed) for seed in range(3)])
    (found,) = make(network, BATCH, windows.shape[1:], "fp32", CPU)(windows)
    wanted = []
    for window in windows.astype(np.float32):
        channels = [(window[..., i] - mean) / std for i, (mean, std) in enumerate(((120, 60), (110, 50), (100, 40)))]
        with torch.no_grad():
            wanted.append(network.body(torch.from_numpy(np.stack(channels))[None])[0].numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("shift", [True, False])
def test_the_flip_test_is_the_mean_with_the_mirrored_crop(make: Make, shift: bool) -> None:
    flip = [0, 2, 1, 4, 3]
    (plain,) = make(small_network())(crops(3))
    (mirrored,) = make(small_network())(np.ascontiguousarray(crops(3)[:, :, ::-1]))
    back = mirrored[:, flip, :, ::-1].copy()
    if shift:
        back[..., 1:] = back[..., :-1].copy()
    (found,) = make(small_network(flip=flip, shift=shift))(crops(3))
    np.testing.assert_allclose(found, (plain + back) / 2, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_crop_depends_on_the_others_in_no_bit(make: Make, precision: Precision) -> None:
    engine = make(small_network(), precision)
    pixels = crops(BATCH)
    (together,) = engine(pixels)
    for i in range(BATCH):
        np.testing.assert_array_equal(engine(pixels[i : i + 1])[0][0], together[i])
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(engine(pixels[order])[0], together[order])
    np.testing.assert_array_equal(engine(np.stack([pixels[1], *crops(2, seed=1)]))[0][0], together[1])


@pytest.mark.parametrize("make", MAKERS)
def test_fewer_bits_move_heatmaps_a_little(make: Make) -> None:
    (exact,) = make(small_network(), "fp32")(crops(BATCH))
    (fast,) = make(small_network(), "bf16")(crops(BATCH))
    assert fast.dtype == np.float32
    assert np.abs(exact - fast).max() < 0.03 * np.abs(exact).max()


@pytest.mark.parametrize("make", MAKERS)
def test_several_answers_stay_several(make: Make) -> None:
    torch.manual_seed(0)
    columns, rows = make(Network(TwoAnswers()).eval())(crops(3))
    assert columns.shape == (3, 5, 12)
    assert rows.shape == (3, 5, 16)


@pytest.mark.parametrize("make", MAKERS)
def test_the_network_is_left_as_it_was(make: Make) -> None:
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    make(network, "bf16")
    for name, value in network.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("make", MAKERS)
def test_no_engine_takes_more_than_its_batch(make: Make) -> None:
    with pytest.raises(ValueError, match="5 crops for an engine that takes 4"):
        make(small_network())(crops(BATCH + 1))


def test_nobody_is_told_of_what_is_converted() -> None:
    on_openvino(small_network())
    assert "openvino.tools.ovc.convert_impl" in sys.modules
    assert sys.modules["openvino_telemetry"] is None


def test_filling_up() -> None:
    assert filled(crops(4), 4).base is not None or len(filled(crops(4), 4)) == 4
    padded = filled(crops(1), 4)
    np.testing.assert_array_equal(padded[:1], crops(1))
    assert not padded[1:].any()


def test_fp32_is_always_there() -> None:
    assert TorchEngine.precisions(CPU)[-1] == "fp32"
    assert TorchEngine.precisions(torch.device("cuda")) == ("fp16", "fp32")
    assert OpenVINOEngine.precisions()[-1] == "fp32"
