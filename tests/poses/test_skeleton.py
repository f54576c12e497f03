import math
import subprocess
import sys

import numpy as np
import pytest

from errors import InputError
from poses.skeleton import BONES, FLIP, JOINTS, KEYPOINTS, PARENTS, SKELETON, Source, adjacency, propagation
from tests.conftest import REPO


def test_joints_and_bones_are_the_papers() -> None:
    assert SKELETON == "gcn-psn-15"
    assert len(JOINTS) == 15
    assert len(BONES) == 14
    named = [f"{JOINTS[a]}-{JOINTS[b]}" for a, b in BONES]
    assert named == [
        "right_ankle-right_knee",
        "right_knee-right_hip",
        "right_hip-pelvis",
        "pelvis-left_hip",
        "left_hip-left_knee",
        "left_knee-left_ankle",
        "right_wrist-right_elbow",
        "right_elbow-right_shoulder",
        "right_shoulder-neck",
        "neck-left_shoulder",
        "left_shoulder-left_elbow",
        "left_elbow-left_wrist",
        "neck-head",
        "pelvis-neck",
    ]


def test_joints_hang_on_one_another_by_bones_and_parents_come_first() -> None:
    bones = [(joint, parent) for joint, parent in PARENTS.items() if joint != parent]
    assert {frozenset(bone) for bone in bones} == {frozenset(bone) for bone in BONES}
    order = list(PARENTS)
    assert all(order.index(parent) < order.index(joint) for joint, parent in bones)
    assert order[0] == PARENTS[order[0]] == JOINTS.index("pelvis")


def test_bones_are_a_tree() -> None:
    reached = {0}
    for _ in BONES:
        reached |= {joint for bone in BONES if reached & set(bone) for joint in bone}
    assert reached == set(range(15))


def test_flip_permutation_mirrors_the_graph() -> None:
    assert [FLIP[FLIP[j]] for j in range(15)] == list(range(15))
    assert {JOINTS[j] for j in range(15) if FLIP[j] == j} == {"pelvis", "neck", "head"}
    assert {frozenset((FLIP[a], FLIP[b])) for a, b in BONES} == {frozenset(bone) for bone in BONES}


def test_adjacency_and_propagation_by_hand() -> None:
    plain = adjacency()
    assert plain.dtype == np.float64
    assert plain.sum() == 28
    np.testing.assert_array_equal(plain, plain.T)
    np.testing.assert_array_equal(adjacency(1.5) - plain, 1.5 * np.eye(15))
    for loops in (0.0, 1.0, 2.0):
        degree = [sum(j in bone for bone in BONES) + loops for j in range(15)]
        expected = np.zeros((15, 15))
        for a, b in BONES:
            expected[a, b] = expected[b, a] = 1 / math.sqrt(degree[a] * degree[b])
        for j in range(15):
            expected[j, j] = loops / degree[j]
        np.testing.assert_allclose(propagation(loops), expected, rtol=1e-15)
    np.testing.assert_array_equal(propagation(), propagation(2.0))


def test_graphs_with_other_edges() -> None:
    # a ring of all joints: every degree is 2
    ring = [(j, (j + 1) % 15) for j in range(15)]
    np.testing.assert_allclose(propagation(1.0, ring), adjacency(1.0, ring) / 3)
    np.testing.assert_allclose(propagation(2.0, []), np.eye(15), rtol=1e-15)
    for loops, edges in ((0.0, ()), (0.0, ((0, 1),)), (-1.0, BONES), (math.nan, BONES)):
        with pytest.raises(InputError, match="self_loops"):
            propagation(loops, edges)


@pytest.mark.parametrize(
    ("source", "count", "some"),
    [
        ("coco17", 17, {0: "nose", 9: "left_wrist", 16: "right_ankle"}),
        ("mpii16", 16, {6: "pelvis", 7: "thorax", 8: "upper_neck", 9: "head_top"}),
        ("halpe26", 26, {16: "right_ankle", 17: "head_top", 18: "neck", 19: "hip", 25: "right_heel"}),
        ("body25", 25, {1: "neck", 8: "mid_hip", 15: "right_eye", 18: "left_ear", 24: "right_heel"}),
        ("blazepose33", 33, {2: "left_eye", 7: "left_ear", 24: "right_hip", 32: "right_foot_index"}),
    ],
)
def test_names_of_the_keypoints(source: Source, count: int, some: dict[int, str]) -> None:
    assert len(KEYPOINTS[source]) == len(set(KEYPOINTS[source])) == count
    for number, name in some.items():
        assert KEYPOINTS[source][number] == name


def test_neither_torch_nor_lightning_is_imported() -> None:
    code = (
        "import sys, poses.skeleton, poses.normalisation as n, numpy as np\n"
        "n.Normalisation()(np.zeros((2, 15, 2)), None)\n"
        "assert not {'torch', 'lightning', 'matplotlib', 'pandas'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)
