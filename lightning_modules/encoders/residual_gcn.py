"""A deeper graph encoder: it knows which joint is which, sees bones, and its layers add to what they are given."""

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.encoders.skeleton_conv import Graph, SkeletonConv
from lightning_modules.encoders.without_graph import EMBEDDING
from poses.skeleton import JOINTS, PARENTS, check_poses


class JointCode(nn.Module):
    """Adds a learnt vector to the features of each joint, so that layers shared by all joints can tell them apart.

    Shapes:
        input and output [..., 15, channels].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # as large as what poses differ by; at 1 every pose of SPEED21 starts five times closer to every other
        self.code = nn.Parameter(0.1 * torch.randn(len(JOINTS), channels))

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return features + self.code


class BoneVectors(nn.Module):
    """Appends to each joint the vector that leads to it from its neighbour on the way to the pelvis; 0 at the pelvis.

    Shapes:
        input [..., 15, C], x and y first, output [..., 15, C + 2].
    """

    matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        matrix = torch.eye(len(JOINTS))
        for joint, parent in PARENTS.items():
            matrix[joint, parent] -= 1
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, poses: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([poses, self.matrix @ poses[..., :2]], dim=-1)


class ResidualBlock(nn.Module):
    """h + W ReLU(graph convolution of the layer-normalised h).

    Shapes:
        input and output [..., 15, width].
    """

    def __init__(self, width: int, self_loops: float, graph: Graph, graph_seed: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolution = SkeletonConv(width, width, self_loops, bias=True, graph=graph, graph_seed=graph_seed)
        self.activation = nn.ReLU()
        self.linear = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        change: Tensor = self.linear(self.activation(self.convolution(self.norm(features))))
        return features + change


class ResidualGCNEncoder(nn.Module):
    """Joint by joint into `width` features, with a code of the joint, then residual graph layers, then a projection.

    Not of the paper. Every layer sees each joint's own features beside those of its neighbours (through the residual
    path), so that depth does not blur the pose, and no seed can start dead: the path from the coordinates to the last
    normalisation holds no ReLU.

    Args:
        in_channels: numbers a joint, x and y first; 2 for normalised coordinates.
        width: features a joint.
        depth: number of residual blocks.
        hidden: width of the projection's hidden layer.
        embedding: length of the embedding.
        joint_codes: add a learnt vector to each joint's features; without, all joints are treated alike until the
            projection.
        bone_vectors: give each joint the vector from its neighbour on the way to the pelvis too.
        self_loops: see `SkeletonConv`.
        graph: see `GCNEncoder`.
        graph_seed: see `GCNEncoder`.

    Shapes:
        input [..., 15, in_channels] float in [0, 1], output [..., embedding].

    Raises:
        InputError: a width or the depth is less than 1, no such graph, or no way to a joint.
    """

    def __init__(
        self,
        in_channels: int = 2,
        width: int = 32,
        depth: int = 2,
        hidden: int = 128,
        embedding: int = EMBEDDING,
        joint_codes: bool = True,
        bone_vectors: bool = True,
        self_loops: float = 1.0,
        graph: Graph = "skeleton",
        graph_seed: int = 0,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        least = 2 if bone_vectors else 1
        if in_channels < least or min(width, depth, hidden, embedding) < 1:
            raise InputError(
                f"ResidualGCNEncoder: width, depth, hidden and embedding must be at least 1 and in_channels {least}; "
                f"got {width}, {depth}, {hidden}, {embedding} and {in_channels}"
            )
        layers: list[nn.Module] = [BoneVectors()] if bone_vectors else []
        layers.append(nn.Linear(in_channels + 2 * bone_vectors, width))
        if joint_codes:
            layers.append(JointCode(width))
        layers += [ResidualBlock(width, self_loops, graph, graph_seed) for _ in range(depth)]
        self.joints = nn.Sequential(*layers, nn.LayerNorm(width))
        # the output is linear, as that of the paper's projection: see there
        self.projection = nn.Sequential(nn.Linear(len(JOINTS) * width, hidden), nn.ReLU(), nn.Linear(hidden, embedding))

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [..., 15, C] to embeddings [..., E]."""
        check_poses(poses.shape, self.in_channels)
        embedding: Tensor = self.projection(self.joints(poses).flatten(-2))
        return embedding
