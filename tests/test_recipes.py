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
    line = f"class_path: {dataset.__module__}.{dataset.__name__}"
    config = CONFIGS / f"{name}.yaml"
    assert config.is_file(), f"write {config}, with the lines\ndata:\n  {line}"
    assert line in config.read_text(), f"in {config}, below data:, write\n  {line}"
    assert dataset.how_to_get, f'in {dataset.__name__} write\n    how_to_get: ClassVar[str] = "where to get it"'
    assert "Args:" in (inspect.getdoc(dataset) or ""), f"{dataset.__name__}: its docstring lacks the section Args:"
    fixture = REPO / "tests" / "data" / name / "make.py"
    assert dataset.synthetic or fixture.exists(), f"write {fixture}, with\ndef make(folder: Path) -> Path:"
    row = f"| `{name}.yaml` | what it is | part to report |"
    assert f"`{name}.yaml`" in (REPO / "docs" / "data.md").read_text(), f"in the table of docs/data.md write\n{row}"


@pytest.mark.parametrize("encoder", classes(lightning_modules.encoders, nn.Module))
def test_an_encoder_is_tested(encoder: type[nn.Module]) -> None:
    name = encoder.__name__
    if name.endswith("Encoder"):
        line = f"from {encoder.__module__} import {name}"
        assert name in lightning_modules.encoders.__all__, (
            f'in encoders/__init__.py write\n{line}\n__all__ = [..., "{name}"]'
        )
        tested = {type(one) for one in (*ENCODERS.values(), *WINDOW_ENCODERS.values())}
        line = f'    "{encoder.__module__.split(".")[-1]}": {name}(),'
        assert encoder in tested, f"in ENCODERS (or WINDOW_ENCODERS) of test_encoders.py write\n{line}"


@pytest.mark.parametrize("cls", [*classes(scoring, ClipScorer), *classes(scoring, Alignment)])
def test_scorers_and_alignments_are_documented_and_tested(cls: type) -> None:
    assert inspect.getdoc(cls), f"{cls.__name__}: it has no docstring"
    tests = "".join(path.read_text() for path in (REPO / "tests" / "scoring").glob("test_*.py"))
    assert cls.__name__ in tests, f"in a test of tests/scoring write\nfrom {cls.__module__} import {cls.__name__}"


def test_commands_are_listed_with_a_runner() -> None:
    runner = "\ndef run(arguments: Sequence[str]) -> int:\n"  # the other files are parts of commands
    files = {path.stem for path in (REPO / "commands").glob("*.py") if runner in path.read_text()}
    listed = {command.module.removeprefix("commands.") for command in commands.COMMANDS.values()}
    lines = [f'    "{name}": Command("commands.{name}", "what it does"),' for name in sorted(files - listed)]
    assert not lines, "\n".join(["in COMMANDS of commands/__init__.py write", *lines])
    assert not listed - files, f"no def run(arguments: Sequence[str]) -> int in {listed - files}"
    for command in commands.COMMANDS.values():
        assert callable(importlib.import_module(command.module).run)
