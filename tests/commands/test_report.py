"""`python run.py report`: what it writes, and what it says about wrong input."""

import re
from pathlib import Path

import pytest

import run
from tests.datasets import FAST, options
from tests.run_folder.made_runs import make_campaign, make_run


def test_page_markdown_and_figures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_campaign(tmp_path / "runs", {"a": {}, "b": {}}, seeds=1)
    output = tmp_path / "out" / "deep"
    assert run.main(["report", str(tmp_path / "runs"), "--output", str(output), "--title", "My runs"]) == 0
    said = capsys.readouterr().out
    assert "4 runs (4 finished)" in said
    assert str(output) in said
    page, text = (output / "index.html").read_text(), (output / "report.md").read_text()
    assert "<title>My runs</title>" in page
    assert text.startswith("# My runs\n")
    drawn = re.findall(r"\(figures/([^)]+)\)", text)
    assert sorted(path.name for path in (output / "figures").iterdir()) == sorted(drawn)
    for name in drawn:
        content = (output / "figures" / name).read_bytes()
        assert content.startswith(b"\x89PNG" if name.endswith(".png") else b"<?xml")
        # alone it has no page to take colours from
        assert name.endswith(".png") or (b'color="#1b1d21"' in content and b'fill="#ffffff"' in content)
        assert name.rpartition(".")[0] in page
    assert not list(output.rglob("*.tmp"))


def test_other_files_in_the_output_folder_stay(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "out" / "figures").mkdir(parents=True)
    for name in ("mine.txt", "figures/mine.png"):
        (tmp_path / "out" / name).write_text("mine")
    for _ in range(2):
        assert run.main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "out")]) == 0
    for name in ("mine.txt", "figures/mine.png"):
        assert (tmp_path / "out" / name).read_text() == "mine"


def test_differences_are_taken_from_the_variant_that_is_asked_for(tmp_path: Path) -> None:
    make_campaign(tmp_path / "runs", {"a": {}, "b": {}}, seeds=1)
    words = ["report", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    for more, first in (((), "a"), (("--reference", "b"), "b")):
        assert run.main([*words, *more]) == 0
        assert f"scorer by scorer, is {first}." in (tmp_path / "out" / "report.md").read_text()


def test_unreadable_and_collapsed_runs_are_named_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "runs" / "good")
    bad = make_run(tmp_path / "runs" / "[b]ad")
    (bad / "test" / "predictions.parquet").write_bytes(b"PAR1")
    make_run(tmp_path / "runs" / "dead", seed=1, collapsed=True)
    assert run.main(["report", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "unreadable runs/[b]ad: test: cannot be read" in said
    assert "1 collapsed: runs/dead" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{0}/nowhere"], "no such folder"),
        (["{0}/empty"], "no run there"),
        (["{0}/run", "--output", "{0}/file"], "is a file; choose another --output"),
        (["{0}/run", "--reference", "nobody"], "no variant 'nobody'; there are 'GCNEncoder'"),
        (["{0}/run", "--output", "/proc/x"], "/proc/x"),
    ],
)
def test_wrong_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    default = [] if "--output" in words else ["--output", str(tmp_path / "out")]
    assert run.main(["report", *(word.format(tmp_path) for word in words), *default]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: ")
    assert message in said.err


def test_no_run_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(["report"])
    assert ended.value.code == 2
    assert "RUNS" in capsys.readouterr().err


def test_runs_of_fit_and_test(tmp_path: Path) -> None:
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.folder={tmp_path / 'run'}"]
    assert run.main(["fit", *words]) == 0
    assert run.main(["test", *words, f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}"]) == 0
    assert run.main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "SYNTHETIC DATA: All runs" in text
    assert len(re.findall(r"figures/d0c0-pair-0-\d\.png", text)) == 3
    assert "robustness.parquet is missing in 1 of 1 runs" in text
    assert "Unreadable" not in text
