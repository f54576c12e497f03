"""Steps per second of training: the command line as a user runs it, against a bare loop and PyG's loader.

`python -m benchmarks.training [--rounds 5]` prints a table; data: the demo generator's (synthetic).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv

from benchmarks._table import print_table
from datamodules.demo import Demo
from datamodules.sampling.pairs import PairLoader
from lightning_modules.encoders.without_graph import projection
from poses.skeleton import BONES, propagation

EPOCHS = 4  # of 160 steps; the first one is left out
LR = 1e-4
MARGIN = 1.35


class DenseProduct(nn.Module):
    """Eq. (3) as anybody would write it: a 15x15 matrix times poses times weights."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.tensor(propagation(), dtype=torch.float32))
        self.weights = nn.ParameterList([nn.init.xavier_uniform_(torch.empty(2, 2)) for _ in range(2)])
        self.projection = projection(30)

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [B, 15, 2] to embeddings [B, 50]."""
        for weight in self.weights:
            poses = torch.relu(self.matrix @ (poses @ weight))
        embedding: Tensor = self.projection(poses.flatten(1))
        return embedding


class PyGModel(nn.Module):
    """The same network on PyG's batches of graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([GCNConv(2, 2, improved=True, bias=False) for _ in range(2)])
        self.projection = projection(30)

    def forward(self, data: Data) -> Tensor:
        """A batch of B graphs to embeddings [B, 50]."""
        x, weights = data.x, torch.ones(data.edge_index.shape[1])
        for layer in self.layers:
            x = torch.relu(layer(x, data.edge_index, weights))
        embedding: Tensor = self.projection(x.view(-1, 30))
        return embedding


def step(optimizer: torch.optim.Optimizer, first: Tensor, second: Tensor, similar: Tensor) -> None:
    distance = 1 - torch.cosine_similarity(first, second)
    loss = 0.5 * (similar * distance.square() + (1 - similar) * (MARGIN - distance).clamp(min=0).square()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def bare(loader: PairLoader) -> Iterator[None]:
    """A bare loop over the same batches in memory."""
    batches = [(batch["poses"], batch["similar"]) for batch in loader]
    model = DenseProduct()
    optimizer = torch.optim.Adam(model.parameters(), LR, fused=True)
    while True:
        for poses, similar in batches:
            first, second = model(poses.flatten(0, 1)).chunk(2)
            step(optimizer, first, second, similar)
            yield


def stock_pyg(loader: PairLoader) -> Iterator[None]:
    """PyG's own DataLoader over pairs of Data objects."""
    edges = torch.tensor([*BONES, *[(j, i) for i, j in BONES]]).T.contiguous()
    pairs = [
        (Data(x=first, edge_index=edges), Data(x=second, edge_index=edges), y)
        for batch in loader
        for first, second, y in zip(batch["poses"][0], batch["poses"][1], batch["similar"], strict=True)
    ]
    model = PyGModel()
    optimizer = torch.optim.Adam(model.parameters(), LR, fused=True)
    while True:
        for first, second, similar in DataLoader(pairs, batch_size=64, shuffle=True):
            step(optimizer, model(first), model(second), similar)
            yield


def timed(loop: Callable[[PairLoader], Iterator[None]], loader: PairLoader, epochs: int) -> float:
    """Steps per second over some epochs, after one to warm up."""
    steps = loop(loader)
    for _ in range(len(loader)):
        next(steps)
    begin = time.perf_counter()
    for _ in range(epochs * len(loader)):
        next(steps)
    return epochs * len(loader) / (time.perf_counter() - begin)


def shipped(folder: Path, data: Path) -> float:
    """`python run.py fit --config demo.yaml` in a process of its own, its steps timed inside the epochs.

    With progress bar, metrics, checkpoints and all; the encoder is the paper's, as in the other shipped configs.
    """
    output = folder / "steps.json"
    command = [
        sys.executable, "run.py", "fit", "--config", "demo.yaml", f"--data.root={data}",
        "--model.encoder.channels=2", f"--trainer.max_epochs={EPOCHS}", f"--trainer.logger.save_dir={folder / 'runs'}",
        "--trainer.callbacks+=benchmarks.step_timer.StepTimer", f"--trainer.callbacks.output={output}",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    epochs = json.loads(output.read_text())[1:]
    return float(sum(steps for steps, _ in epochs) / sum(seconds for _, seconds in epochs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which every rival runs once")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Demo(root=str(folder / "demo"))
        data.prepare_data()
        data.setup("fit")
        loader = data.pair_loader()
        speeds: dict[str, list[float]] = {"bare": [], "ours": [], "pyg": []}
        for _ in range(rounds):
            speeds["bare"].append(timed(bare, loader, EPOCHS - 1))
            speeds["ours"].append(shipped(folder, folder / "demo"))
            speeds["pyg"].append(timed(stock_pyg, loader, 1))
    median = {name: statistics.median(values) for name, values in speeds.items()}
    ratio = {
        name: statistics.median(a / b for a, b in zip(speeds["ours"], speeds[name], strict=True)) for name in speeds
    }
    names = {
        "ours": "`run.py fit --config demo.yaml --model.encoder.channels 2`, steps inside an epoch",
        "bare": "bare PyTorch loop, batches in memory, dense product, fused Adam",
        "pyg": "PyG DataLoader of Data objects, GCNConv, bare loop",
    }
    print_table(
        f"Training, batch 64, demo data (synthetic), medians of {rounds} interleaved rounds",
        ["arrangement", "steps/s", "ours / this"],
        [[names[key], f"{median[key]:.0f}", f"{ratio[key]:.2f}"] for key in ("ours", "bare", "pyg")],
    )


if __name__ == "__main__":
    main()
