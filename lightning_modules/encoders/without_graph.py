"""Encoders that hold no graph: the MLP baseline of the paper, and random Fourier features; GCN-PSN's projection."""

import math

import torch
from torch import Tensor, nn

from errors import InputError
from poses.skeleton import JOINTS, check_poses

HIDDEN = (40, 50)
EMBEDDING = 50


def projection(features: int, embedding: int = EMBEDDING) -> nn.Sequential:
    """Features [..., F] -> 40 -> 50 -> embedding [..., E], ReLU on the hidden layers.

    The output is linear: after a ReLU every cosine similarity is >= 0, the distance of eq. (5) never passes 1 and the
    margin of 1.35 is never reached (the paper, section III-C, leaves this open).
    """
    first, second = HIDDEN
    return nn.Sequential(
        nn.Linear(features, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, embedding)
    )


class MLPEncoder(nn.Module):
    """The coordinates of one pose, flattened, straight into GCN-PSN's projection (the paper, section IV-C).

    Args:
        in_channels: numbers a joint; 2 for normalised coordinates.
        embedding: length of the embedding; 50 in the paper.

    Shapes:
        input [..., 15, in_channels] float in [0, 1], output [..., embedding].
    """

    def __init__(self, in_channels: int = 2, embedding: int = EMBEDDING) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.projection = projection(len(JOINTS) * in_channels, embedding)

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [..., 15, C] to embeddings [..., E]."""
        check_poses(poses.shape, self.in_channels)
        embedding: Tensor = self.projection(poses.flatten(-2))
        return embedding


class Cosine(nn.Module):
    """The cosine as an activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return torch.cos(x)


class FourierEncoder(nn.Module):
    r"""cos(W x + b) of the coordinates x of one pose, W normal and b uniform.

    The cosine similarity of two embeddings begins as the Gaussian kernel of the two poses,

    .. math:: \langle f(x), f(y) \rangle \approx \exp(-\tfrac{1}{2} s^2 \lVert x - y \rVert^2)

    up to a factor, so a mean of embeddings over a segment of a clip describes how its poses are distributed, and not
    where they lie on average alone. Training moves W and b.

    Args:
        in_channels: numbers a joint; 2 for normalised coordinates.
        bandwidth: s, standard deviation of the entries of W; poses in [0, 1] further apart than about 1 / s have
            nothing in common. Several are shared out among the features: the kernel is the mean of theirs.
        embedding: length of the embedding: how many features.

    Shapes:
        input [..., 15, in_channels] float in [0, 1], output [..., embedding].

    Source: Rahimi & Recht, "Random features for large-scale kernel machines", NIPS 2007.

    Raises:
        InputError: a width or the bandwidth is not above 0.
    """

    def __init__(self, in_channels: int = 2, bandwidth: float | list[float] = 2.0, embedding: int = 256) -> None:
        super().__init__()
        self.in_channels = in_channels
        bandwidths = torch.tensor(bandwidth if isinstance(bandwidth, list) else [bandwidth])
        if min(in_channels, embedding) < 1 or not len(bandwidths) or not bool((bandwidths > 0).all()):
            raise InputError(
                "FourierEncoder: in_channels and embedding must be at least 1 and bandwidth above 0; got "
                f"{in_channels}, {embedding} and {bandwidth}"
            )
        linear = nn.Linear(len(JOINTS) * in_channels, embedding)
        nn.init.normal_(linear.weight)
        linear.weight.data *= bandwidths[torch.arange(embedding) % len(bandwidths), None]
        nn.init.uniform_(linear.bias, 0, 2 * math.pi)
        self.features = nn.Sequential(linear, Cosine())

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [..., 15, C] to embeddings [..., E]."""
        check_poses(poses.shape, self.in_channels)
        embedding: Tensor = self.features(poses.flatten(-2))
        return embedding
