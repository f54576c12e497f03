"""The MLP baseline of the paper: GCN-PSN with the graph taken out."""

from torch import Tensor, nn

from lightning_modules.encoders.projection import EMBEDDING, projection
from poses.conversion import check_poses
from poses.skeleton import JOINTS


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
