"""Training ends at an epoch's end when asked to, and does not begin again when it is resumed."""

import csv
import shlex
from pathlib import Path

import run

OPTIONS = shlex.split("""
    --config demo.yaml --data.clips 48 --data.pairs.pairs_per_epoch 64 --data.batch_size 16 --trainer.max_epochs 3
    --trainer.log_every_n_steps 1 --trainer.enable_progress_bar false --trainer.enable_model_summary false
    --trainer.accelerator cpu --trainer.callbacks+=lightning_modules.callbacks.stop_on_request.StopOnRequest
""")


def fit(folder: Path, *more: str) -> list[str]:
    """Epochs that were validated, after a fit."""
    words = ["fit", *OPTIONS, f"--data.root={folder / 'demo'}", f"--trainer.logger.folder={folder / 'run'}", *more]
    assert run.main(words) == 0
    with (folder / "run" / "metrics.csv").open(newline="") as file:
        return [row["epoch"] for row in csv.DictReader(file) if row["val/spearman_best"]]


def test_a_run_ends_after_the_epoch_and_stays_ended(tmp_path: Path) -> None:
    request = tmp_path / "run" / "stop"
    request.parent.mkdir()
    request.touch()
    resume = f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    assert fit(tmp_path) == ["0"]
    assert request.read_text() == "1\n"
    before = (tmp_path / "run" / "metrics.csv").read_text()
    assert fit(tmp_path, resume) == ["0"]
    assert (tmp_path / "run" / "metrics.csv").read_text() == before
    request.unlink()
    assert fit(tmp_path, resume) == ["0", "1", "2"]


def test_a_run_that_was_killed_before_it_had_ended_ends_in_its_first_epoch(tmp_path: Path) -> None:
    resume = f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    assert fit(tmp_path, "--trainer.max_epochs=1") == ["0"]
    (tmp_path / "run" / "stop").touch()
    assert fit(tmp_path, resume) == ["0", "1"]
    assert (tmp_path / "run" / "stop").read_text() == "2\n"
