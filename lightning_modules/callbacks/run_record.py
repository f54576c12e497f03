"""What it takes to repeat a run: config.yaml and versions.json in its folder, the config in its checkpoints."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from files import write_atomically
from run_folder.folder import folder_of

PACKAGES = ("torch", "lightning", "torch-geometric", "torchmetrics", "numpy", "jsonargparse", "pyarrow")


class RunRecord(SaveConfigCallback):
    """Writes config.yaml and versions.json into the run's folder when training starts, the config into checkpoints.

    A resumed run keeps the files it has. Other loggers (W&B) get the config as hyperparameters.

    Args:
        command: words of the command that started the run, for versions.json.
        more: see `SaveConfigCallback`.
    """

    def __init__(self, *more: Any, command: Sequence[str], **options: Any) -> None:
        super().__init__(*more, **options)
        self.command = list(command)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the files, once, on the main process."""
        if stage != "fit":
            return
        folder = folder_of(trainer)
        if not trainer.is_global_zero:
            return
        folder.mkdir(parents=True, exist_ok=True)
        text = self.text
        for logger in trainer.loggers:
            logger.log_hyperparams(yaml.safe_load(text))
        if not (folder / "config.yaml").exists():
            write_record(folder, text, self.command)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the config in the checkpoint: it says by itself what it is."""
        checkpoint["config"] = self.text

    @cached_property
    def text(self) -> str:
        """The whole config as YAML."""
        text: str = self.parser.dump(self.config, skip_unset=False)  # costs more than the rest of a checkpoint
        return text


def write_record(folder: Path, config: str, command: Sequence[str]) -> None:
    """config.yaml and versions.json of a run."""
    write_atomically(folder / "config.yaml", config)
    write_atomically(folder / "versions.json", json.dumps(versions_in_use(command), indent=2) + "\n")


def versions_in_use(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Versions of Python, the packages and this code, the command (that of the process if none is given), the time."""
    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "python": platform.python_version(),
        "packages": packages,
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain")),
        "command": list(sys.argv if command is None else command),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache  # the code of a process does not change
def _git(*arguments: str) -> str | None:
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
