from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from errors import InputError
from lightning_modules.encoders import ResidualGCNEncoder
from lightning_modules.encoders.residual_gcn import BoneVectors
from poses.skeleton import BONES, JOINTS
from tests.lightning_modules.encoders.test_skeleton_conv import hand_built

PARENTS = {
    "pelvis": "pelvis",
    "neck": "pelvis",
    "head": "neck",
    **{f"{side}_{joint}": other for side in ("left", "right") for joint, other in (
        ("hip", "pelvis"), ("knee", f"{side}_hip"), ("ankle", f"{side}_knee"),
        ("shoulder", "neck"), ("elbow", f"{side}_shoulder"), ("wrist", f"{side}_elbow"),
    )},
}  # fmt: skip


def normalised(x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    centred = x - x.mean(-1, keepdims=True)
    result: NDArray[Any] = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
    return result


def slow(encoder: ResidualGCNEncoder, pose: NDArray[Any], edges: tuple[tuple[int, int], ...]) -> NDArray[Any]:
    """One pose [15, 2] in numpy, from the weights by name."""
    w = {name: value.double().numpy() for name, value in encoder.state_dict().items()}
    bones = [pose[j] - pose[JOINTS.index(PARENTS[name])] for j, name in enumerate(JOINTS)]
    h = np.concatenate([pose, bones], axis=1) @ w["joints.1.weight"].T + w["joints.1.bias"] + w["joints.2.code"]
    last = 3
    while f"joints.{last}.norm.weight" in w:
        at = f"joints.{last}."
        x = normalised(h, w[at + "norm.weight"], w[at + "norm.bias"])
        x = hand_built(1.0, edges) @ x @ w[at + "convolution.lin.weight"].T + w[at + "convolution.bias"]
        h = h + np.maximum(x, 0) @ w[at + "linear.weight"].T + w[at + "linear.bias"]
        last += 1
    h = normalised(h, w[f"joints.{last}.weight"], w[f"joints.{last}.bias"]).ravel()
    hidden = np.maximum(w["projection.0.weight"] @ h + w["projection.0.bias"], 0)
    result: NDArray[Any] = w["projection.2.weight"] @ hidden + w["projection.2.bias"]
    return result


@pytest.mark.parametrize("graph", ["skeleton", "none"])
def test_equals_the_slow_version(graph: Any) -> None:
    torch.manual_seed(1)
    encoder = ResidualGCNEncoder(width=6, depth=3, hidden=9, embedding=4, graph=graph).double()
    for parameter in encoder.parameters():  # norms start at 1 and 0, biases at 0: make them count
        torch.nn.init.normal_(parameter, std=0.5)
    poses = torch.rand(5, 15, 2, dtype=torch.float64)
    expected = [slow(encoder, pose, BONES if graph == "skeleton" else ()) for pose in poses.numpy()]
    np.testing.assert_allclose(encoder(poses).detach().numpy(), expected, atol=1e-6)  # its matrix is rounded to float32


def test_bones_lead_from_the_pelvis_outward() -> None:
    poses = torch.rand(2, 3, 15, 3)
    got = BoneVectors()(poses)
    torch.testing.assert_close(got[..., :3], poses)
    for j, name in enumerate(JOINTS):
        expected = poses[..., j, :2] - poses[..., JOINTS.index(PARENTS[name]), :2]
        torch.testing.assert_close(got[..., j, 3:], expected)


def test_without_codes_joints_are_treated_alike() -> None:
    order = torch.randperm(15)
    poses = torch.rand(4, 15, 2)
    for codes in (False, True):
        joints = ResidualGCNEncoder(joint_codes=codes, bone_vectors=False, graph="full").joints
        same = torch.allclose(joints(poses)[:, order], joints(poses[:, order]), atol=1e-5)
        assert same != codes


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    encoder = ResidualGCNEncoder(width=8)
    encoder(torch.rand(16, 15, 2)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"depth": 0}, {"hidden": 0}, {"embedding": 0}, {"in_channels": 1}, {"self_loops": -1}]
)
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="at least"):
        ResidualGCNEncoder(**wrong)
