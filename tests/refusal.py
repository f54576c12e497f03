"""What every command must do with wrong input: say one line, end with 2, leave every file as it was."""

import hashlib
from pathlib import Path

import pytest

import run

FAST = [
    "--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu",
]  # fmt: skip


def snapshot(folder: Path) -> dict[str, str]:
    """Every file and folder below, with the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def assert_one_line(said: str, *essential: str) -> None:
    """One line begins with "error:" and says the essential words; there is no traceback and no Python noise."""
    lines = said.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert lines[-1] == errors[0], said
    for word in essential:
        assert word in errors[0], f"{word!r} is not in {errors[0]!r}"
    for noise in ("Traceback", "<class", "Namespace(", "NestedArg", "object at 0x", "Does not validate", "Errno"):
        assert noise not in said, said


def assert_refused(capsys: pytest.CaptureFixture[str], folder: Path, words: list[str], *essential: str) -> None:
    """`python run.py words` ends with 2 and one line, and nothing below `folder` has changed."""
    before = snapshot(folder)
    capsys.readouterr()
    assert run.main(words) == 2
    assert_one_line(capsys.readouterr().err, *essential)
    changed = snapshot(folder).items() ^ before.items()
    assert not changed, changed
