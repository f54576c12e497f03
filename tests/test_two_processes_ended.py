"""Runs of two processes end alike, by early stopping or by death, and go on from their checkpoint as one would."""

import re
import time
from pathlib import Path

import pytest
import torch

from tests.test_resume import assert_same, rows
from tests.two_processes import TORCHRUN, TWO, callback, largest_difference, launch, seen

# In float64, where the order of additions moves nothing that counts; stops by itself after the epoch of step 70.
OPTIONS = [
    "--trainer.precision=64-true", "--data.clips=111", "--seed_everything=1", "--trainer.max_epochs=50",
    callback("lightning.pytorch.callbacks.EarlyStopping", monitor="val/spearman", mode="max", patience=4),
]  # fmt: skip
SECONDS = 60
"""How long a run may take to notice that a process of it has died, at most."""


def options(folder: Path, run: Path, *more: str) -> list[str]:
    where = [f"--data.root={folder / 'data'}", f"--trainer.logger.folder={run}"]
    return [*OPTIONS, *where, callback("tests.recorder.Recorder", folder=str(run / "seen")), *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `one` and `two`, uninterrupted runs of so many processes with the same global batch of 64."""
    folder = tmp_path_factory.mktemp("ended")
    for name, more in {"one": ["--data.batch_size=64"], "two": ["--data.batch_size=32", *TWO]}.items():
        done = launch("fit", *options(folder, folder / name, *more))
        assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_two_processes_agree_with_one_on_weights_metrics_and_when_to_stop(runs: Path) -> None:
    (one,), two = seen(runs / "one" / "seen", 1), seen(runs / "two" / "seen", 2)
    weights = max(largest_difference(one["weights"], process["weights"]) for process in two)
    print(f"after 50 steps, float64: weights differ by {weights:.1e} at most")
    assert weights < 1e-8
    assert {value.dtype for value in one["weights"].values()} == {torch.float64}

    assert len(one["tracks"]) == 17  # of 15 clips; does not divide by two
    assert sorted(two[0]["tracks"] + two[1]["tracks"]) == sorted(one["tracks"])
    metrics = 0.0
    for process in two:
        for mine, theirs in zip(one["metrics"], process["metrics"], strict=True):
            assert mine.keys() == theirs.keys()
            assert {"val/spearman", "val/spearman_best", "val/spread"} <= mine.keys()
            metrics = max(metrics, *(abs(mine[name] - theirs[name]) for name in mine))
    print(f"{len(one['tracks'])} tracks, {len(one['metrics'])} validations: metrics differ by {metrics:.1e} at most")
    assert metrics < 1e-6

    for process in two:
        assert process["stopped"]
        assert process["step"] == one["step"] == 70
        assert process["best"] == pytest.approx(one["best"], abs=1e-6)
        assert process["best_path"] == "best.ckpt"
    best = [torch.load(runs / name / "checkpoints" / "best.ckpt", weights_only=True) for name in ("one", "two")]
    assert best[0]["epoch"] == best[1]["epoch"] == 2
    losses = [[float(row["train/loss"]) for row in rows(runs / name) if row["train/loss"]] for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], abs=1e-8)  # of the whole batch, not of the main process's share


def assert_same_run(whole: Path, run: Path) -> None:
    """A run that was interrupted and resumed is, to the last bit, the one that was not."""
    assert rows(run) == rows(whole)
    for name in ("last.ckpt", "best.ckpt"):
        a, b = (torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (whole, run))
        for key in ("state_dict", "optimizer_states", "global_step", "epoch"):
            assert_same(a[key], b[key], f"{name}: {key}")
    for a, b in zip(seen(whole / "seen", 2), seen(run / "seen", 2, "resumed"), strict=True):
        assert_same(
            {key: a[key] for key in ("step", "stopped", "best")}, {key: b[key] for key in ("step", "stopped", "best")}
        )


@pytest.mark.parametrize(
    ("under", "rank", "step", "how"),
    [
        ([], 1, 25, "was killed by SIGKILL"),  # Lightning starts process 1; process 0 is its parent
        (TORCHRUN, 0, 45, "has ended"),
    ],
)
def test_a_process_that_dies_ends_the_run_with_one_line_and_the_run_goes_on(
    under: list[str], rank: int, step: int, how: str, runs: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    last = run / "checkpoints" / "last.ckpt"
    words = options(runs, run, "--data.batch_size=32", *TWO)
    kill = callback("tests.kill_at.KillAt", hook="on_train_batch_start", step=step, rank=rank)
    done = launch("fit", *words, kill, under=under)
    took = time.time() - (run / "metrics.csv").stat().st_mtime  # written in every step
    assert done.returncode != 0
    assert took < SECONDS
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr[-3000:]
    assert re.search(rf"process {rank} of 2 \(PID \d+\) {how}", lines[0])
    assert lines[0].endswith(f"the same command and --ckpt_path {last}")
    assert "[rank" not in done.stderr.replace("[rank: ", "")  # how torch marks the lines of a traceback
    assert ("Traceback" in done.stderr) == bool(under)  # torchrun's own

    again = launch("fit", *words, f"--ckpt_path={last}", under=under)
    assert again.returncode == 0, again.stderr[-2000:]
    assert_same_run(runs / "two", run)
