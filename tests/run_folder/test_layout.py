import subprocess
import sys
from pathlib import Path

import pytest

from errors import InputError
from run_folder.folder import RunFolder
from run_folder.layout import reading, run_of_checkpoint, versions
from tests.conftest import REPO


def test_versions_are_found_in_their_order(tmp_path: Path) -> None:
    folders = [Path(RunFolder(str(tmp_path), "a").log_dir) for _ in range(11)]
    (tmp_path / "a" / "version_x").mkdir()
    assert versions(tmp_path / "a") == list(enumerate(folders))
    assert versions(tmp_path / "nothing") == []


def test_run_of_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    assert run_of_checkpoint(checkpoint) is None
    (tmp_path / "run" / "config.yaml").touch()
    assert run_of_checkpoint(checkpoint) == (tmp_path / "run").resolve()
    assert run_of_checkpoint(tmp_path / "loose.ckpt") is None


def test_what_is_wrong_with_a_file_is_said_in_a_short_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught, reading(tmp_path / "a.json", "write it again"):
        raise ValueError("not\na number: " + 5000 * "9")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/a.json: cannot be read (not a number: 999")
    assert said.endswith("...); write it again")
    assert len(said) < 400
    with pytest.raises(InputError, match=r"^of its own$"), reading(tmp_path / "a.json"):
        raise InputError("of its own")


def test_reading_needs_no_lightning() -> None:
    modules = sorted(
        path.stem for path in (REPO / "run_folder").glob("*.py") if path.stem not in ("folder", "__init__")
    )
    code = f"import sys, {', '.join(f'run_folder.{name}' for name in modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True).stdout
    assert {"lightning", "torchmetrics", "matplotlib"}.isdisjoint(loaded.split())
