"""I3D's network against the paper's table and against one written another way."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from extraction.features.inception import InceptionI3D, same
from extraction.features.video_networks import draw_convolutions

# Figure 3 of the paper and GoogLeNet's table: an inception module's channels per branch.
TABLE = {
    "3b": "64 96-128 16-32 32",
    "3c": "128 128-192 32-96 64",
    "4b": "192 96-208 16-48 64",
    "4c": "160 112-224 24-64 64",
    "4d": "128 128-256 24-64 64",
    "4e": "112 144-288 32-64 64",
    "4f": "256 160-320 32-128 128",
    "5b": "256 160-320 32-128 128",
    "5c": "384 192-384 48-128 128",
}


def listing(counters: bool = True) -> dict[str, tuple[int, ...]]:
    """Names and shapes in `model_rgb.pth`."""
    shapes: dict[str, tuple[int, ...]] = {}

    def unit(name: str, channels_in: int, channels_out: int, kernel: int) -> None:
        shapes[f"{name}.conv3d.weight"] = (channels_out, channels_in, kernel, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.batch3d.{part}"] = (channels_out,)
        if counters:
            shapes[f"{name}.batch3d.num_batches_tracked"] = ()

    unit("conv3d_1a_7x7", 3, 64, 7)
    unit("conv3d_2b_1x1", 64, 64, 1)
    unit("conv3d_2c_3x3", 64, 192, 3)
    channels = 192
    for name, row in TABLE.items():
        first, second, third, fourth = row.split(" ")
        unit(f"mixed_{name}.branch_0", channels, int(first), 1)
        for branch, widths in ((1, second), (2, third)):
            narrow, wide = map(int, widths.split("-"))
            unit(f"mixed_{name}.branch_{branch}.0", channels, narrow, 1)
            unit(f"mixed_{name}.branch_{branch}.1", narrow, wide, 3)
        unit(f"mixed_{name}.branch_3.1", channels, int(fourth), 1)
        channels = sum(int(widths.split("-")[-1]) for widths in (first, second, third, fourth))
    assert channels == 1024
    shapes["conv3d_0c_1x1.conv3d.weight"] = (400, 1024, 1, 1, 1)
    shapes["conv3d_0c_1x1.conv3d.bias"] = (400,)
    return shapes


def trained(seed: int = 0) -> dict[str, Tensor]:
    """Weights as training leaves them: no number of the normalisation is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = InceptionI3D()
    draw_convolutions(drawn)
    weights = {name: value for name, value in drawn.state_dict().items() if "num_batches" not in name}
    for name, value in weights.items():
        if "batch3d" in name:
            noise = torch.rand(value.shape, generator=generator)
            weights[name] = 0.7 + 0.6 * noise if name.endswith(("weight", "var")) else 0.4 * noise - 0.2
    return weights


def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around the input as TensorFlow's SAME adds them, one axis after the other."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        size = x.shape[axis]
        output = size // s + (1 if size % s else 0)
        total = max(0, (output - 1) * s + k - size)
        for count, at_front in ((total // 2, True), (total - total // 2, False)):
            shape = list(x.shape)
            shape[axis] = count
            zeros = x.new_zeros(shape)
            x = torch.cat([zeros, x] if at_front else [x, zeros], dim=axis)
    return x


def reference(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Features of windows [B, 3, L, H, W] from the names in the file alone; every padding is made of zeros."""

    def unit(name: str, x: Tensor, stride: int = 1) -> Tensor:
        kernel = weights[f"{name}.conv3d.weight"]
        x = functional.conv3d(padded(x, tuple(kernel.shape[2:]), (stride,) * 3), kernel, stride=stride)
        mean, variance, scale, shift = (
            weights[f"{name}.batch3d.{part}"].view(1, -1, 1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 0.001).sqrt() * scale + shift).clamp(min=0)

    def pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
        x = padded(x, kernel, stride)
        for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
            x = x.unfold(axis, k, s).amax(-1)
        return x

    def mixed(name: str, x: Tensor) -> Tensor:
        return torch.cat(
            [
                unit(f"{name}.branch_0", x),
                unit(f"{name}.branch_1.1", unit(f"{name}.branch_1.0", x)),
                unit(f"{name}.branch_2.1", unit(f"{name}.branch_2.0", x)),
                unit(f"{name}.branch_3.1", pool(x, (3, 3, 3), (1, 1, 1))),
            ],
            dim=1,
        )

    x = pool(unit("conv3d_1a_7x7", x, stride=2), (1, 3, 3), (1, 2, 2))
    x = pool(unit("conv3d_2c_3x3", unit("conv3d_2b_1x1", x)), (1, 3, 3), (1, 2, 2))
    for name in TABLE:
        if name == "4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if name == "5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        x = mixed(f"mixed_{name}", x)
    if x.shape[2:] == (2, 7, 7):  # 16x224x224: what the port pools before its class layer
        return functional.avg_pool3d(x, (2, 7, 7), 1).flatten(1)
    return x.flatten(2).sum(2) / x[0, 0].numel()


def windows(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_names_and_shapes_are_those_of_the_published_weights() -> None:
    ours = {name: tuple(value.shape) for name, value in InceptionI3D().state_dict().items()}
    assert ours == listing()
    assert len(listing(counters=False)) == 57 * 5 + 2


# multiples of the network's strides, odd sizes, other heights than widths, 8 frames
@pytest.mark.parametrize("shape", [(2, 3, 16, 64, 64), (1, 3, 8, 64, 96), (1, 3, 13, 45, 70), (1, 3, 10, 33, 38)])
def test_features_are_those_of_a_slow_network(shape: tuple[int, ...]) -> None:
    weights = trained()
    network = InceptionI3D().eval()
    network.load_state_dict(weights)
    with torch.inference_mode():
        found, wanted = network(windows(*shape)), reference(weights, windows(*shape))
    assert found.shape == (shape[0], 1024)
    assert wanted.std() > 0.01
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-4)


def test_at_full_size_features_are_what_the_class_layer_of_the_port_gets() -> None:
    weights = trained(seed=1)
    network = InceptionI3D().eval()
    network.load_state_dict(weights)
    with torch.inference_mode():
        found, wanted = network(windows(1, 3, 16, 224, 224)), reference(weights, windows(1, 3, 16, 224, 224))
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-4)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(224, 7, 2), (15, 7, 2), (7, 2, 2), (28, 3, 2), (9, 3, 1)])
def test_padding_makes_as_many_steps_as_tensorflow_does(size: int, kernel: int, stride: int) -> None:
    before, after = same(size, kernel, stride)
    assert 0 <= after - before <= 1
    places = range(-before, size + after - kernel + 1, stride)
    assert len(places) == (size + stride - 1) // stride
    assert not before or places[-1] + kernel == size + after


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("counters", [True, False])
def test_the_port_s_file_loads_strictly(tmp_path: Path, legacy: bool, counters: bool) -> None:
    """As an old PyTorch wrote it: no counters of batches, not a zip archive."""
    weights = trained()
    if counters:
        weights |= {name: torch.tensor(7) for name, shape in listing().items() if shape == ()}
    assert {name: tuple(value.shape) for name, value in weights.items()} == listing(counters)
    torch.save(weights, tmp_path / "model_rgb.pth", _use_new_zipfile_serialization=not legacy)
    network = InceptionI3D()
    network.load_state_dict(torch.load(tmp_path / "model_rgb.pth", weights_only=True), strict=True)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())


@pytest.mark.parametrize("name", ["conv3d_0c_1x1.conv3d.bias", "mixed_4d.branch_2.1.batch3d.running_var"])
def test_a_file_without_one_of_the_weights_does_not(name: str) -> None:
    weights = trained()
    del weights[name]
    with pytest.raises(RuntimeError, match=name):
        InceptionI3D().load_state_dict(weights)
