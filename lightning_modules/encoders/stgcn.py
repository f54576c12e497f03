"""ST-GCN: graph convolutions over the joints and convolutions over time, in turns, on windows of poses."""

from typing import Final

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.encoders.without_graph import EMBEDDING
from poses.skeleton import JOINTS, PARENTS, check_poses

SUBSETS: Final = ("root", "centripetal", "centrifugal")


def partitions() -> Tensor:
    """The paper's spatial configuration: the neighbours of each joint, itself among them, in three subsets.

    The root is the joint itself, centripetal the neighbour nearer to the pelvis, centrifugal those further from it,
    counted in bones. (The paper measures distances to the mean of all joints, averaged over the training set; in a tree
    of bones no two neighbours are equally far from the pelvis, so nothing is left for the root but the joint itself.)

    Returns:
        [3, 15, 15] in the order of `SUBSETS`, 1 where joint j (last) is in that subset of joint i; the sum is A + I.
    """
    subsets = torch.zeros(len(SUBSETS), len(JOINTS), len(JOINTS))
    for further, nearer in PARENTS.items():
        subsets[1, further, nearer] = subsets[2, nearer, further] = 1
    subsets[0] = torch.eye(len(JOINTS))
    subsets[1:].diagonal(dim1=1, dim2=2).zero_()  # the pelvis hangs on itself
    return subsets


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation of rows [R, C] that also takes one row or none in training: by the running statistics."""

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        if self.training and len(rows) < 2:
            return nn.functional.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(rows)


class SpatioTemporalBlock(nn.Module):
    r"""One unit of ST-GCN: a graph convolution in each frame, a convolution over time for each joint, and a residual.

    .. math:: h_i = \sum_k \sum_{j \in S_k(i)} \frac{m_{kij}}{|S_k(i)|} W_k x_j

    is the graph convolution, S_k(i) the subsets of `partitions` and m the learnt importance of edges, 1 at the start.
    Then follow batch normalisation, ReLU, the convolution over time, batch normalisation, dropout, what the residual
    path adds, and ReLU. There are no biases: batch normalisation takes them out.

    Args:
        in_channels: numbers a joint and frame.
        out_channels: numbers a joint and frame afterwards.
        kernel: frames that the convolution over time sees.
        stride: of how many frames the first is kept.
        dropout: share of the features that is set to 0 in training.

    Shapes:
        input [N, L, 15, in_channels], output [N, ceil(L / stride), 15, out_channels].
    """

    neighbours: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, dropout: float) -> None:
        super().__init__()
        subsets = partitions()
        self.register_buffer("neighbours", subsets / subsets.sum(2, keepdim=True).clamp(min=1), persistent=False)
        self.importance = nn.Parameter(torch.ones_like(subsets))
        self.spatial = nn.Linear(len(SUBSETS) * in_channels, out_channels, bias=False)
        self.spatial_norm = RowNorm(out_channels)
        self.temporal = nn.Conv2d(
            out_channels, out_channels, (kernel, 1), (stride, 1), padding=(kernel // 2, 0), bias=False
        )
        self.temporal_norm = RowNorm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.stride = stride
        self.residual = None
        if in_channels != out_channels or stride > 1:
            self.residual = nn.Sequential(nn.Linear(in_channels, out_channels, bias=False), RowNorm(out_channels))

    def forward(self, poses: Tensor) -> Tensor:
        """See the class."""
        windows, frames, joints, channels = poses.shape
        # rows are (joint, subset): the product then lies in memory as one row of 3 C numbers a joint
        matrix = (self.neighbours * self.importance).transpose(0, 1).flatten(0, 1)
        gathered = torch.bmm(matrix.expand(windows * frames, -1, -1), poses.flatten(0, 1))
        rows = self.spatial(gathered.view(windows * frames * joints, len(SUBSETS) * channels))
        rows = torch.relu_(self.spatial_norm(rows))
        # channels stay last in memory, where convolutions on the CPU are fastest too
        moved = self.temporal(rows.view(windows, frames, joints, rows.shape[1]).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows = self.dropout(self.temporal_norm(moved.flatten(0, 2)))
        if self.residual is None:
            rows = rows + poses.flatten(0, 2)
        else:
            rows = rows + self.residual(poses[:, :: self.stride].flatten(0, 2))
        return torch.relu_(rows).view(moved.shape)


class STGCNEncoder(nn.Module):
    """Windows of L poses to embeddings: ST-GCN.

    Poses are batch-normalised (each coordinate of each joint by itself), go through one `SpatioTemporalBlock` a width,
    are averaged over frames and joints and mapped linearly. The paper has nine blocks, `channels` 64, 64, 64, 128, 128,
    128, 256, 256, 256 and `strides` 1, 1, 1, 2, 1, 1, 2, 1, 1 (its published code ten, with one more of 64 before
    them), dropout 0.5, and trains on up to 240,000 clips of 300 frames. The defaults are for hundreds of clips and
    windows of 16 to 60 frames: 0.1 million weights in place of 3.1, a step some 20 times faster, and still 57 frames
    that the last block's features can depend on. On the synthetic demo dropout of 0, 0.2 and 0.5 ranked unseen clips
    alike (mean rho of two seeds 0.74 each), and 0 is the fastest.

    Evaluation uses the running statistics alone, so an embedding does not depend on the other windows; in training it
    does, on those of the same process.

    Args:
        in_channels: numbers a joint; 2 for normalised coordinates.
        channels: width of each block.
        strides: of how many frames each block keeps one.
        kernel: frames that the convolution over time sees; odd. Windows are padded with 0, so that any length does.
        dropout: share of each block's features that is set to 0 in training.
        embedding: length of the embedding.

    Shapes:
        input [..., L, 15, in_channels] float, L of 1 or more, output [..., embedding].

    Source: Yan, Xiong & Lin, "Spatial temporal graph convolutional networks for skeleton-based action recognition",
    AAAI 2018, with spatial configuration partitioning and learnable edge importance weighting. Neighbours are averaged
    within each subset (eq. 4); eq. (10), which divides by the square roots of row sums + 0.001, would give an edge to a
    joint whose own subset is empty a weight of 32.

    Raises:
        InputError: a width, stride or the kernel is less than 1, the kernel is even, there are no widths or not as many
            strides, or the dropout is not in [0, 1).
    """

    def __init__(
        self,
        in_channels: int = 2,
        channels: tuple[int, ...] = (32, 64, 64),
        strides: tuple[int, ...] = (2, 2, 1),
        kernel: int = 9,
        dropout: float = 0.0,
        embedding: int = EMBEDDING,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        widths = [in_channels, *channels]
        if min(*widths, *strides, kernel, embedding) < 1:
            raise InputError(
                "STGCNEncoder: in_channels, channels, strides, kernel and embedding must be at least 1; got "
                f"{in_channels}, {channels}, {strides}, {kernel} and {embedding}"
            )
        if not channels or len(channels) != len(strides):
            raise InputError(f"STGCNEncoder: give as many strides as channels; got {channels} and {strides}")
        if kernel % 2 == 0 or not 0 <= dropout < 1:
            raise InputError(
                f"STGCNEncoder: kernel must be odd and dropout at least 0 and below 1; got {kernel} and {dropout}"
            )
        self.data_norm = RowNorm(len(JOINTS) * in_channels)
        self.blocks = nn.Sequential(
            *(
                SpatioTemporalBlock(widths[i], widths[i + 1], kernel, stride, dropout)
                for i, stride in enumerate(strides)
            )
        )
        self.linear = nn.Linear(widths[-1], embedding)

    def forward(self, poses: Tensor) -> Tensor:
        """Windows [..., L, 15, C] to embeddings [..., E]."""
        check_poses(poses.shape, self.in_channels, windows=True)
        rows: Tensor = self.data_norm(poses.reshape(-1, poses.shape[-2] * poses.shape[-1]))
        features = self.blocks(rows.view(-1, *poses.shape[-3:])).mean((1, 2))
        embedding: Tensor = self.linear(features).view(*poses.shape[:-3], self.linear.out_features)
        return embedding
