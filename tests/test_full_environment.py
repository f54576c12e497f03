"""In the environment of requirements.txt the packages that the light one goes without are there and work together."""

import importlib
import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest

import run
from tests.datasets import FAST, options

if importlib.util.find_spec("mmpose") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)


def test_the_packages_import() -> None:
    for name in ("mmpose", "ultralytics", "wandb"):
        assert importlib.import_module(name).__version__ == version(name)
    assert importlib.import_module("torchvision").ops.nms  # fails to import beside the wrong torch


def test_training_runs_beside_them(tmp_path: Path) -> None:
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    assert run.main(["fit", *words]) == 0
    assert run.main(["test", *words]) == 0
