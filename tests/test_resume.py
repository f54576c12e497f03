"""A run killed at any moment and continued is the run that was never killed."""

import csv
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.forks import python

# 10 steps an epoch; a checkpoint in the middle of an epoch after steps 4, 8, 12, 16, ...
OPTIONS = shlex.split("""
    --config demo.yaml --data.clips 48 --data.pairs.pairs_per_epoch 160 --data.batch_size 16
    --trainer.max_epochs 4 --trainer.log_every_n_steps 1 --trainer.enable_progress_bar false
    --trainer.enable_model_summary false --model.lr 0.01
""")
KILLS = [
    ("on_train_batch_start", 2),  # before the first checkpoint
    ("on_train_batch_end", 6),  # two steps after the checkpoint of step 4
    ("on_train_batch_end", 10),  # the last step of an epoch is done, its validation is not
    ("on_validation_batch_end", 10),  # in the middle of a validation
    ("on_validation_end", 20),  # validated, metrics logged, the checkpoint of the epoch not yet written
    ("on_train_epoch_start", 20),  # right after an epoch
    ("on_train_batch_start", 28),  # right after a checkpoint in the middle of an epoch
    ("on_validation_end", 40),  # at the very end
]


CALLBACKS = [
    "{'class_path': 'lightning_modules.callbacks.run_monitor.RunMonitor', 'init_args': {'every_n_steps': 4}}",
    "{'class_path': 'run_folder.folder.BestCheckpoint'}",
]


def fit(folder: Path, data: Path, *more: str) -> int:
    return python(
        "run.py", "fit", *OPTIONS, f"--data.root={data}", f"--trainer.logger.save_dir={folder}",
        f"--trainer.callbacks={CALLBACKS[0]}", f"--trainer.callbacks+={CALLBACKS[1]}", *more,
    ).returncode  # fmt: skip


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal to the last bit, whatever they hold."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}.{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b) or (a.isnan() & b.isnan()).all(), where
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("whole")
    assert fit(folder / "runs", folder / "data") == 0
    return folder / "runs" / "demo" / "version_0", folder / "data"


def test_killed_and_resumed_equals_never_killed(uninterrupted: tuple[Path, Path], tmp_path: Path) -> None:
    whole, data = uninterrupted
    run = tmp_path / "runs" / "demo" / "version_0"
    last = run / "checkpoints" / "last.ckpt"
    for hook, step in KILLS:
        kill = f"{{'class_path': 'tests.kill_at.KillAt', 'init_args': {{'hook': '{hook}', 'step': {step}}}}}"
        more = [f"--trainer.callbacks+={kill}"]
        if last.exists():
            more.append(f"--ckpt_path={last}")
        else:
            more.append("--trainer.logger.version=0")
        assert fit(tmp_path / "runs", data, *more) == -9, f"not killed in {hook} at step {step}"
        assert not [path for path in run.rglob("*") if path.name.endswith(".tmp")]
    assert fit(tmp_path / "runs", data, f"--ckpt_path={last}") == 0

    assert rows(run) == rows(whole)
    assert [row["step"] for row in rows(run) if row["train/loss"]] == [str(step) for step in range(40)]
    for name in ("last.ckpt", "best.ckpt"):
        a, b = (torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (whole, run))
        for key in ("state_dict", "optimizer_states", "global_step", "epoch"):
            assert_same(a[key], b[key], f"{name}: {key}")
        assert_same(a["loops"]["fit_loop"]["state_dict"], b["loops"]["fit_loop"]["state_dict"], f"{name}: pair stream")


def test_resuming_with_other_settings_is_refused(
    uninterrupted: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    import run

    whole, data = uninterrupted
    last = whole / "checkpoints" / "last.ckpt"
    for option in ("--model.lr=0.5", "--data.pairs.score_gap=2", "--seed_everything=3"):
        assert run.main(["fit", *OPTIONS, f"--data.root={data}", f"--ckpt_path={last}", option]) == 2
        assert "a resumed run goes on with its own settings" in capsys.readouterr().err
