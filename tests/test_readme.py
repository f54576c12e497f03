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
PICTURES = [
    line for line in LINES if re.search(r" (score|extract|features|check data/mine) |made_up_videos", f"{line} ")
]
TRAINING = [line for line in LINES if line not in MAKE and line not in PICTURES]


def test_the_two_commands_come_first_and_exist() -> None:
    assert LINES[:2] == ["make demo", "make test"]
    for line in LINES[:2]:
        done = subprocess.run(["make", "--dry-run", line.split()[1]], cwd=REPO, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "make test" in (REPO / ".ci" / "run").read_text()


def run_all(lines: list[str], folder: Path) -> None:
    """Run commands of the README in a folder, as they stand there, but for the length of training."""
    for line in lines:
        words = shlex.split(line)
        environment = {**os.environ, "PYTHONPATH": str(REPO), "WANDB_MODE": "offline"}
        while "=" in words[0]:
            name, value = words.pop(0).split("=")
            environment[name] = value
        words[:1] = {"python": [], "torchrun": ["-m", "torch.distributed.run"]}[words[0]]
        words = [str(REPO / "run.py") if word == "run.py" else word for word in words]
        fast = FAST if {"fit", "sweep", "ablate"} & set(words) else []
        done = subprocess.run(
            [sys.executable, *words, *fast],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"


def test_every_command_about_training_runs(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    make_speed21(tmp_path / "data")  # data/speed21
    made = make_keypoint_folder(tmp_path / "made")
    made.rename(tmp_path / "data" / "mine")
    (tmp_path / "made" / "cache").rename(tmp_path / "data" / "mine" / "keypoints")
    assert len(TRAINING) > 10
    run_all(TRAINING, tmp_path)


def test_every_command_about_pictures_runs(tmp_path: Path) -> None:
    assert len(PICTURES) > 6
    run_all(PICTURES, tmp_path)
    assert (tmp_path / "comparison.png").exists()
    assert len(list((tmp_path / "data" / "mine" / "two").glob("*.parquet"))) == 6


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/keypoint-cache.md", "docs/clip-features.md", "models/README.md"]
)
def test_links_lead_somewhere(name: str) -> None:
    text = (REPO / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (REPO / name).parent.joinpath(target).exists(), target
