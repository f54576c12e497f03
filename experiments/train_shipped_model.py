"""`python -m experiments.train_shipped_model`: makes models/gcn-psn-demo.ckpt, the model that `score` uses by default.

It is configs/demo.yaml with more clips and 32 channels, trained with several seeds; the one that ranks the validation
part of the demo's data best is taken, at its best epoch. No real person's pose is seen. About four minutes on one core.
"""

import argparse
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from commands.train import run as train
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.run_folder import versions, write_atomically

OUTPUT = Path(__file__).resolve().parents[1] / "models" / "gcn-psn-demo.ckpt"
SEEDS = (0, 1, 2)
OPTIONS = ("--data.clips", "1200", "--model.encoder.channels", "32")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, choose, strip, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/shipped"), help="the clips (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="folder of the runs (%(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write (%(default)s)")
    options = parser.parse_args(arguments)
    runs = [_train(seed, options.data, options.folder) for seed in SEEDS]
    for seed, (path, rho) in zip(SEEDS, runs, strict=True):
        print(f"seed {seed}: rho {rho:.3f} on validation (synthetic), {path}")
    path, _ = max(runs, key=lambda run: run[1])
    content = stripped(load_checkpoint(path))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.output, content)
    print(f"{options.output}: from {path}, {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def stripped(checkpoint: dict[str, Any]) -> bytes:
    """A checkpoint with what an encoder needs alone: its weights, and the settings of model and data.

    The same checkpoint gives the same bytes.
    """
    config = yaml.safe_load(checkpoint["config"])
    init = config["data"]["init_args"]
    kept = {
        "seed_everything": config["seed_everything"],
        "model": {
            "class_path": config["model"]["class_path"],
            "init_args": {"encoder": config["model"]["init_args"]["encoder"]},
        },
        "data": {
            "class_path": config["data"]["class_path"],
            "init_args": {name: init[name] for name in ("clips", "generator_seed", "normalisation")},
        },
    }
    weights = {name: value.clone() for name, value in checkpoint["state_dict"].items() if name.startswith("encoder.")}
    file = io.BytesIO()
    torch.save(
        {
            "epoch": checkpoint["epoch"],
            "global_step": checkpoint["global_step"],
            "pytorch-lightning_version": checkpoint["pytorch-lightning_version"],
            "state_dict": weights,
            "config": yaml.safe_dump(kept, sort_keys=False),
        },
        file,
    )
    return file.getvalue()


def _train(seed: int, data: Path, folder: Path) -> tuple[Path, float]:
    """The best checkpoint of a run, and its rho on validation."""
    train(
        [
            "fit", "--config", "demo.yaml", "--seed_everything", str(seed), "--data.root", str(data), *OPTIONS,
            "--trainer.logger.name", "shipped", "--trainer.logger.save_dir", str(folder.resolve()),
            "--trainer.accelerator", "cpu",
        ]
    )  # fmt: skip
    _, run = versions(folder / "shipped")[-1]
    path = run / "checkpoints" / "best.ckpt"
    return path, float(load_checkpoint(path)["state_dict"]["best_spearman"])


if __name__ == "__main__":
    main()
