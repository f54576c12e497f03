import ast
import errno
from pathlib import Path

import pytest

from files import remove_unfinished, write_atomically, writing
from tests.conftest import REPO

ROOMS = (
    "commands", "trials", "cli", "reports", "feedback", "lightning_modules", "run_folder", "drawing", "datamodules",
    "scoring", "extraction", "poses", "experiments", "benchmarks",
)  # fmt: skip
OTHER_WAYS = {"rename", "renames", "NamedTemporaryFile", "mkstemp", "flock", "lockf", "O_EXCL", "locking"}
"""Of writing whole files and of locking: names that files.py and filelock make needless."""


def other_ways(source: str) -> list[str]:
    """Where a module writes or locks by itself; `str.replace` takes two arguments, `Path.replace` one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            if (len(node.args) == 1 and not node.keywords) or ast.unparse(node.func) == "os.replace":
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            found += [ast.unparse(node)] if name in OTHER_WAYS else []
    return found


def test_files_py_alone_puts_files_in_their_place_and_filelock_alone_locks() -> None:
    paths = [REPO / "run.py", REPO / "errors.py", *(path for room in ROOMS for path in (REPO / room).rglob("*.py"))]
    assert len(paths) > 150
    assert not {path: found for path in paths if (found := other_ways(path.read_text()))}
    assert other_ways((REPO / "files.py").read_text()) == ["temporary.replace(path)"]
    for line in ("os.replace(a, b)", "a.rename(b)", "fcntl.flock(a, 2)", "path.replace(other)", "os.open(a, O_EXCL)"):
        assert other_ways(line), line
    assert not other_ways("'a'.replace('b', 'c'); replace(row, x=1); date.replace(tzinfo=None)")


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")  # as write() says it: without a name

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space") as caught:
        write_atomically(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    for path, kind in ((tmp_path / "no" / "file", FileNotFoundError), (tmp_path / "folder", OSError)):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(kind) as caught:
            write_atomically(path, "new")
        assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    other = tmp_path / "other"
    with pytest.raises(FileNotFoundError) as caught, writing(tmp_path / "file"):
        other.read_bytes()
    assert caught.value.filename == str(other)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_a_killed_process_left_of_one_file_goes(tmp_path: Path) -> None:
    for name in (".a[1].json.0a.tmp", ".a[1].json.1b.tmp", ".a1.json.0a.tmp", ".a[1].jpg.0a.tmp", "a[1].json"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path / "a[1].json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a1.json.0a.tmp", ".a[1].jpg.0a.tmp", "a[1].json"]
