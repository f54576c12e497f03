"""The SPEED21 experiment: what it trains, how it goes on after a kill, and the numbers of its table."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import run
from errors import InputError
from experiments.speed21_report import HEADER, report
from experiments.speed21_table import Trial, main, train_and_test
from reports.results import RunResult
from scoring.pooling import rank_normalised
from scoring.trivial import RAW_RIDGE
from tests.conftest import REPO, heed_interrupts
from tests.data.speed21.make import make
from tests.scoring.build import scipy_rho

FOLDS, CLIPS = 5, 12
WAIT = 900  # seconds; for machines that do much else
NAMES = [f"{fold}_{i:02}" for fold in range(FOLDS) for i in range(CLIPS)]


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCORE = random(FOLDS, CLIPS, seed=100)


def result(model: str, seed: int, fold: int, collapsed: bool = False) -> RunResult:
    """What `test` would leave: better scorers with higher seeds, or constants."""
    noise = random(3, CLIPS, seed=1000 * len(model) + 10 * seed + fold)
    scorers = SCORE[fold] + noise / (1 + seed)
    if collapsed:
        scorers = torch.full((3, CLIPS), float(fold), dtype=torch.float64)
    raw = SCORE[fold] + random(CLIPS, seed=fold)
    return RunResult(
        folder=Path(f"runs/{model}/seed_{seed}_fold_{fold}"),
        metrics={
            "dataset": "Speed21",
            "headline": "pooled",
            "synthetic": False,
            "collapsed": collapsed,
            "calibrated": {"reference": False, "vote": True, "ridge": True},
            "rows": [
                {"name": name, "trivial": name in ("class mean", RAW_RIDGE), "rho": None}
                for name in ("reference", "vote", "ridge", "class mean", RAW_RIDGE)
            ],
        },
        columns={
            "clip": NAMES[fold * CLIPS : (fold + 1) * CLIPS],
            "action": ["climb"] * CLIPS,
            "group": [f"climber {fold}.{i // 3}" for i in range(CLIPS)],
            "score": SCORE[fold].tolist(),
            "difficulty": [None] * CLIPS,
            "reference": (scorers[0] * (fold + 1) + 50 * fold).tolist(),  # every model has its own scale
            "vote": scorers[1].tolist(),
            "ridge": scorers[2].tolist(),
            "class mean": [1.0] * CLIPS,
            RAW_RIDGE: raw.tolist(),
        },
        model=model,
    )


def results(models: Sequence[str] = ("gcn_psn", "mlp"), seeds: int = 3, **collapsed: set[int]) -> dict[Any, RunResult]:
    return {
        (model, seed, fold): result(model, seed, fold, seed in collapsed.get(model, ()))
        for model in models
        for seed in range(seeds)
        for fold in range(FOLDS)
    }


def rows(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """The table by model and scorer; the second interval is under "difference"."""
    names = [*HEADER[:-1], "difference"]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {(row[0], row[1]): dict(zip(names, row, strict=True)) for row in cells[2:]}


def pooled_rho(found: dict[Any, RunResult], model: str, seed: int, name: str) -> float:
    parts = [torch.tensor(found[model, seed, fold].columns[name], dtype=torch.float64) for fold in range(FOLDS)]
    if name == "reference":
        parts = [rank_normalised(part, torch.zeros(CLIPS)) for part in parts]
    return scipy_rho(torch.cat(parts), SCORE.flatten())


def test_rho_is_the_mean_over_seeds_of_the_pooled_rho() -> None:
    found = results()
    table = rows(report(found, list(found)))
    raw = pooled_rho(found, "mlp", 0, RAW_RIDGE)
    assert table[RAW_RIDGE, ""]["rho"] == f"{raw:.3f}"
    for model, title in (("gcn_psn", "GCN-PSN, 2 channels"), ("mlp", "MLP baseline")):
        for name in ("reference", "vote", "ridge"):
            rhos = torch.tensor([pooled_rho(found, model, seed, name) for seed in range(3)], dtype=torch.float64)
            by_fold = [scipy_rho(found[key].columns[name], SCORE[key[2]]) for key in found if key[0] == model]
            row = table[title, name]
            assert row["rho"] == f"{rhos.mean():.3f}"
            assert row["sd over seeds"] == f"{rhos.std():.3f}"
            assert row["mean rho per fold"] == f"{sum(by_fold) / len(by_fold):.3f}"
            assert row["minus raw ridge"] == f"{rhos.mean() - raw:+.3f}"
            assert row["collapsed runs"] == "0 of 15"
            low, high = json.loads(row["95 % interval"])
            assert low <= rhos.mean() <= high
            least, most = json.loads(row["difference"])
            assert least <= rhos.mean() - raw <= most
    assert table["class mean", ""]["rho"] == "-"
    assert ("GCN, 64 channels", "ridge") not in table


def test_collapsed_runs_are_counted_and_stay_beside_the_table_without_them() -> None:
    found = results(gcn_psn={1})
    table = rows(report(found, list(found)))
    alive = [pooled_rho(found, "gcn_psn", seed, "reference") for seed in (0, 2)]
    row = table["GCN-PSN, 2 channels", "reference"]
    assert (row["seeds"], row["collapsed runs"]) == ("3", "5 of 15")
    assert row["rho"] == f"{sum(alive) / 3:.3f}"  # undefined counts as 0
    row = table["GCN-PSN, 2 channels, without the seeds with a collapsed run", "reference"]
    assert (row["seeds"], row["collapsed runs"], row["rho"]) == ("2", "0 of 10", f"{sum(alive) / 2:.3f}")
    assert ("MLP baseline, without the seeds with a collapsed run", "reference") not in table


def test_models_that_always_collapse_are_said_to() -> None:
    found = results(gcn_psn={0, 1, 2})
    text = report(found, list(found))
    assert rows(text)["GCN-PSN, 2 channels", "reference"]["rho"] == "0.000"
    assert "GCN-PSN, 2 channels: every seed has a collapsed run." in text


def test_a_collapse_after_the_best_epoch_is_told(tmp_path: Path) -> None:
    found = results(models=("mlp",), seeds=1)
    key = ("mlp", 0, 3)
    (tmp_path / "metrics.csv").write_text("step,val/collapsed\n1,0.0\n2,\n3,1.0\n4,\n")
    found[key] = RunResult(tmp_path, found[key].metrics, found[key].columns, "mlp")
    assert "MLP baseline: 1 further run was alive at its best epoch and collapsed later" in report(found, list(found))


def test_seeds_that_are_not_complete_are_left_out_and_said() -> None:
    found = results()
    planned = list(found)
    for seed in range(3):
        del found["mlp", seed, 4]
    del found["gcn_psn", 2, 0]
    text = report(found, planned, ["mlp, seed 0, fold 4: broken"])
    assert rows(text)["GCN-PSN, 2 channels", "ridge"]["seeds"] == "2"
    assert ("MLP baseline", "ridge") not in rows(text)
    assert "Incomplete: 26 of 30 runs are finished, 10 of them are in the table." in text
    assert "Failed: mlp, seed 0, fold 4: broken" in text
    with pytest.raises(InputError, match="no seed of any model"):
        report({key: value for key, value in found.items() if key[2] < 2}, planned)


# Training --------------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that run.py would have got; "fit" leaves a checkpoint, and is refused one with the content "bad"."""
    got: list[list[str]] = []

    def pretend(words: Sequence[str]) -> int:
        got.append(list(words))
        options = dict(word.split("=", 1) for word in words if word.count("=") == 1)
        checkpoint = options.get("--ckpt_path")
        if words[0] == "fit" and checkpoint and Path(checkpoint).read_text() == "bad":
            return 2
        if "boom" in words:
            raise RuntimeError("went off")
        return 0

    monkeypatch.setattr(run, "main", pretend)
    return got


def test_a_trial_is_trained_then_tested(commands: list[list[str]], tmp_path: Path) -> None:
    assert train_and_test(Trial("gcn_64", 3, 2), tmp_path, ["--more"]) is None
    fit, test = commands
    folder = tmp_path / "gcn_64" / "seed_3_fold_2"
    assert (fit[0], test[0]) == ("fit", "test")
    for word in (
        "--config=speed21.yaml", "--model.encoder.channels=64", "--seed_everything=3", "--data.fold=2", "--more",
        f"--trainer.logger.folder={folder}",
    ):  # fmt: skip
        assert word in fit
        assert word in test
    assert not [word for word in fit if word.startswith("--ckpt_path")]
    assert test[-1] == f"--ckpt_path={folder / 'checkpoints' / 'best.ckpt'}"


@pytest.mark.parametrize("content", ["good", "bad"])
def test_an_unfinished_trial_goes_on_or_starts_anew(commands: list[list[str]], tmp_path: Path, content: str) -> None:
    trial = Trial("mlp", 0, 0)
    last = tmp_path / trial.path / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_text(content)
    assert train_and_test(trial, tmp_path, []) is None
    assert commands[0][-1] == f"--ckpt_path={last}"
    assert [words[0] for words in commands] == (["fit", "test"] if content == "good" else ["fit", "fit", "test"])
    assert last.exists() == (content == "good")


def test_a_failure_is_recorded(commands: list[list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trial = Trial("mlp", 0, 0)
    with capfd.disabled():  # pytest's own streams are not those of the process
        assert train_and_test(trial, tmp_path, ["boom"]) == "fit: RuntimeError: went off"
    assert (tmp_path / trial.path / "error.txt").read_text() == "fit: RuntimeError: went off\n"
    assert "Traceback" in (tmp_path / "logs" / "mlp_seed_0_fold_0.txt").read_text()
    assert [words[0] for words in commands] == ["fit"]
    assert train_and_test(trial, tmp_path, []) is None
    assert not (tmp_path / trial.path / "error.txt").exists()


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    words = [f"--root={tmp_path / 'nowhere'}", f"--cache={tmp_path / 'cache'}", f"--output={output}"]

    def said() -> str:
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        return error

    assert main(words) == 2
    assert "metadata.txt: no such file" in said()
    assert main([*words, "--trainer.max_epochs=3"]) == 2
    assert "--trainer.max_epochs=3" in said()
    with (output / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(words) == 2
        assert "another process is at work" in said()
    assert main([*words, "--table-only"]) == 2
    assert "no seed of any model" in said()
    assert main(["--table-only", f"--output={tmp_path / 'none'}"]) == 2
    assert "no seed of any model" in said()


def children(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [int(own) for own, parent, state in rows if int(parent) == pid and not state.startswith("Z")]


def test_killed_and_started_again(tmp_path: Path) -> None:
    make(tmp_path)
    output = tmp_path / "out"
    command = [
        sys.executable, "-m", "experiments.speed21_table", f"--root={tmp_path / 'speed21'}",
        f"--cache={tmp_path / 'cache'}", f"--output={output}", "--seeds=1", "--models", "mlp",
        "--trainer.max_epochs=1", "--data.pairs.pairs_per_epoch=128",
    ]  # fmt: skip
    finished = output / "mlp" / "seed_0_fold_0" / "test" / "metrics.json"
    process = subprocess.Popen([*command, "--workers=1"], cwd=REPO, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + WAIT
        while not finished.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers = children(process.pid)
        assert workers
    finally:
        process.kill()
        process.wait()
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "workers outlive the killed main process"
        time.sleep(0.05)

    before = finished.stat().st_mtime_ns
    again = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=WAIT)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("5 trials, ")
    assert not again.stdout.startswith("5 trials, 0 ")
    assert finished.stat().st_mtime_ns == before
    text = (output / "table.md").read_text()
    assert again.stdout.endswith(text)
    assert set(rows(text)) >= {("MLP baseline", "reference"), ("MLP baseline", "ridge"), (RAW_RIDGE, "")}
    assert rows(text)["MLP baseline", "vote"]["collapsed runs"] == "0 of 5"
    assert "30 clips of 6 groups, 5 folds" in text


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    make(tmp_path)
    command = [
        sys.executable, "-m", "experiments.speed21_table", f"--root={tmp_path / 'speed21'}",
        f"--cache={tmp_path / 'cache'}", f"--output={tmp_path / 'out'}", "--seeds=1", "--models", "mlp", "--workers=1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    deadline = time.monotonic() + WAIT
    last = tmp_path / "out" / "mlp" / "seed_0_fold_0" / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "workers outlive the interrupted main process"
        time.sleep(0.05)
