import shutil
from pathlib import Path

import pytest

from errors import InputError
from run_folder.runs import Run, find_runs, read_run
from run_folder.trial import Record
from tests.run_folder.made_runs import SCORERS, make_run, rewrite


def test_runs_are_found_below_what_is_given_each_once(tmp_path: Path) -> None:
    for name in ("a/seed_0", "a/seed_1", "b"):
        make_run(tmp_path / "runs" / name)
    wandb = tmp_path / "runs" / "a" / "wandb" / "offline-run-1" / "files"
    wandb.mkdir(parents=True)
    (wandb / "config.yaml").write_text("a: 1\n")
    Record("x", "sweep", {}, (), "failed", "boom").write(tmp_path / "runs" / "failed")
    found = find_runs([tmp_path / "runs", tmp_path / "runs" / "a"])
    assert [name for name, _ in found] == ["runs/a/seed_0", "runs/a/seed_1", "runs/b", "runs/failed"]
    assert find_runs([tmp_path / "runs" / "b"]) == [("b", (tmp_path / "runs" / "b").resolve())]


def test_where_no_run_is_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run there"):
        find_runs([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        find_runs([tmp_path / "nowhere"])


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    run = read_run("x", make_run(tmp_path / "x", seed=3, fold=1, variant="wide", options={"margin": 0.7}))
    assert (run.state, run.seed, run.dataset) == ("finished", 3, "Speed21")
    assert run.options["model.margin"] == 0.7
    assert run.options["model.encoder.channels"] == 2
    assert run.result is not None
    assert run.result.predictors[:3] == list(SCORERS)
    assert run.cost is not None
    assert run.cost.parameters == 5848
    assert [pair["level"] for pair in run.pairs] == ["high", "medium", "low"]
    assert {said.level for said, _ in run.robustness} == {0, 5, 10}
    assert (run.missing, run.broken, run.collapsed) == ((), (), False)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "x", whole=False)
    run = read_run("x", folder)
    assert run.missing == ("test/pairs.json", "cost.json", "robustness.parquet")
    assert run.state == "finished"
    shutil.rmtree(folder / "test")
    (folder / "versions.json").unlink()
    run = read_run("x", folder)
    assert run.missing == ("versions.json", "test/metrics.json")
    assert run.state == "unfinished"
    assert run.dataset == "Speed21"


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "versions.json", "metrics.csv", "test/metrics.json", "test/predictions.parquet", "test/pairs.json",
     "cost.json", "robustness.parquet", "trial.json"],
)  # fmt: skip
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff{:", b"{}", b'{"pairs": [{"level": 1}]}'])
def test_a_broken_file_is_named_and_the_others_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    folder = make_run(tmp_path / "x", variant="a")
    (folder / name).write_bytes(content)
    run = read_run("x", folder)
    if (name, content) in (("metrics.csv", b""), ("metrics.csv", b"[]"), ("metrics.csv", b"{}")):
        assert run.broken == ()  # a table without rows
    elif name not in ("versions.json", "metrics.csv", "config.yaml") or content in (b"", b"[]"):
        assert any(Path(name).name in line or "test: " in line for line in run.broken), run.broken
        assert "\n" not in "".join(run.broken)
    assert run.result is None or name not in ("test/metrics.json", "test/predictions.parquet")
    assert (run.history is None) == (bool(run.broken) and name == "metrics.csv")


def test_states(tmp_path: Path) -> None:
    def state(status: str, tested: bool) -> str:
        folder = tmp_path / f"{status}{tested}"
        make_run(folder, variant="a")
        rewrite(folder / "trial.json", status=status)
        if not tested:
            shutil.rmtree(folder / "test")
        return read_run("x", folder).state

    assert [state(status, True) for status in ("finished", "stopped", "failed")] == ["finished", "stopped", "failed"]
    assert [state(status, False) for status in ("finished", "stopped")] == ["unfinished", "stopped"]
    folder = make_run(tmp_path / "broken")
    (folder / "test" / "metrics.json").write_text("{")
    assert read_run("x", folder).state == "unreadable"


def test_collapses_are_told_apart(tmp_path: Path) -> None:
    dead = read_run("x", make_run(tmp_path / "dead", collapsed=True))
    assert (dead.collapsed, dead.collapsed_later) == (True, False)
    folder = make_run(tmp_path / "later")
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(
        text + text.splitlines()[-1].replace("39,3", "49,4").replace("0.0,0.5", "1.0,0.5") + "\n"
    )
    later = read_run("x", folder)
    assert (later.collapsed, later.collapsed_later) == (False, True)


def test_unknown_start_and_seed(tmp_path: Path) -> None:
    assert Run("x", tmp_path).started == "~"
    assert Run("x", tmp_path).seed is None
    assert Run("x", tmp_path).dataset is None
