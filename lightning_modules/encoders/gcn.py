"""The encoder of GCN-PSN."""

from torch import Tensor, nn

from errors import InputError
from lightning_modules.encoders.skeleton_conv import Graph, Initialisation, SkeletonConv
from lightning_modules.encoders.without_graph import EMBEDDING, projection
from poses.skeleton import JOINTS, check_poses


class GCNEncoder(nn.Module):
    """Graph convolutions over the joints of one pose, flattened and projected (the paper, section III-C).

    Args:
        in_channels: numbers a joint; 2 for normalised coordinates.
        channels: width of the graph layers; 2 in the paper. With 2 channels and ReLU some seeds die
            (every embedding the same); 16 or more did not.
        depth: number of graph layers; 2 in the paper.
        self_loops: see `SkeletonConv`; 2 is the literal eq. (3).
        bias: bias in the graph layers; eq. (3) has none.
        activation: sigma of eq. (3), a module class such as `torch.nn.ReLU` or `torch.nn.ELU`.
        embedding: length of the embedding; 50 in the paper.
        graph: which joints are neighbours: "skeleton" as in the paper, or a control for it: "none" (each joint by
            itself), "tree" (a random one, as sparse as the skeleton) or "full" (all of all).
        graph_seed: seed of the random tree; not that of training, so that several seeds train on one tree.
        initialisation: how the weights of the graph layers start: "glorot" as in PyG, "linear" as `torch.nn.Linear`,
            "orthogonal", or "positive", which no ReLU clips at the start. With the other options as they are, of 200
            seeds 32, 45, 37 and 0 give every pose of SPEED21 the same embedding before the first step, and 124, 132,
            144 and 0 have a channel that is 0 throughout; with ELU none do.

    Shapes:
        input [..., 15, in_channels] float in [0, 1], output [..., embedding].

    Raises:
        InputError: a width or the depth is less than 1, no such graph or initialisation, or no way to a joint.
    """

    def __init__(
        self,
        in_channels: int = 2,
        channels: int = 2,
        depth: int = 2,
        self_loops: float = 2.0,
        bias: bool = False,
        activation: type[nn.Module] = nn.ReLU,
        embedding: int = EMBEDDING,
        graph: Graph = "skeleton",
        graph_seed: int = 0,
        initialisation: Initialisation = "glorot",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        if min(in_channels, channels, depth, embedding) < 1:
            raise InputError(
                "GCNEncoder: in_channels, channels, depth and embedding must be at least 1; got "
                f"{in_channels}, {channels}, {depth} and {embedding}"
            )
        widths = [in_channels, *[channels] * depth]
        layers: list[nn.Module] = []
        for i in range(depth):
            layer = SkeletonConv(widths[i], widths[i + 1], self_loops, bias, graph, graph_seed, initialisation)
            layers += [layer, activation()]
        # not `graph`: that name belongs to the modules that torch.export makes
        self.convolutions = nn.Sequential(*layers)
        self.projection = projection(len(JOINTS) * channels, embedding)

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [..., 15, C] to embeddings [..., E]."""
        check_poses(poses.shape, self.in_channels)
        embedding: Tensor = self.projection(self.convolutions(poses).flatten(-2))
        return embedding
