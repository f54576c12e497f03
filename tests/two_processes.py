"""Launching fits of one process and of two, on the CPU, for the tests that compare them."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import torch

from tests.forks import python

OPTIONS = shlex.split("""
    --config demo.yaml --data.clips 61 --data.pairs.pairs_per_epoch 640
    --trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.enable_model_summary
    false --trainer.log_every_n_steps 1
""")
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def callback(class_path: str, **init_args: object) -> str:
    """The option that adds a callback."""
    return f"--trainer.callbacks+={ {'class_path': class_path, 'init_args': init_args} }"


def launch(command: str, *more: str, under: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of run.py with the options above, directly or under a launcher; heed its exit code."""
    return python(*(under or []), "run.py", command, *OPTIONS, *more)


def seen(folder: Path, processes: int, name: str = "process") -> list[dict[str, Any]]:
    """What `tests.recorder.Recorder` kept, process by process."""
    return [torch.load(folder / f"{name}_{rank}.pt", weights_only=True) for rank in range(processes)]


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Over all tensors of two sets with the same names."""
    assert a.keys() == b.keys()
    assert a
    return max(float((a[name] - b[name]).abs().max()) for name in a)
