"""Poses embedded per second at batch 65,536: the GCN encoder against the dense product and PyG's GCNConv.

`python -m benchmarks.embedding [--rounds 7]` prints a table; data: random poses.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import DenseGCNConv, GCNConv

from benchmarks._table import print_table
from benchmarks.training import DenseProduct
from lightning_modules.encoders import GCNEncoder
from lightning_modules.encoders.without_graph import projection
from poses.skeleton import BONES

BATCH = 65_536


def with_pyg(dense: bool) -> Callable[[Tensor], Tensor]:
    edges = torch.tensor([*BONES, *[(j, i) for i, j in BONES]]).T.contiguous()
    adjacency = torch.zeros(15, 15).index_put((edges[0], edges[1]), torch.tensor(1.0))
    kind = DenseGCNConv if dense else GCNConv
    layers: nn.ModuleList = nn.ModuleList([kind(2, 2, improved=True, bias=False) for _ in range(2)])
    head = projection(30)

    def forward(poses: Tensor) -> Tensor:
        for layer in layers:
            poses = torch.relu(layer(poses, adjacency) if dense else layer(poses, edges, torch.ones(28)))
        embedding: Tensor = head(poses.flatten(1))
        return embedding

    return forward


def seconds(forward: Callable[[Tensor], Tensor], poses: Tensor) -> float:
    begin = time.perf_counter()
    forward(poses)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which every rival runs once")
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    poses = torch.rand(BATCH, 15, 2)
    rivals: dict[str, Callable[[Tensor], Tensor]] = {
        "GCNEncoder (ours)": GCNEncoder(),
        "dense 15x15 product": DenseProduct(),
        "PyG DenseGCNConv": with_pyg(dense=True),
        "PyG GCNConv, one shared edge_index": with_pyg(dense=False),
    }
    times: dict[str, list[float]] = {name: [] for name in rivals}
    with torch.inference_mode():
        for forward in rivals.values():
            forward(poses)
        for _ in range(rounds):
            for name, forward in rivals.items():
                times[name].append(seconds(forward, poses))
    ours = times["GCNEncoder (ours)"]
    print_table(
        f"Embedding {BATCH:,} random poses, 2 channels, medians of {rounds} interleaved rounds",
        ["encoder", "poses/s", "ours / this"],
        [
            [name, f"{BATCH / statistics.median(own):,.0f}",
             f"{statistics.median(b / a for a, b in zip(ours, own, strict=True)):.2f}"]
            for name, own in times.items()
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
