"""Models out of mmpose's configs."""

import importlib.util
import sys

import pytest
import torch

if importlib.util.find_spec("mmpose") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)

from extraction.estimators import mmpose_model
from extraction.estimators.mmpose_model import build, shipped_config


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    config = shipped_config("w32", "coco")
    torch.manual_seed(5)
    first = build(config, "random", False).state_dict()
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    torch.manual_seed(6)
    second = build(config, "random", False).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("model", ["w32", "w48"])
@pytest.mark.parametrize("dataset", ["coco", "mpii"])
def test_mmpose_says_where_its_weights_are(model: str, dataset: str) -> None:
    found = mmpose_model._published(shipped_config(model, dataset))
    assert found is not None
    url, prefix = found
    assert url.startswith("https://download.openmmlab.com/")
    assert model in url
    assert dataset in url
    assert len(prefix) == 8


def test_nothing_is_left_of_the_stand_ins() -> None:
    assert "mmdet" not in sys.modules
    assert "mmcv._ext" not in sys.modules
