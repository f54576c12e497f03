"""Weights files: downloaded once and checked, read as data."""

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from errors import InputError
from files import writing

# What arrays of numbers in a checkpoint's metadata are made of (numpy 1 and 2 name the first two differently); none of
# them runs anything that the file says.
_numpy: Any = np.core.multiarray  # numpy publishes no types for these
_ARRAYS: Any = [
    *((_numpy._reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_numpy.scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdU"),
]
_TIMEOUT = 30.0  # seconds without an answer


def sha256_of(path: Path) -> str:
    """Hash of a file, hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a weights file") from error


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint: its `state_dict`, or the whole of it; a file that wants code to run is refused.

    Raises:
        InputError: broken, with more than tensors, arrays and plain values in it, or no checkpoint at all.
    """
    try:
        with torch.serialization.safe_globals(_ARRAYS):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give a weights file") from error
    except UnpicklingError as error:
        raise InputError(
            f"{path}: refused, it holds more than tensors, arrays and plain values, or is no checkpoint; give a "
            "checkpoint that holds the weights alone"
        ) from error
    except Exception as error:  # an arbitrary file makes the unpickler fail in arbitrary ways
        raise InputError(f"{path}: broken or no checkpoint ({type(error).__name__}); give another one") from error
    weights = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if (
        not isinstance(weights, dict)
        or not weights
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items())
    ):
        raise InputError(f"{path}: holds no named tensors; give a checkpoint with a state_dict")
    return weights


def fill(module: nn.Module, state: dict[str, Tensor], path: Path, name: str, otherwise: str) -> None:
    """Load weights into a module; every one of both must fit.

    Args:
        module: takes them.
        state: what `load_state_dict` read.
        path: of the file, for the message.
        name: of the network, for the message.
        otherwise: what to do if they do not fit.

    Raises:
        InputError: they are of another architecture.
    """
    try:
        module.load_state_dict(state)
    except (RuntimeError, AssertionError, ValueError) as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()[1:]] or [type(error).__name__]
        raise InputError(
            f"{path}: weights of another architecture than {name} ({lines[0][:160]}); {otherwise}"
        ) from error


def fetched(url: str, prefix: str, folder: Path, otherwise: str) -> Path:
    """A file from the network, downloaded into a folder unless it is there; several processes may ask at once.

    Args:
        url: where it is.
        prefix: what its SHA-256 begins with, hexadecimal.
        folder: made if it is not there.
        otherwise: what the user can do instead.

    Raises:
        InputError: it cannot be downloaded or written, or is not the right file.
    """
    name = url.rsplit("/", 1)[1]
    path = folder / name
    if path.is_file():
        if sha256_of(path).startswith(prefix):
            return path
        raise InputError(f"{path}: is not the file that was published, its SHA-256 differs; delete it and start again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"downloading {url} to {folder}")
        with writing(path) as temporary:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, temporary.open("xb") as file:
                while block := answer.read(1 << 20):
                    file.write(block)
            if not sha256_of(temporary).startswith(prefix):
                raise InputError(
                    f"{url}: what came is not the file that was published, its SHA-256 differs; {otherwise}"
                )
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{url}: cannot be downloaded to {folder} ({reason}); {otherwise}") from error
    return path
