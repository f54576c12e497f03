"""What several tests need: the shared real data, and quiet, repeatable runs."""

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


def shared_data(name: str) -> Path:
    """Folder `name` of the shared real data; skips the test where it is absent."""
    root = Path(os.environ.get("SHARED_DATA", REPO.parent / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"real data {name!r} not found under {root}; set SHARED_DATA to the folder that holds it")
    return root / name


@pytest.fixture
def speed21_root() -> Path:
    return shared_data("speed21")


@pytest.fixture
def aqa7_root() -> Path:
    return shared_data("aqa7")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first in either half of the list; two processes begin with a half each.

    At the end of their work, when one may have nothing left to do, there are then quick ones to share out. Files stay
    whole, as fixtures of a module are made once for each process that has tests of it.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [file for file, tests in files.items() if any(test.get_closest_marker("slow") for test in tests)]
    quick = [file for file in files if file not in slow]
    halves = [*slow[::2], *quick[::2]], [*slow[1::2], *quick[1::2]]
    items[:] = [test for half in halves for file in half for test in files[file]]
