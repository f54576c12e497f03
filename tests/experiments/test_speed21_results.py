from collections.abc import Sequence
from pathlib import Path

import pytest

import run
from cli.config_files import CONFIGS
from experiments import speed21_results
from tests.conftest import REPO


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What `run.py` is told to do; ablations end as `codes` says."""
    heard: list[list[str]] = []

    def main(words: Sequence[str]) -> int:
        heard.append(list(words))
        return 1 if "--output=r/climber" in words else 2 if "--output=wrong/encoders" in words else 0

    monkeypatch.setattr(run, "main", main)
    return heard


def test_every_shipped_ablation_on_speed21_is_run_and_reported(said: list[list[str]]) -> None:
    assert speed21_results.main(["--root", "d", "--runs", "r", "--output", "o"]) == 1
    ablations = [words for words in said if words[0] == "ablate"]
    named = {word.removeprefix("--config=ablations/") for words in ablations for word in words if "--config" in word}
    shipped = (CONFIGS / "ablations").glob("*.yaml")
    assert named == {path.name for path in shipped if "base: [speed21.yaml" in path.read_text()}
    assert all("--data.root=d" in words for words in ablations)
    reports = [words for words in said if words[0] == "report"]
    assert [words[-2] for words in reports] == ["--output=o/speed21", "--output=o/speed21_by_event"]
    told = {word.removeprefix("--output=") for words in ablations for word in words if word.startswith("--output=")}
    assert {str(Path(word)) for words in reports for word in words if word.startswith("r/")} == told
    assert ["--data.folds=event" in words for words in ablations] == [False, False, True, False, True, False]


def test_the_figures_that_docs_show_are_kept(said: list[list[str]], tmp_path: Path) -> None:
    figures = tmp_path / "reports" / "speed21" / "figures"
    figures.mkdir(parents=True)
    for name in speed21_results.FIGURES.values():
        (figures / name).write_text(name)
    assert speed21_results.main(["--output", str(tmp_path / "reports"), "--figures", str(tmp_path / "kept")]) == 0
    kept = {path.name: path.read_text() for path in (tmp_path / "kept").iterdir()}
    assert kept == speed21_results.FIGURES
    assert set(kept) == {path.name for path in (REPO / "docs" / "results" / "figures").iterdir()}


def test_wrong_input_ends_it(said: list[list[str]]) -> None:
    assert speed21_results.main(["--runs", "wrong"]) == 2
    assert len(said) == 1
