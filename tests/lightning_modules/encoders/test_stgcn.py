from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from errors import InputError
from lightning_modules.encoders import STGCNEncoder
from lightning_modules.encoders.stgcn import SUBSETS, partitions
from poses.skeleton import BONES, FLIP, JOINTS
from scoring.metrics import spearman
from tests.lightning_modules.encoders.test_residual_gcn import PARENTS

Floats = NDArray[np.float64]
Norm = Callable[[str, Floats], Floats]

TOWARDS_PELVIS = {
    JOINTS.index(joint): JOINTS.index(parent) for joint, parent in PARENTS.items() if joint != parent
}  # 14 joints


def subsets(joint: int) -> list[list[int]]:
    """Root, centripetal and centrifugal neighbours, from the hand-written table of parents."""
    nearer = [TOWARDS_PELVIS[joint]] if joint in TOWARDS_PELVIS else []
    return [[joint], nearer, [child for child, parent in TOWARDS_PELVIS.items() if parent == joint]]


def slow_block(x: Floats, w: dict[str, Floats], at: str, stride: int, norm: Norm) -> Floats:
    """One block on [N, L, 15, C], sum by sum."""
    windows, frames, joints, channels = x.shape
    spatial, temporal, importance = w[f"{at}spatial.weight"], w[f"{at}temporal.weight"], w[f"{at}importance"]
    h = np.zeros((windows, frames, joints, len(spatial)))
    for n, t, i in np.ndindex(windows, frames, joints):
        for k, subset in enumerate(subsets(i)):
            for j in subset:
                share = np.float32(1 / len(subset))  # a buffer, rounded as such before the weights become float64
                h[n, t, i] += importance[k, i, j] * share * spatial[:, k * channels : (k + 1) * channels] @ x[n, t, j]
    h = np.maximum(norm(f"{at}spatial_norm.", h), 0)
    kept = range(0, frames, stride)
    kernel = temporal.shape[2]
    out = np.zeros((windows, len(kept), joints, len(spatial)))
    for n, s, i, tap in np.ndindex(windows, len(kept), joints, kernel):
        t = kept[s] + tap - kernel // 2
        if 0 <= t < frames:
            out[n, s, i] += temporal[:, :, tap, 0] @ h[n, t, i]
    out = norm(f"{at}temporal_norm.", out)
    rest = x[:, list(kept)]
    if f"{at}residual.0.weight" in w:
        rest = norm(f"{at}residual.1.", rest @ w[f"{at}residual.0.weight"].T)
    result: Floats = np.maximum(out + rest, 0)
    return result


def slow(encoder: STGCNEncoder, x: Floats, strides: tuple[int, ...]) -> Floats:
    """Embeddings [N, E] of windows [N, L, 15, C], in the encoder's mode."""
    w = {name: value.double().numpy() for name, value in encoder.state_dict().items()}

    def norm(at: str, values: Floats) -> Floats:
        flat = values.reshape(-1, values.shape[-1])
        mean, variance = w[f"{at}running_mean"], w[f"{at}running_var"]
        if encoder.training:
            mean = flat.sum(0) / len(flat)
            variance = ((flat - mean) ** 2).sum(0) / len(flat)
        result: Floats = (values - mean) / np.sqrt(variance + 1e-5) * w[f"{at}weight"] + w[f"{at}bias"]
        return result

    x = norm("data_norm.", x.reshape(*x.shape[:2], -1)).reshape(x.shape)
    for number, stride in enumerate(strides):
        x = slow_block(x, w, f"blocks.{number}.", stride, norm)
    pooled = x.mean(1).mean(1)
    result: Floats = pooled @ w["linear.weight"].T + w["linear.bias"]
    return result


def shaken(encoder: STGCNEncoder) -> STGCNEncoder:
    """What starts at 0 or 1 (norms, running statistics, importance) made to count."""
    for name, value in encoder.state_dict().items():
        if value.is_floating_point() and any(part in name for part in ("norm", "residual.1", "importance")):
            value.uniform_(0.5, 1.5)
    return encoder


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("frames", "channels", "strides", "kernel"),
    [(7, (3, 4, 4), (1, 2, 1), 3), (1, (4, 4), (2, 1), 9), (2, (2, 2), (1, 3), 5), (6, (5,), (1,), 1)],
)
def test_equals_the_slow_version(
    training: bool, frames: int, channels: tuple[int, ...], strides: tuple[int, ...], kernel: int
) -> None:
    torch.manual_seed(0)
    encoder = shaken(STGCNEncoder(2, channels, strides, kernel, embedding=5).double().train(training))
    windows = torch.rand(3, frames, 15, 2, dtype=torch.float64)
    expected = slow(encoder, windows.numpy(), strides)
    np.testing.assert_allclose(encoder(windows).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


def test_each_neighbour_is_in_exactly_one_subset() -> None:
    adjacency = np.eye(15)
    for a, b in BONES:
        adjacency[a, b] = adjacency[b, a] = 1
    found = partitions().numpy()
    assert found.shape == (len(SUBSETS), 15, 15)
    np.testing.assert_array_equal(found.sum(0), adjacency)
    assert set(found.ravel()) == {0, 1}
    for joint in range(15):
        assert [list(np.flatnonzero(row)) for row in found[:, joint]] == [sorted(one) for one in subsets(joint)]


def test_the_papers_shape_can_be_asked_for() -> None:
    channels, strides = (64,) * 3 + (128,) * 3 + (256,) * 3, (1, 1, 1, 2, 1, 1, 2, 1, 1)
    encoder = STGCNEncoder(3, channels, strides, dropout=0.5, embedding=400)
    shapes = [tuple(weight.shape) for name, weight in encoder.named_parameters() if name.endswith("temporal.weight")]
    assert shapes == [(width, width, 9, 1) for width in channels]
    assert sum(weight.numel() for weight in encoder.parameters()) == pytest.approx(3.1e6, rel=0.02)
    assert encoder(torch.rand(1, 9, 15, 3)).shape == (1, 400)


def test_left_and_right_are_alike_until_edges_gain_importance() -> None:
    torch.manual_seed(0)
    encoder = STGCNEncoder().eval()
    windows = torch.rand(4, 16, 15, 2)
    torch.testing.assert_close(encoder(windows[:, :, list(FLIP)]), encoder(windows))
    assert not torch.allclose(shaken(encoder)(windows[:, :, list(FLIP)]), encoder(windows), atol=1e-3)


def test_backwards_in_time_is_forwards_with_kernels_turned_round() -> None:
    torch.manual_seed(0)
    encoder = shaken(STGCNEncoder(channels=(4, 6, 6), strides=(1, 2, 1)).eval())
    windows = torch.rand(4, 9, 15, 2)
    forwards, backwards = encoder(windows), encoder(windows.flip(1))
    assert not torch.allclose(forwards, backwards, atol=1e-3)
    for name, weight in encoder.named_parameters():
        if name.endswith("temporal.weight"):
            weight.data = weight.data.flip(2)
    torch.testing.assert_close(encoder(windows.flip(1)), forwards)


def test_in_training_position_and_size_of_the_poses_do_not_matter() -> None:
    torch.manual_seed(0)
    encoder = STGCNEncoder(channels=(8, 8), strides=(1, 2)).double()
    windows = torch.rand(8, 6, 15, 2, dtype=torch.float64)
    moved = 30 + windows * (1 + torch.rand(15, 2))  # each coordinate by a factor of its own
    torch.testing.assert_close(encoder(moved), encoder(windows), rtol=0, atol=1e-3)  # but for epsilon


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    encoder = STGCNEncoder()
    encoder(torch.rand(4, 40, 15, 2)).square().sum().backward()  # in a short one, outer taps see nothing but padding
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        edges = partitions() > 0 if name.endswith("importance") else torch.ones_like(parameter, dtype=torch.bool)
        assert parameter.grad[edges].all(), name
        assert not parameter.grad[~edges].any()


@pytest.mark.parametrize("shape", [(1, 1), (1,), (0, 7), (2, 0, 3)])
def test_one_pose_or_none_leaves_a_training_encoder_sound(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    encoder = STGCNEncoder(channels=(4, 8), strides=(2, 1))
    encoder(torch.rand(5, 6, 15, 2))
    embedding = encoder(torch.rand(*shape, 15, 2))
    embedding.sum().backward()
    assert embedding.shape == (*shape[:-1], 50)
    assert embedding.isfinite().all()
    assert all(value.isfinite().all() for value in encoder.state_dict().values())
    assert all(value.grad is not None and value.grad.isfinite().all() for value in encoder.parameters())


def test_dropout_is_for_training_alone() -> None:
    torch.manual_seed(0)
    encoder, windows = STGCNEncoder(channels=(8,), strides=(1,), dropout=0.5), torch.rand(2, 4, 15, 2)
    assert not torch.equal(encoder(windows), encoder(windows))
    encoder.eval()
    assert torch.equal(encoder(windows), encoder(windows))


def test_scores_of_16_clips_can_be_learnt_by_heart() -> None:
    torch.manual_seed(0)
    clips, scores = torch.rand(16, 15, 2)[:, None] + 0.1 * torch.randn(16, 16, 15, 2), torch.rand(16)
    model = torch.nn.Sequential(STGCNEncoder(), torch.nn.Linear(50, 1))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        loss = (model(clips)[:, 0] - scores).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        assert spearman(model.eval()(clips)[:, 0], scores) == pytest.approx(1)


def test_onnx_agrees_whatever_the_batch_and_the_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = shaken(STGCNEncoder(channels=(8, 8), strides=(2, 1), embedding=5)).eval()
    program = torch.onnx.export(
        encoder,
        (torch.rand(2, 6, 15, 2),),
        input_names=["poses"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("frames", min=1)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for shape in ((1, 6), (2, 1), (7, 16), (1, 60)):
        poses = torch.rand(*shape, 15, 2)
        (embedding,) = session.run(None, {"poses": poses.numpy()})
        np.testing.assert_allclose(embedding, encoder(poses).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_channels": 0},
        {"embedding": 0},
        {"channels": (32, 0, 64)},
        {"channels": (), "strides": ()},
        {"channels": (32, 64)},
        {"strides": (1, 1, -2)},
        {"kernel": 4},
        {"kernel": -1},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"\ASTGCNEncoder: [^\n]+; got [^\n]+\Z"):
        STGCNEncoder(**wrong)
