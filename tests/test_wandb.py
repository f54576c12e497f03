"""W&B works by adding its logger, offline, without an account."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.datasets import FAST, options


def test_a_run_is_logged_offline_beside_the_run_folder(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    logger = "--trainer.logger+=lightning.pytorch.loggers.WandbLogger"
    done = subprocess.run(
        [sys.executable, "run.py", "fit", *words, logger, f"--trainer.logger.save_dir={tmp_path}"],
        cwd=REPO,
        env={**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = log.read_bytes()
    for word in (b"train/loss", b"val/spearman", b"GCNEncoder"):
        assert word in content
    assert (tmp_path / "runs" / "demo" / "version_0" / "config.yaml").exists()
