"""32 models at once: what a stack costs, a step and a sweep, against models trained one by one.

`python -m benchmarks.many_models [--rounds 5] [--epochs 10]` prints two tables; data: the demo generator's (synthetic),
the paper's encoder.

- A step of 32 stacked models, through Lightning and with every member's losses logged, against a step of the bare loop
  of `benchmarks.training` for one model. Validation is apart.
- `python run.py sweep` over 32 trials, two processes at a time, against 32 processes of `python run.py fit`, two at a
  time, on the same cores, start-up, validation and checkpoints included.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import yaml
from lightning import Callback, LightningModule, Trainer

from benchmarks._table import print_table
from benchmarks.training import bare, timed
from datamodules.demo import Demo
from datamodules.sampling.stacked_pairs import StackedPairs
from lightning_modules.callbacks.member_runs import MemberRun, MemberRuns
from lightning_modules.encoders import GCNEncoder
from lightning_modules.pose_similarity import PoseSimilarity
from lightning_modules.stacked.stacked_similarity import StackedPoseSimilarity
from run_folder.folder import RunFolder
from scoring.reference import ReferenceScorer

MEMBERS = 32
MARGINS, SEEDS = (0.3, 0.7, 1.0, 1.35), tuple(range(8))
EPOCHS = 3  # of 160 steps, after one to warm up


class EpochTimer(Callback):
    """Seconds of every epoch's steps, without its validation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch's first batch comes."""
        self._begin = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Its last step is done; no validation runs here."""
        self.seconds.append(time.perf_counter() - self._begin)


def stacked(data: Demo, folder: Path) -> float:
    """Steps per second of a stack of 32."""
    members = [PoseSimilarity(GCNEncoder(), [ReferenceScorer()], margin) for margin, _ in product(MARGINS, SEEDS)]
    timer = EpochTimer()
    runs = [MemberRun(RunFolder(folder=str(folder / str(i))), "{}", []) for i in range(MEMBERS)]
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS + 1,
        limit_val_batches=0,
        log_every_n_steps=10,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[timer, MemberRuns(runs, folder / "whole.ckpt")],
    )
    trainer.fit(StackedPoseSimilarity(members, [data] * MEMBERS), datamodule=StackedPairs([data] * MEMBERS))
    return EPOCHS * len(data.pair_loader()) / sum(timer.seconds[1:])


def sweep(folder: Path, data: Path, epochs: int) -> float:
    """Seconds of one sweep over 32 trials."""
    content = {
        "program": "run.py",
        "method": "grid",
        "metric": {"name": "val/spearman_best", "goal": "maximize"},
        "parameters": {"model.margin": {"values": list(MARGINS)}, "seed_everything": {"values": list(SEEDS)}},
        "command": ["${interpreter}", "${program}", "fit", "--config", "demo.yaml", "${args}"],
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(content))
    command = ["sweep", f"--config={path}", "--parallel=2", "--stack=16", f"--output={folder / 'sweep'}"]
    begin = time.perf_counter()
    run([*command, *options(data, epochs)])
    return time.perf_counter() - begin


def one_by_one(folder: Path, data: Path, epochs: int) -> float:
    """Seconds of 32 processes of `fit`, two at a time."""

    def fit(setting: tuple[float, int]) -> None:
        margin, seed = setting
        place = f"--trainer.logger.folder={folder / f'margin_{margin}_seed_{seed}'}"
        own = [f"--model.margin={margin}", f"--seed_everything={seed}", place]
        run(["fit", "--config=demo.yaml", *own, *options(data, epochs)])

    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, product(MARGINS, SEEDS)))
    return time.perf_counter() - begin


def options(data: Path, epochs: int) -> list[str]:
    bars = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    return [f"--data.root={data}", "--model.encoder.channels=2", f"--trainer.max_epochs={epochs}", *bars]


def run(words: list[str]) -> None:
    command = [sys.executable, "run.py", *words]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the first table; the second is run once")
    parser.add_argument("--epochs", type=int, default=10, help="of 160 steps, in the second table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Demo(root=str(folder / "demo"))
        data.prepare_data()
        data.setup("fit")
        alone, together = [], []
        for i in range(arguments.rounds):
            alone.append(timed(bare, data.pair_loader(), EPOCHS))
            together.append(stacked(data, folder / f"stack_{i}"))
        cost = statistics.median(a / b for a, b in zip(alone, together, strict=True))
        print_table(
            f"A step, batch 64 a member, demo data (synthetic), medians of {arguments.rounds} interleaved rounds",
            ["arrangement", "ms a step", "bare runs"],
            [
                ["bare loop, one model", f"{1000 / statistics.median(alone):.2f}", "1"],
                [
                    f"a stack of {MEMBERS}, through Lightning",
                    f"{1000 / statistics.median(together):.2f}",
                    f"{cost:.1f}",
                ],
            ],
        )
        separate = one_by_one(folder / "fits", folder / "demo", arguments.epochs)
        swept = sweep(folder, folder / "demo", arguments.epochs)
        print_table(
            f"{MEMBERS} models, {arguments.epochs} epochs of 160 steps, demo data (synthetic), run once",
            ["arrangement", "seconds", "the sweep is faster by"],
            [
                [f"{MEMBERS} processes `run.py fit`, two at a time", f"{separate:.0f}", f"{separate / swept:.1f}"],
                ["`run.py sweep --parallel 2 --stack 16`", f"{swept:.0f}", "1"],
            ],
        )


if __name__ == "__main__":
    main()
