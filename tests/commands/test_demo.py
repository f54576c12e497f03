"""`run.py demo`: fit, test, and what it ends with."""

import json
from pathlib import Path

import pytest
import torch

import run

SMALL = [
    "--data.clips=48", "--trainer.max_epochs=1", "--trainer.limit_train_batches=3",
    "--trainer.enable_progress_bar=false",
]  # fmt: skip


def test_ends_with_tables_the_picture_and_how_to_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    calls: list[list[str]] = [[], ["--folder=runs", "--model.lr", "0.01"]]
    for version, words in enumerate(calls):
        assert run.main(["demo", *words, *SMALL]) == 0
        folder = Path("runs") / "demo" / f"version_{version}"
        said = capsys.readouterr().out
        assert "test: 12 clips of SYNTHETIC poses" in said
        assert "ridge on raw coordinates" in said
        *_, picture, reading, _ = said.splitlines()
        assert picture == f"The picture: {folder / 'test' / 'figure.png'}"
        assert "the data are synthetic" in reading
        assert (tmp_path / folder / "test" / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert json.loads((folder / "test" / "metrics.json").read_text())["synthetic"]
    assert torch.get_num_threads() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "runs"]


def test_wrong_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["--data.clipz=48"], ["--data.clips=3"], ["nonsense"]):
        assert run.main(["demo", *words]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(["demo", "--help"])
    assert caught.value.code == 0
    assert "--folder" in capsys.readouterr().out
