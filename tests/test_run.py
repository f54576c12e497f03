"""The top level: what there is, quickly, and one line for whatever is wrong."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import run
from commands import COMMANDS
from errors import InputError
from tests.conftest import REPO
from tests.refusal import assert_one_line

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_every_command(word: str, capsys: Capture) -> None:
    assert run.main([word]) == 0
    said = capsys.readouterr()
    assert not said.err
    for name, command in COMMANDS.items():
        assert f"  {name} " in said.out
        assert command.summary in said.out


def test_help_imports_nothing_heavy() -> None:
    """So it answers in the time of Python itself; `python -c "import torch"` takes ten times as long."""
    script = (
        "import sys, run; run.main(['--help']); "
        "print({'torch', 'lightning', 'numpy', 'yaml', 'jsonargparse'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


def test_no_command(capsys: Capture) -> None:
    assert run.main([]) == 2
    said = capsys.readouterr()
    assert "usage: python run.py COMMAND" in said.out
    assert_one_line(said.err, "no command")


def test_an_unknown_command(capsys: Capture) -> None:
    assert run.main(["ft", "--config", "demo.yaml"]) == 2
    assert_one_line(capsys.readouterr().err, "no command 'ft'", "did you mean 'fit'?")
    assert run.main(["--config", "demo.yaml"]) == 2
    assert_one_line(capsys.readouterr().err, "no command '--config'", "fit, validate, test, predict")


@pytest.mark.parametrize("words", [["check"], ["check", "a", "b"], ["export"], ["skeleton", "--outptu=x"], ["pool"]])
def test_wrong_words_after_a_small_command(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(words)
    assert ended.value.code == 2
    assert_one_line(capsys.readouterr().err, f"python run.py {words[0]} --help")


def raises(error: BaseException) -> Callable[[str], SimpleNamespace]:
    def command(words: list[str]) -> int:
        raise error

    return lambda name: SimpleNamespace(run=command)


@pytest.mark.parametrize(
    ("error", "code", "essential"),
    [
        (InputError("labels.csv: two\nlines"), 2, "labels.csv: two lines"),
        (OSError(28, "No space left on device", "runs/a.ckpt"), 2, "runs/a.ckpt: No space left on device"),
        (PermissionError(13, "Permission denied", "runs"), 2, "runs: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_one_line(
    error: BaseException, code: int, essential: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(error)))
    assert run.main(["check", "x"]) == code
    assert_one_line(capsys.readouterr().err, essential)


def test_a_mistake_in_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(ValueError("a bug"))))
    with pytest.raises(ValueError, match="a bug"):
        run.main(["check", "x"])
