from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from datamodules.speed21 import Speed21
from errors import InputError
from run_folder.origin import read_config
from trials.run_evaluation import data_key, load_clip_model, load_data

Fitted = Callable[..., Path]


def changed(config: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy with another value."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(config))
    tree = copy
    *path, last = dotted.split(".")
    for key in path:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    tree[last] = value
    return copy


def test_a_model_is_as_its_best_checkpoint(fitted: Fitted) -> None:
    run = fitted("speed21.yaml")
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["scorers.2.chosen"] = torch.tensor(6)
    torch.save(checkpoint, path)
    state = torch.get_rng_state()
    model = load_clip_model(run, read_config(run))
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert [scorer.name for scorer in model.scorers] == ["reference", "vote", "ridge"]
    assert model.scorers[2].setting == 100.0
    assert model.state_dict().keys() == checkpoint["state_dict"].keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][name]), name


def test_data_are_ready_to_test(fitted: Fitted) -> None:
    data = load_data(data_key(read_config(fitted("speed21.yaml"))))
    assert isinstance(data, Speed21)
    exemplars, queries = data.test_dataloader()
    assert next(iter(exemplars)).content.shape[1:] == (20, 15, 2)
    assert next(iter(queries)).score.isfinite().all()


def test_what_only_training_asks_for_makes_no_other_data(fitted: Fitted) -> None:
    config = read_config(fitted("speed21.yaml"))
    key = data_key(config)
    for option, value in (("batch_size", 8), ("pairs.score_gap", 2.0), ("seed", 3)):
        assert data_key(changed(config, f"data.init_args.{option}", value)) == key
    for option, value in (("normalisation.keep_aspect", True), ("fold", 1), ("frames_per_clip", 5), ("split_seed", 1)):
        assert data_key(changed(config, f"data.init_args.{option}", value)) != key


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("model.class_path", "subprocess.Popen"),
        ("model.init_args.encoder.class_path", "tests.trials.nothing.Encoder"),
        ("model.init_args.encoder.init_args.activation", "antigravity.Fly"),
        ("model.init_args.scorers.1.class_path", "torch.nnx.Linear"),
    ],
)
def test_a_model_of_strange_classes_is_not_built(option: str, value: str, fitted: Fitted) -> None:
    run = fitted("speed21.yaml")
    with pytest.raises(InputError, match=f"its model names '{value}', no class of this project"):
        load_clip_model(run, changed(read_config(run), option, value))


def test_data_of_strange_classes_are_not_built(fitted: Fitted) -> None:
    config = read_config(fitted("speed21.yaml"))
    with pytest.raises(InputError, match=r"its data names 'tests\.data\.Evil', no class of this project"):
        load_data(data_key(changed(config, "data.class_path", "tests.data.Evil")))


@pytest.mark.parametrize(
    ("option", "value", "essential"),
    [
        ("model.init_args.margin", 5.0, "margin must lie in"),
        ("model.init_args.encoder.class_path", "lightning_modules.encoders.OldEncoder", "OldEncoder"),
        ("model.init_args.encoder.init_args.channels", 4, "its model has other weights"),
        ("trainer.precision", "64-true", "was trained in the precision '64-true'"),
    ],
)
def test_a_model_that_cannot_be_had(option: str, value: object, essential: str, fitted: Fitted) -> None:
    run = fitted("speed21.yaml")
    with pytest.raises(InputError, match=essential):
        load_clip_model(run, changed(read_config(run), option, value))
