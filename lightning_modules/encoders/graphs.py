"""The graphs over the 15 joints that a graph convolution can be given: the skeleton, and controls for it."""

import itertools
import random
from typing import Final, Literal

from poses.skeleton import BONES, JOINTS

Graph = Literal["skeleton", "none", "tree", "full"]

Edges = tuple[tuple[int, int], ...]

_COUNT: Final = len(JOINTS)


def edges(graph: Graph, seed: int = 0) -> Edges:
    """Pairs of joints that a graph joins, each pair once.

    Args:
        graph: "skeleton", the 14 bones; "none", no edge: each joint is transformed by itself; "tree", 14 edges that
            make a tree of the joints, any of the 15^13 being as likely as another: as sparse as the skeleton, with
            another anatomy; "full", all 105 pairs.
        seed: of the tree; the others ignore it.

    Raises:
        ValueError: another graph.
    """
    if graph == "skeleton":
        return BONES
    if graph == "none":
        return ()
    if graph == "full":
        return tuple(itertools.combinations(range(_COUNT), 2))
    if graph == "tree":
        return _tree(random.Random(seed).choices(range(_COUNT), k=_COUNT - 2))
    raise ValueError(f"graph is {graph!r}: choose skeleton, none, tree or full")


def _tree(code: list[int]) -> Edges:
    """The tree with this Prüfer code: every tree has exactly one, every code a tree."""
    left = [code.count(joint) for joint in range(_COUNT)]  # how often each still stands in the code
    found = []
    for joint in code:
        leaf = left.index(0)
        found.append((leaf, joint))
        left[leaf] = -1  # joined: out of the game
        left[joint] -= 1
    first, second = (joint for joint in range(_COUNT) if left[joint] == 0)
    return (*found, (first, second))
