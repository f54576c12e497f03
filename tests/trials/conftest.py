"""Finished fits of tiny datasets, for tests of what comes after them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import run
from tests.datasets import FAST, options

CONFIGS = ("speed21.yaml", "demo.yaml")


@pytest.fixture(scope="session")
def fitted_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By config, the folder of a run; not to be changed."""
    folder, runs = tmp_path_factory.mktemp("fitted"), {}
    for config in CONFIGS:
        save = [f"--trainer.logger.save_dir={folder / 'runs'}", "--model.encoder.channels=8"]
        assert run.main(["fit", *options(config, folder), *FAST, *save]) == 0
        runs[config] = folder / "runs" / config.removesuffix(".yaml") / "version_0"
    return runs


@pytest.fixture
def fitted(fitted_once: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copies of them, by config and as many as asked for."""

    def copied(config: str, name: str = "run") -> Path:
        return Path(shutil.copytree(fitted_once[config], tmp_path / config.removesuffix(".yaml") / name))

    return copied
