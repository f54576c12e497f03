import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import run
from commands import new
from tests.conftest import REPO
from tests.refusal import assert_one_line

FILLED = {
    "encoder": ["return self.projection(poses.flatten(-2))"],
    "scorer": ["import torch; return torch.stack([exemplars.score[:k].mean().expand(len(queries)) for k in self.k])"],
    "dataset": [
        'return [ClipLabel(f"clip_{i}", "kite", float(i), "train" if i % 3 else "test") for i in range(24)]',
    ],
    "estimator": [
        "import numpy as np; return Crop(image[:8, :8], np.eye(2, 3))",
        "import numpy as np; return (pixels.reshape(len(pixels), -1).mean(1).astype(np.float32),)",
        "import numpy as np; one = np.ones((len(crops), 17, 2), np.float32); return Keypoints(one, one[..., 0])",
    ],
}  # fmt: skip
"""What a user would write in the place of each NotImplementedError."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where `new` writes, found by imports like the project itself."""
    monkeypatch.setattr(new, "ROOT", tmp_path)
    for package in ("datamodules", "lightning_modules.encoders", "scoring", "extraction.estimators"):
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(tmp_path / package.replace(".", "/"))])
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.endswith(("kite_flying", "kite_flying.make"))]:
        del sys.modules[name]


def written_tests(path: Path, folder: Path) -> list[Callable[[], None]]:
    """The tests of a written file, ready to be called."""
    for name in [name for name in sys.modules if name.endswith(("kite_flying", "kite_flying.make"))]:
        del sys.modules[name]
    importlib.invalidate_caches()
    names: dict[str, Callable[..., None]] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    found = [test for name, test in names.items() if name.startswith("test_")]
    return [lambda test=test: test(folder) if inspect.signature(test).parameters else test() for test in found]  # type: ignore[misc]


@pytest.mark.parametrize("kind", new.RECIPES)
def test_the_files_fit_together_and_fail_until_filled_in(
    kind: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["new", kind, "kite_flying"]) == 0
    said = capsys.readouterr().out
    files = {Path(path.format(name="kite_flying")) for path in new.RECIPES[kind].files.values()}
    assert {path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file()} == files
    for path in files:
        assert f"written: {path}" in said
        assert "{" not in (checkout / path).read_text() or path.suffix == ".py"
    source = checkout / next(iter(sorted(files, key=lambda path: path.parts[0] in ("configs", "tests"))))
    (config,) = (path for path in files if path.suffix == ".yaml")
    cls = "KiteFlying" + new.RECIPES[kind].suffix
    assert f"class {cls}" in source.read_text()
    assert cls in str(yaml.safe_load((checkout / config).read_text()))
    (written,) = (path for path in files if path.name.startswith("test_"))
    first, *_ = written_tests(checkout / written, checkout / "before")
    with pytest.raises(NotImplementedError):
        first()
    lines = source.read_text().splitlines()
    for line in FILLED[kind]:
        at = next(i for i, one in enumerate(lines) if one.lstrip().startswith("raise NotImplementedError"))
        lines[at] = lines[at].split("raise")[0] + line
    source.write_text("\n".join(lines))
    for test in written_tests(checkout / written, checkout / "after"):
        test()


def test_what_is_written_is_clean(checkout: Path) -> None:
    for kind in new.RECIPES:
        assert run.main(["new", kind, "kite_flying" if kind == "dataset" else f"kite_{kind}"]) == 0
    (checkout / "pyproject.toml").write_text((REPO / "pyproject.toml").read_text())
    # what is ours the sorting of imports cannot see here, where only the new files are
    for words in (["check", "--extend-ignore", "I001"], ["format", "--check"]):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ruff"), *words, "."], cwd=checkout, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["encoder", "Graph"], "small letters"),
        (["encoder", "../x"], "small letters"),
        (["encoder", "class"], "small letters"),
        (["encoder", ""], "small letters"),
        (["scorer", "x" * 60], "small letters"),
    ],
)
def test_wrong_names_are_one_line(
    words: list[str], says: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["new", *words]) == 2
    assert_one_line(capsys.readouterr().err, says)
    assert not list(checkout.iterdir())


def test_names_that_are_taken_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["new", "encoder", "vote"]) == 2
    assert_one_line(capsys.readouterr().err, "scoring/vote.py", "already")
    assert run.main(["new", "dataset", "best"]) == 2
    assert_one_line(capsys.readouterr().err, "configs/best.yaml", "already")


def test_another_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(["new", "model", "kite"])
    assert ended.value.code == 2
    assert_one_line(capsys.readouterr().err, "invalid choice: 'model'")
