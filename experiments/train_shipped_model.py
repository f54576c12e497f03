"""`python -m experiments.train_shipped_model`: makes models/gcn-psn-demo.ckpt, the model that `score` uses by default.

It is configs/demo.yaml with more clips and 32 channels, trained with several seeds; the one that ranks the validation
part of the demo's data best is taken, at its best epoch. No real person's pose is seen. About four minutes on one core.
`--figures` trains nothing and prints the table of the model card: what scores the shipped model gives.
"""

import argparse
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from cli.pose_cli import train
from datamodules.synthetic_motion.synthetic import perform
from feedback.embedded_clips import load_measure
from feedback.explanations import PARTS, turned
from files import write_atomically
from run_folder.checkpoint_io import load_checkpoint
from run_folder.layout import BEST, versions
from run_folder.trained_model import TrainedModel

OUTPUT = Path(__file__).resolve().parents[1] / "models" / "gcn-psn-demo.ckpt"
SEEDS = (0, 1, 2)
FIGURES_SEED = 99
"""Of the generator; the model was trained on its seed 0."""
OPTIONS = ("--data.clips", "1200", "--model.encoder.channels", "32")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, choose, strip, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/shipped"), help="the clips (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="folder of the runs (%(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write (%(default)s)")
    parser.add_argument("--figures", action="store_true", help="only print the scores that the model gives")
    options = parser.parse_args(arguments)
    if options.figures:
        print(scale_table(load_measure(options.output)))
        return
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


def scale_table(model: TrainedModel) -> str:
    """Scores of synthetic poses, not of the training data, against themselves changed a little or much (Markdown)."""
    random = torch.Generator().manual_seed(0)
    clips = [torch.from_numpy(perform(FIGURES_SEED, index).xy[0]) for index in range(36)]
    poses = torch.cat([clip[clip.isfinite().flatten(1).all(1)][::7] for clip in clips])
    size = (poses.amax(1) - poses.amin(1)).amax(-1)[:, None, None]

    def scores(others: Tensor) -> Tensor:
        return model.score(poses, others)

    rows = {}
    for share in (0.01, 0.02, 0.04):
        noise = torch.randn(poses.shape, generator=random)
        rows[f"every joint moved by {share:.0%} of the body's size"] = scores(poses + share * size * noise)
    joints = [k for k, part in enumerate(PARTS) if part.against is not None]
    for degrees in (10, 20, 40, 90):
        turns = degrees * torch.eye(len(PARTS))[joints]
        changed = turned(poses, turns.expand(len(poses), -1, -1))
        rows[f"one angle changed by {degrees} degrees"] = torch.cat([scores(one) for one in changed.unbind(1)])
    for degrees in (10, 20, 40):
        turn = degrees * torch.randn(len(poses), 1, len(PARTS), generator=random)
        turn[..., [k for k in range(len(PARTS)) if k not in joints]] /= 2
        rows[f"all angles changed, standard deviation {degrees} degrees"] = scores(turned(poses, turn)[:, 0])
    first, second = torch.triu_indices(len(poses), len(poses), 1)
    rows["two poses of any two moments"] = model.score(poses[first], poses[second])
    quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
    lines = [
        f"| score ({len(poses)} synthetic poses) | 5 % | 25 % | median | 75 % | 95 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in rows.items():
        numbers = " | ".join(f"{one:.1f}" for one in values.quantile(quantiles).tolist())
        lines.append(f"| {name} | {numbers} |")
    return "\n".join(lines)


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
    path = run / BEST
    return path, float(load_checkpoint(path)["state_dict"]["best_spearman"])


if __name__ == "__main__":
    main()
