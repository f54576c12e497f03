"""Hostile and broken files, full and read-only disks, interruptions: one clear line, nothing half-written or run."""

import errno
import os
import pickle
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import run
from run_folder.checkpoint_io import load_checkpoint
from tests.data.finediving.make import make as make_finediving
from tests.data.keypoint_folder.make import make as make_keypoint_folder
from tests.data.speed21.make import make as make_speed21
from tests.forks import python
from tests.refusal import FAST, assert_one_line, assert_refused
from tests.two_processes import callback

Capture = pytest.CaptureFixture[str]


def words(folder: Path, *more: str, command: str = "fit", runs: str = "runs") -> list[str]:
    """The command line for the keypoint folder made there."""
    return [
        command, "--config", "keypoint_folder.yaml", f"--data.labels_csv={folder / 'keypoint_folder' / 'labels.csv'}",
        f"--data.cache={folder / 'cache'}", f"--trainer.logger.save_dir={folder / runs}", *FAST, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and one trained run."""
    folder = tmp_path_factory.mktemp("trained")
    make_keypoint_folder(folder)
    assert run.main(words(folder)) == 0
    return folder


def best(folder: Path) -> Path:
    return folder / "runs" / "keypoint_folder" / "version_0" / "checkpoints" / "best.ckpt"


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


# Checkpoints ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["fit", "test"])
def test_hostile_and_broken_checkpoints(command: str, trained: Path, tmp_path: Path, capsys: Capture) -> None:
    marker, path = tmp_path / "it ran", tmp_path / "other.ckpt"
    whole = torch.load(best(trained), weights_only=True)
    arguments = words(trained, f"--ckpt_path={path}", command=command)
    torch.save({**whole, "extra": Hostile(marker)}, path)
    assert_refused(capsys, trained, arguments, str(path), "refused")
    path.write_bytes(pickle.dumps(Hostile(marker)))
    assert_refused(capsys, trained, arguments, str(path), "refused")
    path.write_bytes(best(trained).read_bytes()[:5000])
    assert_refused(capsys, trained, arguments, str(path), "broken")
    path.write_text("weights: 1\n")
    assert_refused(capsys, trained, arguments, str(path))
    for changes, essential in (
        ({"state_dict": {"encoder": 3}}, "state_dict"),
        ({"config": "[1"}, "its config"),
        ({"config": 1}, "its config"),
    ):
        torch.save(whole | changes, path)
        assert_refused(capsys, trained, arguments, str(path), essential)
    for lacking in ("state_dict", "pytorch-lightning_version", *(("optimizer_states",) if command == "fit" else ())):
        torch.save({name: value for name, value in whole.items() if name != lacking}, path)
        assert_refused(capsys, trained, arguments, str(path), lacking)
    assert not marker.exists()


@pytest.mark.parametrize("command", ["fit", "test"])
def test_missing_checkpoints(command: str, trained: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = words(trained, command=command)
    assert_refused(capsys, trained, [*arguments, f"--ckpt_path={tmp_path / 'a.ckpt'}"], "a.ckpt", "no such checkpoint")
    assert_refused(capsys, trained, [*arguments, f"--ckpt_path={tmp_path}"], str(tmp_path), "cannot be read")


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_checkpoint_of_another_model(command: str, trained: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = words(trained, f"--ckpt_path={best(trained)}", command=command)
    arguments[1:1] = ["--config", "keypoint_folder.yaml", "--config", "mlp.yaml"]
    mlp = [word for i, word in enumerate(arguments) if i not in (5, 6)]
    assert_refused(capsys, trained, mlp, "encoder", "GCNEncoder", "MLPEncoder")
    # one that does not say what it was trained with
    path = tmp_path / "loose.ckpt"
    loose = torch.load(best(trained), weights_only=True)
    del loose["config"]
    loose["state_dict"] = {name.replace("convolutions", "layers"): value for name, value in loose["state_dict"].items()}
    torch.save(loose, path)
    assert_refused(capsys, trained, words(trained, f"--ckpt_path={path}", command=command), "another model", "config")


@pytest.mark.parametrize("part", ["loops", "progress", "optimizer", "moments", "groups"])
def test_resuming_what_is_there_only_in_part(part: str, trained: Path, tmp_path: Path, capsys: Capture) -> None:
    saved = torch.load(best(trained), weights_only=True)
    optimizer = saved["optimizer_states"][0]
    {
        "loops": lambda: saved["loops"].clear(),
        "progress": lambda: saved["loops"]["fit_loop"]["epoch_progress"].pop("current"),
        "optimizer": lambda: optimizer.clear(),
        "moments": lambda: next(iter(optimizer["state"].values())).pop("exp_avg"),
        "groups": lambda: optimizer["param_groups"].clear(),
    }[part]()
    torch.save(saved, tmp_path / "part.ckpt")
    arguments = words(trained, f"--ckpt_path={tmp_path / 'part.ckpt'}", "--trainer.max_epochs=2")
    assert_refused(capsys, trained, arguments, "part.ckpt", "incomplete")


def test_resuming_with_another_lr(trained: Path, capsys: Capture) -> None:
    arguments = words(trained, f"--ckpt_path={best(trained)}", "--model.lr=0.5")
    assert_refused(capsys, trained, arguments, "model.lr = 0.0001", "given 0.5", "config.yaml")


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_nothing_trained_yet(command: str, trained: Path, capsys: Capture) -> None:
    arguments = words(trained, command=command, runs="elsewhere")
    assert_refused(capsys, trained, arguments, "no model trained", "elsewhere", "python run.py fit")


# Annotations ----------------------------------------------------------------------------------------------------------


def test_a_hostile_pickle(tmp_path: Path, capsys: Capture) -> None:
    root, marker = make_finediving(tmp_path), tmp_path / "it ran"
    arguments = [
        "fit", "--config", "finediving.yaml", f"--data.root={root}", f"--data.cache={tmp_path / 'cache'}",
        f"--trainer.logger.save_dir={tmp_path / 'runs'}", *FAST,
    ]  # fmt: skip
    for name in ("train_split.pkl", "fine-grained_annotation_aqa.pkl"):
        whole = (root / name).read_bytes()
        (root / name).write_bytes(pickle.dumps([Hostile(marker)]))
        assert_refused(capsys, tmp_path, arguments, name, "refused", "mkdir", "nothing of it was run")
        (root / name).write_bytes(whole[:100])
        assert_refused(capsys, tmp_path, arguments, name, "not a readable pickle")
        (root / name).write_bytes(whole)
    assert not marker.exists()


def test_a_broken_skeleton_file_leaves_whole_clips(tmp_path: Path, capsys: Capture) -> None:
    root, cache = make_speed21(tmp_path), tmp_path / "cache"
    path = sorted((root / "skeletons").iterdir())[20]
    path.write_text(path.read_text() + "one more line\n")
    arguments = ["fit", "--config", "speed21.yaml", f"--data.root={root}", f"--data.cache={cache}", *FAST]
    assert run.main([*arguments, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]) == 2
    assert_one_line(capsys.readouterr().err, path.name, "line ", "cannot be read")
    assert {clip.suffix for clip in cache.iterdir()} == {".parquet"}
    assert run.main(["check", str(cache)]) == 0
    assert not (tmp_path / "runs").exists()


# Disks ----------------------------------------------------------------------------------------------------------------


def on_a_disk(arguments: Sequence[str], before: str, after: str = "") -> subprocess.CompletedProcess[str]:
    """`python run.py arguments` with mounts of its own, between two shell commands."""
    return python("-m", "tests.own_mounts", before, after, *arguments)


def need_mounts() -> None:
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(trial, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs `unshare --mount` and the right to mount")


def test_a_disk_that_fills_up_during_training(trained: Path, tmp_path: Path) -> None:
    need_mounts()
    disk = tmp_path / "disk"
    disk.mkdir()
    done = on_a_disk(
        [*words(trained), f"--trainer.logger.save_dir={disk}"],
        before=f"mount -t tmpfs -o size=32k tmpfs {disk}",
        after=f"find {disk} -type f -printf '%f '",
    )
    assert done.returncode == 2, done.stderr
    assert_one_line(done.stderr, os.strerror(errno.ENOSPC), ".ckpt")
    left = done.stdout.splitlines()[-1].split()
    assert "config.yaml" in left
    assert not [name for name in left if name.endswith((".tmp", ".ckpt")) or name.startswith(".")]


def test_a_disk_that_fills_up_while_data_are_made(tmp_path: Path) -> None:
    need_mounts()
    disk = tmp_path / "disk"
    disk.mkdir()
    done = on_a_disk(
        [
            "fit",
            "--config=demo.yaml",
            f"--data.root={disk}/demo",
            f"--trainer.logger.save_dir={tmp_path / 'runs'}",
            *FAST,
        ],
        before=f"mount -t tmpfs -o size=200k tmpfs {disk}",
        after=f"find {disk} -type f -printf '%f '",
    )
    assert done.returncode == 2, done.stderr
    assert_one_line(done.stderr, os.strerror(errno.ENOSPC), str(disk))
    left = done.stdout.splitlines()[-1].split()
    assert left
    assert not [name for name in left if name.endswith(".tmp") or name.startswith(".")]
    assert not (tmp_path / "runs").exists()


def test_a_read_only_disk(trained: Path, tmp_path: Path) -> None:
    need_mounts()
    done = on_a_disk(
        words(trained, runs="new"), before=f"mount --bind {trained} {trained} && mount -o remount,bind,ro {trained}"
    )
    assert done.returncode == 2, done.stderr
    assert_one_line(done.stderr, str(trained / "new"), os.strerror(errno.EROFS))


def test_a_file_where_a_folder_should_be(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("not a folder")
    arguments = words(trained, f"--trainer.logger.save_dir={tmp_path / 'file'}")
    assert_refused(capsys, tmp_path, arguments, str(tmp_path / "file"), "another folder")
    root = make_speed21(tmp_path)
    arguments = ["fit", "--config", "speed21.yaml", f"--data.root={root}", f"--data.cache={tmp_path / 'file'}", *FAST]
    assert_refused(capsys, tmp_path, arguments, str(tmp_path / "file"), "cannot be written")


# Processes ------------------------------------------------------------------------------------------------------------


def test_a_mistyped_key_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = python("run.py", "fit", "--config", "demo.yaml", f"--data.root={tmp_path / 'demo'}", "--model.margn", "0.7")
    assert done.returncode == 2
    assert done.stderr == "error: command line: no such key 'model.margn'; did you mean 'model.margin'?\n"
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_an_interrupted_fit_can_be_resumed(number: signal.Signals, code: int, trained: Path, tmp_path: Path) -> None:
    last = tmp_path / "keypoint_folder" / "version_0" / "checkpoints" / "last.ckpt"
    interrupt = callback("tests.kill_at.KillAt", hook="on_train_batch_end", step=5, number=int(number))
    arguments = words(trained, f"--trainer.logger.save_dir={tmp_path}", "--trainer.max_epochs=100000")
    done = python("run.py", *arguments, interrupt)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert load_checkpoint(last)["global_step"] >= 4
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
