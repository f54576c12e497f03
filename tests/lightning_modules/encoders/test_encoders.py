import io
from typing import Any

import pytest
import torch
from torch import nn

from errors import InputError
from lightning_modules.encoders import FourierEncoder, GCNEncoder, MLPEncoder, ResidualGCNEncoder, STGCNEncoder

ENCODERS = {
    "paper": GCNEncoder(),
    "wide": GCNEncoder(channels=16, depth=3, bias=True, self_loops=1.0, activation=nn.ELU),
    "confidences": GCNEncoder(in_channels=3, channels=4),
    "tree": GCNEncoder(graph="tree", graph_seed=1, initialisation="positive"),
    "mlp": MLPEncoder(),
    "fourier": FourierEncoder(embedding=50),
    "residual": ResidualGCNEncoder(),
    "residual, plain": ResidualGCNEncoder(width=7, depth=1, joint_codes=False, bone_vectors=False, graph="full"),
}
CHANNELS = {"confidences": 3}

# these take windows of poses [..., L, 15, C]; in evaluation, for in training some see the whole batch
WINDOW_ENCODERS = {
    "stgcn": STGCNEncoder().eval(),
    "stgcn, deep": STGCNEncoder(channels=(4, 4, 8, 8), strides=(1, 1, 2, 1), kernel=3, dropout=0.5).eval(),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_shapes_and_independence_of_the_batch(name: str) -> None:
    encoder = ENCODERS[name]
    channels = CHANNELS.get(name, 2)
    poses = torch.rand(6, 15, channels)
    embedding = encoder(poses)
    assert embedding.shape == (6, 50)
    torch.testing.assert_close(embedding[2:3], encoder(poses[2:3]))
    assert encoder(poses[:0]).shape == (0, 50)


@pytest.mark.parametrize("name", ENCODERS)
def test_any_leading_shape(name: str) -> None:
    encoder = ENCODERS[name]
    poses = torch.rand(2, 3, 4, 15, CHANNELS.get(name, 2))
    embedding = encoder(poses)
    assert embedding.shape[:3] == (2, 3, 4)
    torch.testing.assert_close(embedding[1, 2], encoder(poses[1, 2]))
    torch.testing.assert_close(embedding[1, 2, 3], encoder(poses[1, 2, 3]))


@pytest.mark.parametrize("frames", [1, 2, 16, 61])
@pytest.mark.parametrize("name", WINDOW_ENCODERS)
def test_windows_of_any_length_and_leading_shape(name: str, frames: int) -> None:
    encoder = WINDOW_ENCODERS[name]
    windows = torch.rand(2, 3, frames, 15, 2)
    embedding = encoder(windows)
    assert embedding.shape == (2, 3, 50)
    torch.testing.assert_close(embedding[1], encoder(windows[1]))
    torch.testing.assert_close(embedding[1, 2], encoder(windows[1, 2]))
    assert encoder(windows[:0]).shape == (0, 3, 50)


@pytest.mark.parametrize("name", WINDOW_ENCODERS)
def test_the_order_of_the_poses_in_a_window_counts(name: str) -> None:
    windows = torch.rand(3, 16, 15, 2)
    assert not torch.allclose(WINDOW_ENCODERS[name](windows), WINDOW_ENCODERS[name](windows.flip(1)), atol=1e-5)


def test_sizes_are_those_of_the_paper() -> None:
    shapes = [tuple(p.shape) for p in GCNEncoder().parameters()]
    assert shapes == [(2, 2), (2, 2), (40, 30), (40,), (50, 40), (50,), (50, 50), (50,)]
    assert shapes[2:] == [tuple(p.shape) for p in MLPEncoder().parameters()]


def test_fourier_features_begin_as_a_gaussian_kernel() -> None:
    torch.manual_seed(0)
    encoder = FourierEncoder(bandwidth=0.7, embedding=40_000)
    poses = torch.rand(6, 15, 2)
    features = encoder(poses)
    expected = torch.exp(-0.5 * 0.7**2 * torch.cdist(poses.flatten(1), poses.flatten(1)).square())
    torch.testing.assert_close(2 * features @ features.T / 40_000, expected, rtol=0, atol=0.03)


def test_several_bandwidths_make_the_mean_of_their_kernels() -> None:
    torch.manual_seed(0)
    encoder = FourierEncoder(bandwidth=[0.5, 2.0], embedding=40_000)
    poses = torch.rand(6, 15, 2)
    features = encoder(poses)
    squares = torch.cdist(poses.flatten(1), poses.flatten(1)).square()
    expected = (torch.exp(-0.5 * 0.5**2 * squares) + torch.exp(-0.5 * 2.0**2 * squares)) / 2
    torch.testing.assert_close(2 * features @ features.T / 40_000, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize(
    "wrong",
    [{"embedding": 0}, {"bandwidth": []}, {"bandwidth": [1.0, 0.0]}, {"bandwidth": 0.0}, {"bandwidth": float("nan")}],
)
def test_fourier_features_of_no_width_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="FourierEncoder"):
        FourierEncoder(**wrong)


def test_output_is_linear() -> None:
    # else the cosine distance never passes 1 and the margin of 1.35 is out of reach
    torch.manual_seed(0)
    assert (GCNEncoder(channels=16)(torch.rand(64, 15, 2)) < 0).any()


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"depth": 0}, {"in_channels": 0}, {"embedding": 0}])
def test_empty_widths_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        GCNEncoder(**wrong)


@pytest.mark.parametrize("name", [*ENCODERS, *WINDOW_ENCODERS])
def test_state_dict_survives_weights_only(name: str) -> None:
    encoder = {**ENCODERS, **WINDOW_ENCODERS}[name]
    buffer = io.BytesIO()
    torch.save(encoder.state_dict(), buffer)
    buffer.seek(0)
    encoder.load_state_dict(torch.load(buffer, weights_only=True))


@pytest.mark.parametrize("name", [*ENCODERS, *WINDOW_ENCODERS])
def test_a_wrong_shape_is_told_in_the_fields_words(name: str) -> None:
    encoder = ENCODERS.get(name) or WINDOW_ENCODERS[name]
    channels = CHANNELS.get(name, 2)
    with pytest.raises(ValueError, match=r"17 joints, expected the 15 of poses\.JOINTS; poses\.convert\("):
        encoder(torch.rand(4, 6, 17, channels))
    with pytest.raises(ValueError, match=rf"15, {channels}\], not \[4, 6, 15, {channels + 1}\]"):
        encoder(torch.rand(4, 6, 15, channels + 1))
    short = torch.rand(15, 2) if name in WINDOW_ENCODERS else torch.rand(15 * channels)
    with pytest.raises(ValueError, match="poses must have shape"):
        encoder(short)
