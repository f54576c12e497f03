"""The graph convolution of eq. (3) for a fixed graph: the skeleton, or a control for it; and how its weights start."""

import itertools
import math
import random
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GCNConv

from poses.skeleton import BONES, JOINTS, propagation

Graph = Literal["skeleton", "none", "tree", "full"]
"""Which joints are neighbours, see `edges`."""

Initialisation = Literal["glorot", "linear", "orthogonal", "positive"]
"""How weights start, see `initialise`: with 2 channels and ReLU, a network may be dead from the first step."""

Edges = tuple[tuple[int, int], ...]

_COUNT: Final = len(JOINTS)

# Up to this many weights the whole layer is fastest as one [15 in, 15 out] product: torch.kron of the
# propagation matrix and the weights costs less than a batched product with a 15x15 matrix does.
KRONECKER_WEIGHTS = 32


class SkeletonConv(GCNConv):  # type: ignore[misc]  # PyG publishes no types
    r"""`torch_geometric.nn.GCNConv` on the skeleton graph, without its activation.

    .. math:: H' = \hat D^{-1/2} \hat C \hat D^{-1/2} H W + b

    Parameters, their names and their initialisation are PyG's, so a state dict loads in both; the normalised matrix is
    computed once. Equal to `GCNConv(improved=True)` called with the 28 directed bones and explicit unit edge weights
    (without weights PyG uses 1 instead of 2 on the diagonal).

    Args:
        in_channels: numbers a joint.
        out_channels: numbers a joint afterwards.
        self_loops: weight of the self-loops: 2 is the literal eq. (3), whose C already holds self-loops and
            Ĉ = C + I adds them again; 1 is the usual A + I; 0 leaves them out.
        bias: eq. (3) has none.
        graph: which joints are neighbours, see `edges`.
        graph_seed: seed of a random tree.
        initialisation: see `initialise`.

    Shapes:
        input [..., 15, in_channels], output [..., 15, out_channels].

    Raises:
        InputError: a joint has neither edge nor self-loop.

    Source: Kipf & Welling, ICLR 2017, as in the GCN-PSN paper (arXiv 2511.01194), eq. (3).
    """

    matrix: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        self_loops: float = 2.0,
        bias: bool = False,
        graph: Graph = "skeleton",
        graph_seed: int = 0,
        initialisation: Initialisation = "glorot",
    ) -> None:
        super().__init__(in_channels, out_channels, improved=self_loops == 2.0, bias=bias)
        matrix = torch.as_tensor(propagation(self_loops, edges(graph, graph_seed)), dtype=torch.get_default_dtype())
        self.register_buffer("matrix", matrix, persistent=False)
        if initialisation != "glorot":  # that is how PyG has just drawn it
            initialise(self.lin.weight, initialisation)

    def _set_jittable_templates(self, raise_on_error: bool = False) -> None:
        """Nothing. PyG writes code for `propagate`, which is not called here, and leaves its file in the temporary
        folder, one a process.
        """  # noqa: D205

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [..., 15, in_channels] to [..., 15, out_channels]."""
        out: Tensor
        weight = self.lin.weight  # [out, in]
        if weight.numel() <= KRONECKER_WEIGHTS:
            layer = torch.kron(self.matrix, weight)  # the matrix is symmetric: no transpose
            out = functional.linear(poses.flatten(-2), layer).unflatten(-1, (len(JOINTS), self.out_channels))
        elif self.in_channels < self.out_channels:
            out = functional.linear(self.matrix @ poses, weight)
        else:
            out = self.matrix @ functional.linear(poses, weight)
        if self.bias is not None:
            out = out + self.bias
        return out


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


def initialise(weight: Tensor, initialisation: Initialisation) -> None:
    """Draw a weight [out, in] of a graph convolution anew, from torch's global generator.

    Args:
        weight: overwritten.
        initialisation: "glorot", Glorot's uniform, as PyG's GCNConv; "linear", the uniform of `torch.nn.Linear`, within
            1/sqrt(in); "orthogonal", a random rotation or reflection (`torch.nn.init.orthogonal_`); "positive", the
            absolute values of Glorot's uniform: on inputs of 0 or more no ReLU clips anything at the start, so every
            channel begins alive for every pose. For few channels: wide layers all start close to the same mean.

    Raises:
        ValueError: another initialisation.
    """
    if initialisation not in ("glorot", "linear", "orthogonal", "positive"):
        raise ValueError(f"initialisation is {initialisation!r}: choose glorot, linear, orthogonal or positive")
    with torch.no_grad():
        if initialisation == "linear":
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        elif initialisation == "orthogonal":
            nn.init.orthogonal_(weight)
        else:
            nn.init.xavier_uniform_(weight)
            if initialisation == "positive":
                weight.abs_()
