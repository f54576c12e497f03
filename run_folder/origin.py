"""config.yaml and versions.json of a run: what it takes to repeat it."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from errors import InputError
from files import write_atomically
from run_folder.layout import CONFIG, VERSIONS, reading
from settings import read_yaml

PACKAGES = ("torch", "lightning", "torch-geometric", "torchmetrics", "numpy", "jsonargparse", "pyarrow")


def write_origin(folder: Path, config: str, command: Sequence[str]) -> None:
    """Write config.yaml, which is `config`, and versions.json into a run's folder; a resumed run keeps those it has.

    Args:
        folder: of the run; made if need be.
        config: the whole config as YAML.
        command: words of the command that started the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CONFIG).exists():
        write_atomically(folder / CONFIG, config)
        write_atomically(folder / VERSIONS, json.dumps(versions_in_use(command), indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a run: model, data, trainer and seed, as `fit` took them.

    Raises:
        InputError: there is none, it cannot be read, or it is no config of a fit.
    """
    path = folder / CONFIG
    if not path.exists():
        raise InputError(f"{path}: no such file; the folder is not that of a run")
    config = read_yaml(path)
    if not isinstance(config, dict) or not all(isinstance(config.get(key), dict) for key in ("data", "model")):
        raise InputError(f"{path}: names no model and data; it is not the config of a fit")
    return config


def read_versions(folder: Path) -> dict[str, Any]:
    """What `versions_in_use` was when a run was started.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / VERSIONS
    with reading(path):
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("no keys in it")
    return found


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
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
