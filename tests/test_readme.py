"""Every command of the README runs, as it stands there, in an empty folder with data where the README says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.data.keypoint_folder.make import make as make_keypoint_folder
from tests.data.speed21.make import make as make_speed21

FAST = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=3", "--trainer.enable_model_summary=false"]
LINES = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", (REPO / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
MAKE = {"make demo", "make test"}


def test_the_two_commands_come_first_and_exist() -> None:
    assert LINES[:2] == ["make demo", "make test"]
    for line in LINES[:2]:
        done = subprocess.run(["make", "--dry-run", line.split()[1]], cwd=REPO, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "make test" in (REPO / ".ci" / "run").read_text()


def test_every_command_runs(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    make_speed21(tmp_path / "data")  # data/speed21
    made = make_keypoint_folder(tmp_path / "made")
    made.rename(tmp_path / "data" / "mine")
    (tmp_path / "made" / "cache").rename(tmp_path / "data" / "mine" / "keypoints")
    commands = [line for line in LINES if line not in MAKE]
    assert len(commands) > 10
    for line in commands:
        words = shlex.split(line)
        environment = dict(os.environ)
        while "=" in words[0]:
            name, value = words.pop(0).split("=")
            environment[name] = value
        assert words[:2] == ["python", "run.py"], line
        fast = FAST if words[2] == "fit" else []
        done = subprocess.run(
            [sys.executable, str(REPO / "run.py"), *words[2:], *fast],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/keypoint-cache.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (REPO / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (REPO / name).parent.joinpath(target).exists(), target
