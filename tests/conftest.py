"""What several tests need: the shared real data, and quiet, repeatable runs."""

import os
import signal
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell that runs the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
