"""What `run.py sweep` makes of a sweep file, killed and continued, with trials that take no time."""

import json
import random
import shlex
from pathlib import Path
from typing import Any

import pytest

import run
from datamodules.demo import Demo
from run_folder.trial import Trial, read_record
from tests.commands.sweeps import FakeRunner, Killed, ledger, sweep_file, values, write_metrics
from tests.refusal import assert_one_line, assert_refused
from trials.sweep import sweep_trials

GRID = {"model.margin": {"values": [0.3, 1.0, 1.4]}, "seed_everything": {"values": [0, 1]}}


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> type[FakeRunner]:
    class Own(FakeRunner):
        order = random.Random(0)
        trained: list[str] = []  # noqa: RUF012
        groups: list[list[str]] = []  # noqa: RUF012
        prepared: list[str] = []  # noqa: RUF012

    monkeypatch.setattr(sweep_trials, "Runner", Own)
    monkeypatch.setattr(Demo, "prepare_data", lambda data: Own.prepared.append(data.root))
    monkeypatch.setattr(Demo, "setup", lambda data, stage: None)
    return Own


def sweep(file: Path, output: Path, *words: str) -> int:
    return run.main(["sweep", "--config", str(file), "--output", str(output), *words])


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_bayes_search_killed_again_and_again_is_the_one_that_never_was(
    tmp_path: Path, runner: type[FakeRunner], parallel: int
) -> None:
    file = sweep_file(tmp_path)
    words = ["--count=12", f"--parallel={parallel}"]
    assert sweep(file, tmp_path / "whole", *words) == 0
    assert sorted(runner.trained) == [f"trial_{i:03}" for i in range(12)]
    runner.trained.clear()
    kills = 0
    chance = random.Random(parallel)
    while True:
        runner.life = chance.randrange(4)
        runner.order = random.Random(kills)
        try:
            assert sweep(file, tmp_path / "killed", *words) == 0
            break
        except Killed:
            kills += 1
    assert kills > 2
    assert sorted(runner.trained) == [f"trial_{i:03}" for i in range(12)]  # none is lost, none repeated
    assert values(tmp_path / "killed") == values(tmp_path / "whole")
    assert len({str(one) for one in values(tmp_path / "whole").values()}) == 12
    best = {folder: ledger(tmp_path / folder)["best"] for folder in ("killed", "whole")}
    assert best["killed"] == best["whole"]


def test_data_are_made_once_before_several_workers_want_to(tmp_path: Path, runner: type[FakeRunner]) -> None:
    parameters = {"data.root": {"values": ["one", "two"]}, "model.margin": {"values": [5.0]}}
    sweep(sweep_file(tmp_path, method="grid", parameters=parameters), tmp_path / "out", "--parallel=2")
    assert list(map(str, runner.prepared)) == ["one"]


def test_a_sweep_without_data_does_not_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(tmp_path)
    words = ["sweep", f"--config={file}", "--config=aqa7.yaml", f"--output={tmp_path / 'out'}", "--count=2"]
    assert_refused(capsys, tmp_path, [*words, f"--data.cache={tmp_path / 'none'}"], str(tmp_path / "none"))


def test_more_trials_later_follow_the_first_ones(tmp_path: Path, runner: type[FakeRunner]) -> None:
    file = sweep_file(tmp_path, method="random")
    sweep(file, tmp_path / "a", "--count=3")
    first = values(tmp_path / "a")
    sweep(file, tmp_path / "a", "--count=5")
    sweep(file, tmp_path / "b", "--count=5")
    assert values(tmp_path / "a") == values(tmp_path / "b")
    assert values(tmp_path / "a").items() >= first.items()
    assert runner.trained[:5] == [f"trial_{i:03}" for i in range(5)]
    sweep(file, tmp_path / "b", "--count=2")
    assert len(values(tmp_path / "b")) == 5


def test_a_grid_trains_in_stacks_of_equal_size(tmp_path: Path, runner: type[FakeRunner]) -> None:
    file = sweep_file(tmp_path, method="grid", parameters=GRID)
    sweep(file, tmp_path / "two", "--parallel=2")
    assert sorted(map(len, runner.groups)) == [3, 3]
    runner.groups.clear()
    sweep(file, tmp_path / "alone", "--stack=1")
    assert sorted(map(len, runner.groups)) == [1] * 6
    assert values(tmp_path / "two") == values(tmp_path / "alone")
    record = read_record(tmp_path / "two" / "trial_004")
    assert record is not None
    assert (record.kind, record.campaign, record.status, record.members) == ("sweep", "tiny", "finished", 3)
    assert record.seconds == pytest.approx(1 / 3)
    assert record.labels == {"model.margin": 1.4, "seed_everything": 0}
    assert record.arguments == ("--config=demo.yaml", "--model.margin=1.4", "--seed_everything=0")


def test_shapes_that_differ_are_stacks_of_their_own(tmp_path: Path, runner: type[FakeRunner]) -> None:
    parameters = {"model.encoder.channels": {"values": [2, 4]}, "model.lr": {"values": [0.001, 0.01]}}
    sweep(sweep_file(tmp_path, method="grid", parameters=parameters), tmp_path / "out")
    assert sorted(map(sorted, runner.groups)) == [["trial_000", "trial_001"], ["trial_002", "trial_003"]]


def test_failed_and_collapsed_trials_are_said_and_counted(
    tmp_path: Path, runner: type[FakeRunner], capsys: pytest.CaptureFixture[str]
) -> None:
    def fate(trial: Trial) -> str | None:
        return "out of luck" if trial.name == "trial_002" else None

    runner.fate = staticmethod(fate)
    file = sweep_file(tmp_path, method="random")
    assert sweep(file, tmp_path / "out", "--count=4") == 1
    record = read_record(tmp_path / "out" / "trial_002")
    assert record is not None
    assert (record.status, record.error) == ("failed", "out of luck")
    write_metrics(tmp_path / "out" / "trial_001", [float("-inf")] * 2, collapsed=True)
    capsys.readouterr()
    assert sweep(file, tmp_path / "out", "--count=4") == 1
    assert len(runner.trained) == 4  # the failed one is not tried again
    said = capsys.readouterr().out
    assert "FAILED: out of luck" in said
    assert "4 trials: 3 finished, 1 failed; 1 of them collapsed" in said
    found = {trial["name"]: trial for trial in ledger(tmp_path / "out")["trials"]}
    assert found["trial_001"]["metric"] is None
    assert found["trial_001"]["collapsed"]
    assert found["trial_002"]["error"] == "out of luck"
    runner.fate = staticmethod(lambda trial: None)
    (tmp_path / "out" / "trial_002" / "trial.json").unlink()
    assert sweep(file, tmp_path / "out", "--count=4") == 0
    assert runner.trained[4:] == ["trial_002"]


def test_the_best_comes_first_with_the_command_that_repeats_it(
    tmp_path: Path, runner: type[FakeRunner], capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(tmp_path, method="grid", parameters=GRID)
    sweep(file, tmp_path / "out", "--data.clips", "48", "--config=mlp.yaml")
    said = capsys.readouterr().out
    (again,) = [line for line in said.splitlines() if line.startswith("again: python run.py ")]
    words = shlex.split(again)[3:]
    assert words == [
        "fit", "--config=demo.yaml", "--config=mlp.yaml", "--model.margin=1.4", "--seed_everything=0",
        "--data.clips", "48",
    ]  # fmt: skip
    rows = [line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│ trial_")]
    assert rows == [f"trial_00{i}" for i in (4, 5, 2, 3, 0, 1)]
    assert "0.9000 │ 0.9000 │ 0.9000 │     2 │" in said  # mean over the seeds of margin 1.4
    content = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert content["best"] == "trial_004"
    assert content["trials"][4]["metric"] == pytest.approx(0.9)
    assert content["trials"][4]["epochs"] == 2


def test_less_is_better_where_the_file_says_so(tmp_path: Path, runner: type[FakeRunner]) -> None:
    metric = {"name": "val/spearman_best", "goal": "minimize"}
    sweep(
        sweep_file(tmp_path, method="grid", parameters={"model.margin": {"values": [0.4, 1.3]}}, metric=metric),
        tmp_path / "a",
    )
    content = ledger(tmp_path / "a")
    assert [trial["metric"] for trial in content["trials"]] == [-1.0, -1.0]  # the best epoch, not the last


def test_trials_that_fall_behind_are_asked_to_stop_and_are_told_apart(tmp_path: Path, runner: type[FakeRunner]) -> None:
    def metric(trial: Trial) -> list[float]:
        (tmp_path / "out" / "trial_002").mkdir(exist_ok=True)  # it runs beside the others, and is worse
        write_metrics(tmp_path / "out" / "trial_002", [0.1, 0.2])
        return [0.1, 0.2] if trial.name == "trial_002" else [0.5, 0.6]

    runner.metric = staticmethod(metric)
    file = sweep_file(tmp_path, method="random", early_terminate={"type": "hyperband", "min_iter": 1, "eta": 2})
    assert sweep(file, tmp_path / "out", "--count=3") == 0
    assert sorted(map(len, runner.groups)) == [1, 1, 1]
    found = {trial["name"]: trial["status"] for trial in ledger(tmp_path / "out")["trials"]}
    assert found == {"trial_000": "finished", "trial_001": "finished", "trial_002": "stopped"}
    arguments = ledger(tmp_path / "out")["trials"][0]["arguments"]
    assert arguments[-1] == "--trainer.callbacks+=lightning_modules.callbacks.stop_on_request.StopOnRequest"


def test_wandb_is_laid_over_every_trial_alone(tmp_path: Path, runner: type[FakeRunner]) -> None:
    sweep(sweep_file(tmp_path, method="grid", parameters=GRID), tmp_path / "out", "--wandb")
    assert sorted(map(len, runner.groups)) == [1] * 6
    for trial in ledger(tmp_path / "out")["trials"]:
        assert trial["arguments"][:2] == ["--config=demo.yaml", "--config=wandb.yaml"]


def test_the_file_can_limit_the_count(tmp_path: Path, runner: type[FakeRunner]) -> None:
    sweep(sweep_file(tmp_path, run_cap=2), tmp_path / "a")
    assert len(values(tmp_path / "a")) == 2


RANGE, TEXTS = {"min": 0.1, "max": 1.0}, {"values": ["wide", "narrow"]}
WRONG: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "count": ({}, ["--count=0"], ["--count is 0, it must be at least 1"]),
    "no count": ({}, [], ["a bayes search has no end of its own; give --count"]),
    "parallel": ({}, ["--count=1", "--parallel=0"], ["--parallel is 0"]),
    "option": ({}, ["--count=1", "--trainer.max_epoch=3"], ["'trainer.max_epoch'", "'trainer.max_epochs'"]),
    "own option": ({}, ["--count=1", "--paralel=3"], ["'paralel'"]),
    "swept": ({}, ["--count=1", "--model.init_args.margin=1"], ["--model.init_args.margin=1: the sweep sets it"]),
    "parameter": ({"parameters": {"model.margn": RANGE}}, ["--count=1"], ["'model.margin'?", "tiny.yaml"]),
    "type": ({"parameters": {"model.margin": TEXTS}}, ["--count=1"], ["expected a number", "tiny.yaml"]),
    "config": ({"command": ["${program}", "fit", "--config", "dmo.yaml", "${args}"]}, ["--count=1"], ["'demo.yaml'?"]),
    "half": ({"command": ["${program}", "fit", "${args}", "-c"]}, ["--count=1"], ["--config has no value after it"]),
    "method": ({"method": "gredy"}, ["--count=1"], ["method is 'gredy'"]),
    "metric": ({"metric": None}, ["--count=1"], ["the metric is missing"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    changes, words, essential = WRONG[name]
    file = sweep_file(tmp_path, **changes)
    words = ["sweep", "--config", str(file), "--output", str(tmp_path / "out"), *words]
    if name in ("count", "parallel"):  # refused by the parser of the command itself
        with pytest.raises(SystemExit) as caught:
            run.main(words)
        assert caught.value.code == 2
        assert_one_line(capsys.readouterr().err, *essential)
        assert not (tmp_path / "out").exists()
    else:
        assert_refused(capsys, tmp_path, words, *essential)


def test_a_missing_file_is_refused_with_the_shipped_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, tmp_path, ["sweep", "--config", "margi", "--output", str(tmp_path / "a")], "margin_lr.yaml")


def test_a_folder_keeps_to_its_sweep(
    tmp_path: Path, runner: type[FakeRunner], capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(tmp_path)
    output = tmp_path / "out"
    words = ["sweep", "--config", str(file), "--output", str(output), "--count=2"]
    assert run.main(words) == 0
    assert_refused(capsys, tmp_path, [*words, "--data.clips=48"], "its trials have the options of the sweep file alone")
    sweep_file(tmp_path, method="random")
    assert_refused(capsys, tmp_path, words, "its trials have another sweep file")
    sweep_file(tmp_path)
    (output / "sweep.json").write_text("{")
    assert_refused(capsys, tmp_path, words, "sweep.json: is no ledger of a sweep")
    (output / "sweep.json").unlink()
    assert_refused(capsys, tmp_path, words, "is no folder of a sweep, it holds trial_000")


def test_a_metric_that_no_trial_logs_ends_the_sweep(
    tmp_path: Path, runner: type[FakeRunner], capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(tmp_path, metric={"name": "val/nothing", "goal": "maximize"})
    assert sweep(file, tmp_path / "out", "--count=2") == 2
    assert_one_line(capsys.readouterr().err, "trial_000 logged no metric 'val/nothing'; it has val/spearman_best")
