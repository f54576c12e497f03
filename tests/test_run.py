"""The top level: what there is, quickly, and one line for whatever is wrong."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
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


ERRORS: dict[str, tuple[BaseException, int, str]] = {
    "input": (InputError("labels.csv: two\nlines"), 2, "labels.csv: two lines"),
    "interrupt": (KeyboardInterrupt(), 130, "interrupted"),
    "full disk": (OSError(28, "No space left on device", "/a.ckpt"), 2, "/a.ckpt: No space left on device; free space"),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "a file: Disk quota exceeded; free space"),
    "default folder": (PermissionError(13, "Permission denied", "runs/demo"), 2, "runs/demo: Permission denied"),
    "current folder": (OSError(errno.EROFS, "Read-only file system", "e.onnx"), 2, "e.onnx: Read-only file system"),
    "named": (FileNotFoundError(2, "No such file or directory", "x/y"), 2, "x/y: No such file or directory; check"),
    "above": (NotADirectoryError(20, "Not a directory", "/here"), 2, "/here: Not a directory; check the path"),
    "is a folder": (IsADirectoryError(21, "Is a directory", "/here/is"), 2, "/here/is: Is a directory; check the path"),
    "endless": (OSError(errno.ENAMETOOLONG, "File name too long", "x/" + 5000 * "y"), 2, "y...: File name too long"),
    "endless number": (InputError(f"fold is {'7' * 5000}, there are 5"), 2, f"fold is {'7' * 57}..., there are 5"),
}
FAULTS = {
    "value": ValueError("a bug"),
    "internal file": FileNotFoundError(2, "No such file or directory", "/elsewhere/weights.bin"),
    "in the house": FileNotFoundError(2, "No such file or directory", str(REPO / "models" / "absent.ckpt")),
    "connection": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    "port": OSError(errno.EADDRINUSE, "Address already in use"),
    "files": OSError(errno.EMFILE, "Too many open files", "x"),
    "module of ours": ModuleNotFoundError("No module named 'poses.absent'", name="poses.absent"),
    "new module of ours": ModuleNotFoundError("No module named 'errors.absent'", name="errors.absent"),
    "part of a package": ModuleNotFoundError("No module named 'numpy.absent'", name="numpy.absent"),
    "module of Python": ModuleNotFoundError("No module named '_bz2'", name="_bz2"),
    "name": ImportError("cannot import name 'absent' from 'numpy'", name="numpy"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_become_one_line(case: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    error, code, essential = ERRORS[case]
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(error)))
    assert run.main(["check", "x", "--output=/here/is/a/picture.png"]) == code
    said = capsys.readouterr().err
    assert_one_line(said, essential)
    assert len(said) < 300


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_keeps_its_traceback(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(FAULTS[case])))
    with pytest.raises(type(FAULTS[case])) as raised:
        run.main(["check", "x"])
    assert raised.value is FAULTS[case]


def test_a_path_named_in_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    (tmp_path / "mine.yaml").write_text(f"data:\n  init_args:\n    root: {tmp_path}/speed21\n")
    error = PermissionError(13, "Permission denied", f"{tmp_path}/speed21/skeletons")
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(error)))
    assert run.main(["fit", "--config", str(tmp_path / "mine.yaml")]) == 2
    assert_one_line(capsys.readouterr().err, "speed21/skeletons: Permission denied; check the path and who may use it")


@pytest.mark.parametrize("case", ["input", "full disk", "interrupt"])
@pytest.mark.parametrize("value", ["1", "0"])
def test_the_traceback_of_any_error_for_those_who_ask(
    case: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    error, code, _ = ERRORS[case]
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(error)))
    monkeypatch.setenv("GCN_PSN_DEBUG", value)
    assert run.main(["check", "x"]) == code
    said = capsys.readouterr().err
    assert ("Traceback" in said) == ("raise error" in said) == (value == "1")
    assert said.splitlines()[-1].startswith("error: ")


WORKING = {
    **{name: ["--config", "demo.yaml"] for name in ("fit", "validate", "test", "predict")},
    "demo": [],
    "ablate": ["--config", "ablations/table2.yaml"],
    "sweep": ["--config", "sweeps/margin_lr.yaml"],
    "pool": ["runs"],
    "report": ["runs"],
    "score": ["a.png", "b.png"],
    "extract": ["--config", "media_folder.yaml"],
    "features": ["--config", "media_folder.yaml"],
    "check": ["data/cache"],
    "export": ["best.ckpt"],
    "train-detector": ["--data", "people.yaml"],
    "skeleton": [],
}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "new"])  # which needs none
def test_without_any_package(name: str) -> None:
    """`-S`: Python without site-packages, as a system's own is."""
    done = subprocess.run(
        [sys.executable, "-S", "run.py", name, *WORKING[name]],
        cwd=REPO, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert_one_line(done.stderr, f"{name} needs the package ", "pip install -r requirements")


@pytest.mark.parametrize(("module", "package"), [("openvino", "openvino"), ("cv2", "opencv-python"), ("av", "av")])
def test_without_one_package(module: str, package: str) -> None:
    """However it is imported, by a class that a config names too."""
    script = f"""
import run, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
sys.exit(run.main(["score", "a.png", "b.png"]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 2
    assert_one_line(done.stderr, f"score needs the package {package}, which", "make pose", "requirements-pose.txt")


def test_a_library_of_the_system(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    error = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    monkeypatch.setattr("run.importlib", SimpleNamespace(import_module=raises(error)))
    assert run.main(["extract"]) == 2
    assert_one_line(capsys.readouterr().err, "the system's library libGL.so.1", "apt install libgl1")


def test_output_that_nobody_reads_any_more() -> None:
    script = "import run, sys; run.importlib.import_module = lambda name: sys.modules['__main__']\n"
    script += "def run_(words): print('line ' * 100_000); return 0\n"
    script += "sys.modules['__main__'].run, main = run_, run.main; sys.exit(main(['check', 'x']))"
    command = f"{shlex.join([sys.executable, '-c', script])} | head -c 5; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "line ", "")
