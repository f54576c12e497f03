import math

import pytest
import torch
from torch import Tensor

from feedback.explanations import LIMBS, PARTS, Embed, angles, bone_differences, explain, random_poses, telling, turned
from lightning_modules.encoders import GCNEncoder
from poses.normalisation import Normalisation
from poses.skeleton import BONES, JOINTS
from scoring.distances import cosine_distance, score_from_distance

AT = {name: index for index, name in enumerate(JOINTS)}
NAMES = [part.name for part in PARTS]


@pytest.fixture(scope="module")
def encoder() -> GCNEncoder:
    torch.manual_seed(0)
    return GCNEncoder(channels=16).eval()


def embedder(encoder: GCNEncoder) -> Embed:
    def embed(poses: Tensor) -> Tensor:
        with torch.inference_mode():
            embedding: Tensor = encoder(Normalisation()(poses, None)[0])
        return embedding

    return embed


def bent(pose: Tensor, joint: str, moved: list[str], degrees: float) -> Tensor:
    """Slow and independent: complex numbers, one joint at a time."""
    result = pose.clone()
    pivot = complex(*pose[AT[joint]].tolist())
    for name in moved:
        turned_point = pivot + (complex(*pose[AT[name]].tolist()) - pivot) * complex(
            math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        )
        result[AT[name]] = torch.tensor([turned_point.real, turned_point.imag])
    return result


PLANTED = [
    ("left knee", "left_knee", ["left_ankle"], 34.0),
    ("right knee", "right_knee", ["right_ankle"], -25.0),
    ("left hip", "left_hip", ["left_knee", "left_ankle"], 30.0),
    ("right arm", "right_shoulder", ["right_elbow", "right_wrist"], 50.0),
    ("left elbow", "left_elbow", ["left_wrist"], -70.0),
    ("head", "neck", ["head"], 20.0),
    (
        "trunk",
        "pelvis",
        [n for n in JOINTS if n.split("_")[-1] in ("neck", "head", "shoulder", "elbow", "wrist")],
        15.0,
    ),
    ("whole body", "pelvis", list(JOINTS), 40.0),
]


@pytest.mark.parametrize(("part", "joint", "moved", "degrees"), PLANTED)
def test_a_planted_difference_comes_first_with_its_number_and_sign(
    part: str, joint: str, moved: list[str], degrees: float, encoder: GCNEncoder
) -> None:
    references = random_poses(20, seed=3) * 100 + 300
    poses = torch.stack([bent(one, joint, moved, degrees) for one in references])
    found = explain(poses, references, embedder(encoder))
    which = NAMES.index(part)
    torch.testing.assert_close(found.difference[:, which], torch.full((20,), degrees), atol=1e-2, rtol=0)
    assert (found.gain.argmax(dim=1) == which).all()
    torch.testing.assert_close(found.score + found.cost[:, which], torch.full((20,), 100.0).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.mended, torch.full((20,), 100.0).double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("part", "other"), [("trunk", "whole body"), ("whole body", "trunk")])
def test_a_leaning_trunk_is_told_from_a_turned_body(part: str, other: str, encoder: GCNEncoder) -> None:
    _, joint, moved, degrees = next(one for one in PLANTED if one[0] == part)
    references = random_poses(20, seed=3)
    poses = torch.stack([bent(one, joint, moved, degrees) for one in references])
    told = telling(explain(poses, references, embedder(encoder)).difference)
    assert told[:, NAMES.index(part)].all()
    assert not told[:, NAMES.index(other)].any()
    assert told[:, [k for k, name in enumerate(NAMES) if name not in (part, other)]].all()
    poses[:, [AT["left_knee"], AT["right_knee"]]] = torch.nan  # then nobody knows: the body is turned
    told = telling(explain(poses, references, embedder(encoder)).difference)
    assert told[:, NAMES.index("whole body")].all()


def test_all_at_once_agrees_with_a_slow_loop(encoder: GCNEncoder) -> None:
    poses, references = random_poses(4, seed=1) * 80, random_poses(4, seed=2) * 120 + 50
    poses[1, AT["left_ankle"]] = references[1, AT["left_ankle"]] = torch.nan
    found = explain(poses, references, embedder(encoder))
    embed = embedder(encoder)
    order = {name: sorted(part.moved) for name, part in zip(NAMES, PARTS, strict=True)}
    for n in range(4):
        target = embed(references[n][None])

        def scored(pose: Tensor, target: Tensor = target) -> float:
            return score_from_distance(cosine_distance(embed(pose[None]), target).double()).item()

        before = scored(poses[n])
        assert found.score[n].item() == pytest.approx(before, abs=1e-3)

        def mended(pose: Tensor, name: str, n: int = n) -> Tensor:
            part = PARTS[NAMES.index(name)]
            turn = -found.difference[n, NAMES.index(name)].nan_to_num().item()
            return bent(pose, JOINTS[part.bone[0]], [JOINTS[joint] for joint in order[name]], turn)

        for k, name in enumerate(NAMES):
            assert found.cost[n, k].item() == pytest.approx(scored(mended(poses[n], name)) - before, abs=2e-3)
        for which, (upper, lower) in enumerate(LIMBS.values()):
            # the lower joint first: turning the upper one afterwards carries it along
            limb = scored(mended(mended(poses[n], lower), upper))
            assert found.limb_cost[n, which].item() == pytest.approx(limb - before, abs=2e-3)


def test_every_angle_replaced_gives_the_references_directions() -> None:
    poses, references = random_poses(5, seed=4), random_poses(5, seed=5)
    turn = -(angles(poses) - angles(references))
    turn[:, NAMES.index("trunk")] = 0
    mended = turned(poses, turn[:, None])[:, 0]
    ends = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
    limbs = [(AT[f"{side}_{a}"], AT[f"{side}_{b}"]) for side in ("left", "right") for a, b in ends]
    kept = (*limbs, (AT["pelvis"], AT["neck"]), (AT["neck"], AT["head"]))
    assert bone_differences(mended, references, kept).max() < 0.1
    for bone in BONES:
        lengths = [torch.linalg.vector_norm(p[:, bone[0]] - p[:, bone[1]], dim=-1) for p in (poses, mended)]
        torch.testing.assert_close(*lengths, atol=1e-4, rtol=0)


def test_angles_read_as_a_coach_reads_them() -> None:
    standing = random_poses(1, seed=0)  # any body: set its angles
    zero = turned(standing, -angles(standing)[:, None] * torch.tensor([name != "trunk" for name in NAMES]))[:, 0]
    assert angles(zero).abs().max() < 0.1
    assert zero[0, AT["neck"], 1] < zero[0, AT["pelvis"], 1]
    for side in ("left", "right"):
        assert zero[0, AT[f"{side}_wrist"], 1] > zero[0, AT[f"{side}_shoulder"], 1]
        assert zero[0, AT[f"{side}_ankle"], 1] > zero[0, AT[f"{side}_knee"], 1] > zero[0, AT[f"{side}_hip"], 1]


def test_missing_and_foreshortened_parts_cost_nothing(encoder: GCNEncoder) -> None:
    poses, references = random_poses(2, seed=6), random_poses(2, seed=7)
    poses[0, AT["left_elbow"]] = torch.nan
    references[1, AT["right_wrist"]] = references[1, AT["right_elbow"]] + 0.01
    found = explain(poses, references, embedder(encoder))
    for n, parts in ((0, ("left arm", "left elbow")), (1, ("right elbow",))):
        unknown = [NAMES[k] for k in found.difference[n].isnan().nonzero().flatten().tolist()]
        assert unknown == list(parts)
        for part in parts:
            assert found.gain[n, NAMES.index(part)] == found.cost[n, NAMES.index(part)] == 0
    assert found.cost.isfinite().all()
    assert found.mended.isfinite().all()


def test_equal_poses_cost_nothing(encoder: GCNEncoder) -> None:
    poses = random_poses(3, seed=8)
    found = explain(poses, poses, embedder(encoder))
    assert found.cost.abs().max() < 1e-3
    assert (found.score > 99.999).all()


def test_other_shapes_are_refused(encoder: GCNEncoder) -> None:
    with pytest.raises(ValueError, match=r"\[N, 15, 2\]"):
        explain(torch.zeros(15, 2), torch.zeros(15, 2), embedder(encoder))
