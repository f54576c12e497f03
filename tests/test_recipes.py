"""The steps of CONTRIBUTING.md's recipes: a test fails when one is forgotten."""

import importlib
import inspect
import pkgutil

import pytest
from torch import nn

import commands
import datamodules
import lightning_modules.encoders
import scoring
from cli.config_files import CONFIGS
from datamodules.base import PoseDataModule
from scoring.alignment import Alignment
from scoring.scorers import ClipScorer
from tests.conftest import REPO
from tests.lightning_modules.encoders.test_encoders import ENCODERS, WINDOW_ENCODERS


def classes(package: object, base: type) -> list[type]:
    found = []
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(cls, base) and cls is not base and cls.__module__ == module.name:
                found.append(cls)
    return found


@pytest.mark.parametrize("dataset", classes(datamodules, PoseDataModule))
def test_a_dataset_has_its_config_fixture_and_help(dataset: type[PoseDataModule]) -> None:
    name = dataset.__module__.split(".")[-1]
    assert f"class_path: {dataset.__module__}.{dataset.__name__}" in (CONFIGS / f"{name}.yaml").read_text()
    assert dataset.how_to_get
    assert "Args:" in (inspect.getdoc(dataset) or "")
    assert dataset.synthetic or (REPO / "tests" / "data" / name / "make.py").exists()
    assert f"`{name}.yaml`" in (REPO / "docs" / "data.md").read_text()


@pytest.mark.parametrize("encoder", classes(lightning_modules.encoders, nn.Module))
def test_an_encoder_is_tested(encoder: type[nn.Module]) -> None:
    if encoder.__name__.endswith("Encoder"):
        assert encoder in {type(tested) for tested in (*ENCODERS.values(), *WINDOW_ENCODERS.values())}
        assert encoder.__name__ in lightning_modules.encoders.__all__


@pytest.mark.parametrize("cls", [*classes(scoring, ClipScorer), *classes(scoring, Alignment)])
def test_scorers_and_alignments_are_documented_and_tested(cls: type) -> None:
    assert inspect.getdoc(cls)
    tests = "".join(path.read_text() for path in (REPO / "tests" / "scoring").glob("test_*.py"))
    assert cls.__name__ in tests


def test_commands_are_listed_with_a_runner() -> None:
    runner = "\ndef run(arguments: Sequence[str]) -> int:\n"  # the other files are parts of commands
    files = {path.stem for path in (REPO / "commands").glob("*.py") if runner in path.read_text()}
    assert {command.module.removeprefix("commands.") for command in commands.COMMANDS.values()} == files
    for command in commands.COMMANDS.values():
        assert callable(importlib.import_module(command.module).run)
