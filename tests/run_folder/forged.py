"""The shipped checkpoint with other settings."""

from pathlib import Path

import torch
import yaml

from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained_model import SHIPPED


def forged(tmp_path: Path, **changes: object) -> Path:
    """A checkpoint in `tmp_path`; `encoder` changes arguments of the encoder, all else those of the data."""
    checkpoint = load_checkpoint(SHIPPED)
    config = yaml.safe_load(checkpoint["config"])
    encoder = config["model"]["init_args"]["encoder"]
    encoder["init_args"] |= changes.pop("encoder", {})
    config["data"]["init_args"] |= changes
    checkpoint["config"] = yaml.safe_dump(config)
    path = tmp_path / "other.ckpt"
    torch.save(checkpoint, path)
    return path
