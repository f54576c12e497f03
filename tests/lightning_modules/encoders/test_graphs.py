from collections import Counter

import numpy as np
import pytest

from lightning_modules.encoders.graphs import Graph, edges
from poses.skeleton import BONES


def reached(edges: tuple[tuple[int, int], ...]) -> set[int]:
    """Joints that can be walked to from joint 0."""
    found = {0}
    for _ in range(15):
        found |= {joint for edge in edges if found & set(edge) for joint in edge}
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_joins_all_joints_with_14_edges(seed: int) -> None:
    tree = edges("tree", seed)
    assert len({frozenset(edge) for edge in tree}) == 14
    assert all(a != b for a, b in tree)
    assert reached(tree) == set(range(15))
    assert tree == edges("tree", seed)
    assert {frozenset(edge) for edge in tree} != {frozenset(bone) for bone in BONES}


def test_trees_of_all_kinds_are_as_likely() -> None:
    # a labelled tree of n joints has joint j as a leaf with probability (1 - 1/n)^(n - 2), and every edge 2/n
    trees = [edges("tree", seed) for seed in range(3000)]
    degrees = np.array([np.bincount(np.ravel(tree), minlength=15) for tree in trees])
    np.testing.assert_allclose((degrees == 1).mean(0), (14 / 15) ** 13, atol=0.04)
    shares = Counter(frozenset(edge) for tree in trees for edge in tree)
    assert len(shares) == 105
    np.testing.assert_allclose([count / 3000 for count in shares.values()], 2 / 15, atol=0.03)


def test_the_other_graphs() -> None:
    assert edges("skeleton", 3) == BONES
    assert edges("none") == ()
    assert {frozenset(edge) for edge in edges("full")} == {frozenset((i, j)) for i in range(15) for j in range(i)}
    assert len(edges("full")) == 105


def test_another_graph_is_refused() -> None:
    wrong: Graph = "ring"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="choose skeleton, none, tree or full"):
        edges(wrong)
