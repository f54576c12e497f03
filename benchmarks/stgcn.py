"""Poses per second, forward and backward, of `STGCNEncoder` against a plain port of ST-GCN with the same weights.

`python -m benchmarks.stgcn [--rounds 7] [--threads 1]` prints a table; data: 64 windows of random poses. The port keeps
the layout [N, C, L, 15] that ST-GCN is commonly written in: a 1x1 convolution to three times the channels, an einsum
with the matrices of the subsets, a convolution over time. That their embeddings and gradients agree is checked before
anything is timed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks._table import print_table
from lightning_modules.encoders import STGCNEncoder
from lightning_modules.encoders.stgcn import SpatioTemporalBlock

WINDOWS = 64
LENGTHS = (16, 30, 60)


def plain_norm(norm: nn.Module) -> nn.BatchNorm2d:
    """The same normalisation of [N, C, L, 15]."""
    assert isinstance(norm, nn.BatchNorm1d)
    plain = nn.BatchNorm2d(norm.num_features)
    plain.load_state_dict(norm.state_dict())
    return plain


class PlainBlock(nn.Module):
    """One block as it is commonly written."""

    neighbours: Tensor

    def __init__(self, block: SpatioTemporalBlock) -> None:
        super().__init__()
        out, into = block.spatial.out_features, block.spatial.in_features // 3
        self.register_buffer("neighbours", block.neighbours.transpose(1, 2).contiguous())
        self.importance = nn.Parameter(block.importance.detach().transpose(1, 2).contiguous())
        self.spatial = nn.Conv2d(into, 3 * out, 1, bias=False)
        weight = block.spatial.weight.detach().view(out, 3, into)
        self.spatial.weight.data = weight.transpose(0, 1).reshape(3 * out, into, 1, 1).contiguous()
        temporal = nn.Conv2d(out, out, (9, 1), (block.stride, 1), (4, 0), bias=False)
        temporal.load_state_dict(block.temporal.state_dict())
        self.temporal = nn.Sequential(
            plain_norm(block.spatial_norm), nn.ReLU(inplace=True), temporal, plain_norm(block.temporal_norm)
        )
        self.residual: nn.Module = nn.Identity()
        if block.residual is not None:
            convolution = nn.Conv2d(into, out, 1, (block.stride, 1), bias=False)
            convolution.load_state_dict({"weight": block.residual[0].state_dict()["weight"][..., None, None]})
            self.residual = nn.Sequential(convolution, plain_norm(block.residual[1]))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, L, 15] to [N, C', L', 15]."""
        y = self.spatial(x).unflatten(1, (3, -1))
        y = torch.einsum("nkctv,kvw->nctw", y, self.neighbours * self.importance)
        result: Tensor = self.relu(self.temporal(y.contiguous()) + self.residual(x))
        return result


class PlainPort(nn.Module):
    """ST-GCN as it is commonly written, with the weights of an encoder."""

    def __init__(self, encoder: STGCNEncoder) -> None:
        super().__init__()
        self.data_norm = nn.BatchNorm1d(encoder.data_norm.num_features)
        blocks = [block for block in encoder.blocks if isinstance(block, SpatioTemporalBlock)]
        self.blocks = nn.Sequential(*map(PlainBlock, blocks))
        self.linear = nn.Linear(encoder.linear.in_features, encoder.linear.out_features)
        self.linear.load_state_dict(encoder.linear.state_dict())

    def forward(self, poses: Tensor) -> Tensor:
        """Windows [N, L, 15, C] to embeddings [N, E]."""
        count, frames, joints, channels = poses.shape
        x = self.data_norm(poses.permute(0, 2, 3, 1).reshape(count, joints * channels, frames))
        x = x.view(count, joints, channels, frames).permute(0, 2, 3, 1).contiguous()
        embedding: Tensor = self.linear(self.blocks(x).mean((2, 3)))
        return embedding


def step(model: nn.Module, poses: Tensor) -> Callable[[], Tensor]:
    """Forward and backward; gives the embeddings."""

    def run() -> Tensor:
        model.zero_grad()
        embedding: Tensor = model(poses)
        embedding.square().mean().backward()
        return embedding.detach()

    return run


def check(ours: STGCNEncoder, plain: PlainPort, poses: Tensor) -> None:
    """That both give the same embeddings, and the same gradients of the first and the last weights."""
    torch.testing.assert_close(step(ours, poses)(), step(plain, poses)(), rtol=1e-3, atol=1e-4)
    first, rival = ours.blocks[0].importance, plain.blocks[0].importance
    assert isinstance(first, nn.Parameter)
    assert isinstance(rival, nn.Parameter)
    for a, b in ((ours.linear.weight.grad, plain.linear.weight.grad), (first.grad, rival.grad)):
        assert a is not None
        assert b is not None
        torch.testing.assert_close(a, b.transpose(1, 2) if b.dim() == 3 else b, rtol=1e-2, atol=1e-4)


def timed(run: Callable[[], Tensor]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which every rival runs once")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    for length in LENGTHS:
        torch.manual_seed(0)
        poses = torch.rand(WINDOWS, length, 15, 2)
        encoder = STGCNEncoder()
        plain = PlainPort(encoder)
        check(encoder, plain, poses)
        rivals = {"STGCNEncoder (ours)": step(encoder, poses), "plain port, [N, C, L, 15]": step(plain, poses)}
        times: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(arguments.rounds):
            for name, run in rivals.items():
                times[name].append(timed(run))
        ours = times["STGCNEncoder (ours)"]
        rows += [
            [name, str(length), f"{1000 * statistics.median(own):.0f}",
             f"{WINDOWS * length / statistics.median(own):,.0f}",
             f"{statistics.median(b / a for a, b in zip(ours, own, strict=True)):.2f}"]
            for name, own in times.items()
        ]  # fmt: skip
    print_table(
        f"A training step on {WINDOWS} windows of random poses, without the optimizer, medians of {arguments.rounds} "
        "interleaved rounds",
        ["encoder", "poses a window", "ms a step", "poses/s", "ours / this"],
        rows,
    )


if __name__ == "__main__":
    main()
