"""A run's console holds what concerns the run; real processes, for pytest keeps warnings of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO

NOISE = r"\b[Ww]arn|Warning|deprecat|Tip|litlogger|not installed|site-packages"
SHORT = ["--config=demo.yaml", "--data.clips=48", "--trainer.max_epochs=1", "--trainer.limit_train_batches=2"]
COMMANDS = [["fit", *SHORT], ["test", *SHORT], ["export", "runs/demo/version_0/checkpoints/best.ckpt"]]


def test_the_console_is_quiet(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    for words in COMMANDS:
        done = subprocess.run(
            [sys.executable, str(REPO / "run.py"), *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        assert said
        assert not [line for line in said.splitlines() if re.search(NOISE, line)], words
