"""The graph convolution of eq. (3) for one fixed graph: the skeleton, or a control for it."""

import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import GCNConv

from lightning_modules.encoders.graphs import Graph, edges
from lightning_modules.encoders.initialisation import Initialisation, initialise
from poses.skeleton import JOINTS, propagation

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
        graph: which joints are neighbours, see `lightning_modules.encoders.graphs.edges`.
        graph_seed: seed of a random tree.
        initialisation: see `lightning_modules.encoders.initialisation.initialise`.

    Shapes:
        input [..., 15, in_channels], output [..., 15, out_channels].

    Raises:
        ValueError: no such graph or initialisation, or a joint has neither edge nor self-loop.

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
