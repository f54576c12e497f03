from pathlib import Path

import pytest
import torch

from errors import InputError
from feedback.embedded_clips import load_measure
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained_model import SHIPPED, SYNTHETIC_LABEL
from tests.run_folder.forged import forged


def test_the_shipped_model_is_the_default() -> None:
    assert load_measure(None).label == load_measure(SHIPPED).label == SYNTHETIC_LABEL


def test_a_collapsed_encoder_is_refused(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(SHIPPED)
    for name, value in checkpoint["state_dict"].items():
        if name.endswith("convolutions.0.lin.weight"):
            value.zero_()
    torch.save(checkpoint, tmp_path / "dead.ckpt")
    with pytest.raises(InputError, match="has collapsed"):
        load_measure(tmp_path / "dead.ckpt")


def test_an_encoder_of_more_than_coordinates_is_refused(tmp_path: Path) -> None:
    path = forged(tmp_path, encoder={"in_channels": 3})
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["encoder.convolutions.0.lin.weight"] = torch.randn(32, 3)
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match="x and y alone"):
        load_measure(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint"):
        load_measure(tmp_path / "absent.ckpt")
    (tmp_path / "other.ckpt").write_text("hello")
    with pytest.raises(InputError, match=r"other\.ckpt"):
        load_measure(tmp_path / "other.ckpt")
