import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from errors import InputError
from feedback.explanations import random_poses
from feedback.measure import SHIPPED, SYNTHETIC_LABEL, PoseModel
from poses.normalisation import Normalisation
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained import load_encoder
from tests.conftest import REPO


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return PoseModel.load(None)


def forged(tmp_path: Path, **changes: object) -> Path:
    checkpoint = load_checkpoint(SHIPPED)
    config = yaml.safe_load(checkpoint["config"])
    encoder = config["model"]["init_args"]["encoder"]
    encoder["init_args"] |= changes.pop("encoder", {})
    config["data"]["init_args"] |= changes
    checkpoint["config"] = yaml.safe_dump(config)
    path = tmp_path / "other.ckpt"
    torch.save(checkpoint, path)
    return path


def test_the_card_and_the_shipped_checkpoint_agree(model: PoseModel) -> None:
    card = (REPO / "models" / "README.md").read_text()
    content = SHIPPED.read_bytes()
    (hashed,) = re.findall(r"`([0-9a-f]{64})`", card)
    assert hashed == hashlib.sha256(content).hexdigest() == model.sha256
    assert f"{len(content):,} bytes" in card
    assert len(content) < 200_000
    config = yaml.safe_load(load_checkpoint(SHIPPED)["config"])
    assert config["data"]["class_path"] == "datamodules.demo.Demo"
    assert f"{config['data']['init_args']['clips']:,} performances" in card
    assert f"{config['model']['init_args']['encoder']['init_args']['channels']} channels" in card
    assert model.label == SYNTHETIC_LABEL


def test_it_embeds_as_its_encoder_does(model: PoseModel) -> None:
    poses = random_poses(50, seed=3) * 90 + 40
    with torch.inference_mode():
        wanted = load_encoder(SHIPPED)(Normalisation()(poses, None)[0])
    torch.testing.assert_close(model.embed(poses.numpy(), None), wanted)
    confidence = np.ones((50, 15), np.float32)
    confidence[:, 4] = 0.1
    hidden = poses.clone()
    hidden[:, 4] = torch.nan
    torch.testing.assert_close(model.embed(poses, confidence), model.embed(hidden, None))
    assert not model.present(poses, confidence)[:, 4].any()
    hidden[7] = torch.nan
    assert model.embed(hidden, None).isnan().all(-1).nonzero().flatten().tolist() == [7]


def test_scores_have_a_sensible_scale(model: PoseModel) -> None:
    poses = random_poses(300, seed=1) * 100
    noise = torch.randn(poses.shape, generator=torch.Generator().manual_seed(0))
    embedding = model.embed(poses, None)
    same = model.score(model.distance(embedding, embedding))
    near = model.score(model.distance(embedding, model.embed(poses + 2 * noise, None)))
    far = model.score(model.distance(embedding[:-1], embedding[1:]))
    assert same.min() > 99.99
    assert near.median() > 95
    assert far.median() < 15


def test_the_normalisation_is_the_one_it_was_trained_with(tmp_path: Path) -> None:
    path = forged(tmp_path, normalisation={"keep_aspect": True, "min_confidence": 0.5})
    model = PoseModel.load(path)
    assert model.normalisation == Normalisation(min_confidence=0.5, keep_aspect=True)
    assert str(path) in model.label
    nested = {"class_path": "poses.normalisation.Normalisation", "init_args": {"min_confidence": 0.4}}
    assert PoseModel.load(forged(tmp_path, normalisation=nested)).normalisation == Normalisation(min_confidence=0.4)
    assert PoseModel.load(forged(tmp_path, normalisation=None)).normalisation == Normalisation()


@pytest.mark.parametrize("options", [{"min_confidence": 3}, {"nonsense": 1}])
def test_a_normalisation_that_is_none_is_refused(options: dict, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="normalisation cannot be built"):
        PoseModel.load(forged(tmp_path, normalisation=options))


def test_a_collapsed_encoder_is_refused(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(SHIPPED)
    for name, value in checkpoint["state_dict"].items():
        if name.endswith("convolutions.0.lin.weight"):
            value.zero_()
    torch.save(checkpoint, tmp_path / "dead.ckpt")
    with pytest.raises(InputError, match="has collapsed"):
        PoseModel.load(tmp_path / "dead.ckpt")


def test_an_encoder_of_more_than_coordinates_is_refused(tmp_path: Path) -> None:
    path = forged(tmp_path, encoder={"in_channels": 3})
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["encoder.convolutions.0.lin.weight"] = torch.randn(32, 3)
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match="x and y alone"):
        PoseModel.load(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint"):
        PoseModel.load(tmp_path / "absent.ckpt")
    (tmp_path / "other.ckpt").write_text("hello")
    with pytest.raises(InputError, match=r"other\.ckpt"):
        PoseModel.load(tmp_path / "other.ckpt")
