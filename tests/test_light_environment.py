"""The core neither needs nor looks for the detector, the pose estimators, torchvision or W&B."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO

ABSENT = {
    "torchvision", "ultralytics", "mmpose", "mmengine", "mmcv", "mmdet", "openvino", "wandb", "cv2", "av",
    "supervision",
}  # fmt: skip

OF_PICTURES = {
    "commands.extract", "commands.features", "cli.media_options", "commands.score", "commands.train_detector",
    "feedback.pose_picture", "drawing.contact_sheet", "drawing.overlay", "feedback.performance_picture",
    "extraction.filling",
}  # fmt: skip
"""What has to do with photographs and videos; all else must do without their packages."""
SCRIPT = """
import importlib, pkgutil, sys, traceback

class Blocked:
    asked = set()

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            # a package may ask whether another is there; the project itself has no reason to
            stack = [frame.filename for frame in traceback.extract_stack() if "importlib" not in frame.filename]
            files = [name for name in stack if not name.startswith("<") or name == "<string>"]
            if files[-2].startswith(REPO) and "site-packages" not in files[-2]:
                self.asked.add((name, files[-2]))
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import commands, datamodules, drawing, lightning_modules, run, scoring
for package in (commands, datamodules, drawing, lightning_modules, scoring):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name not in OF_PICTURES:
            importlib.import_module(module.name)
for command in ("extract", "features", "score"):
    assert run.main([command, "x"]) == 2  # one line that names requirements-pose.txt
Blocked.asked.clear()
for command in ("fit", "test"):
    assert run.main([command, *sys.argv[1:]]) == 0
assert not Blocked.asked, Blocked.asked
assert not set(sys.modules) & BLOCKED, set(sys.modules) & BLOCKED
print("trained and tested")
"""


def test_training_and_testing_without_them(tmp_path: Path) -> None:
    options = [
        "--config=demo.yaml", f"--data.root={tmp_path / 'demo'}", "--data.clips=48", "--trainer.max_epochs=1",
        "--trainer.limit_train_batches=2", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu",
        f"--trainer.logger.save_dir={tmp_path / 'runs'}",
    ]  # fmt: skip
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"BLOCKED = {ABSENT}\nOF_PICTURES = {OF_PICTURES}\nREPO = {str(REPO)!r}\n{SCRIPT}",
            *options,
        ],
        cwd=REPO,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("trained and tested")
    assert done.stderr.count("-r requirements-pose.txt") == 3


def test_the_light_requirements_do_not_name_them() -> None:
    lines = [
        line for name in ("light", "core") for line in (REPO / f"requirements-{name}.txt").read_text().splitlines()
    ]
    named = {line.split("=")[0].split(">")[0].split("[")[0] for line in lines if not line.startswith(("#", "-"))}
    assert not named & (ABSENT - {"wandb"})  # W&B is offered as a logger
