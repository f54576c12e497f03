"""Reading and writing checkpoints: whole or absent, and never executing what a file says."""

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from errors import InputError
from files import write_atomically
from settings import load_yaml


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint under a temporary name in its own folder, which is made if need be.

    Lightning's own writes to the system's temporary folder first: from another disk the last step is a copy, and a
    process killed in it leaves half a checkpoint.
    """
    buffer = io.BytesIO()  # writing to a buffer first: torch hides a full disk behind a RuntimeError
    torch.save(checkpoint, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint of this project, read as data: a file that wants code to run is refused.

    Raises:
        InputError: no such file, a broken one, one with anything but tensors and plain values, or another program's.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give a checkpoint file") from error
    except UnpicklingError as error:
        raise InputError(
            f"{path}: refused, it holds more than tensors and plain values, or is no checkpoint; use one that this "
            "project wrote"
        ) from error
    except Exception as error:  # an arbitrary file makes the unpickler fail in arbitrary ways
        raise InputError(f"{path}: broken or no checkpoint ({type(error).__name__}); use another one") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "global_step"} <= checkpoint.keys():
        raise InputError(f"{path}: not a checkpoint of a training run (no state_dict and global_step in it)")
    weights = checkpoint["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise InputError(f"{path}: its state_dict is not one of tensors; use a checkpoint that this project wrote")
    if not isinstance(checkpoint.get("config", ""), str) or not isinstance(config_of(checkpoint, str(path)), dict):
        raise InputError(f"{path}: its config cannot be read; use a checkpoint that this project wrote")
    return checkpoint


def config_of(checkpoint: Mapping[str, Any], where: str = "checkpoint") -> dict[str, Any]:
    """The settings of the run that wrote a checkpoint, as its config.yaml has them; empty where there are none."""
    found: dict[str, Any] = load_yaml(checkpoint.get("config", "{}"), f"{where}: its config")
    return found
