"""What is said and done when a process of a run ends; real processes, a made-up trainer. Whole runs: see
tests/test_two_processes_ended.py.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.callbacks import peer_watch
from lightning_modules.callbacks.peer_watch import Peer, PeerWatch
from run_folder.folder import RunFolder
from tests.conftest import REPO

MODULE: Any = None  # the watch asks nothing of it
GLOO = (
    "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:29060: Connection reset by peer"
)


def trainer_beside(*pids: int, machine: str | None = None, folder: str = "run") -> Any:
    """Process 0 of a run, the others being these processes."""

    def broadcast(mine: Any, src: int = 0) -> Any:
        return mine if src == 0 else Peer(pids[src - 1], machine or mine.machine)

    strategy = SimpleNamespace(broadcast=broadcast, barrier=lambda name: None)
    loggers = [RunFolder(folder=folder)]
    return SimpleNamespace(world_size=len(pids) + 1, global_rank=0, strategy=strategy, loggers=loggers)


@pytest.fixture
def peers() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [subprocess.Popen(["sleep", "100"]) for _ in range(3)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def wait_until_told(watch: PeerWatch) -> None:
    watch._found.wait(60)
    assert watch.told


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "peer-watch"]


@pytest.mark.parametrize("saved", [True, False])
def test_who_died_how_and_how_to_go_on(
    saved: bool, peers: list[subprocess.Popen[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    if saved:
        last.touch()
    watch, trainer = PeerWatch(), trainer_beside(*(peer.pid for peer in peers), folder=str(tmp_path))
    watch.setup(trainer, MODULE, "fit")
    peers[1].kill()
    wait_until_told(watch)
    watch.teardown(trainer, MODULE, "fit")
    advice = "go on from the last checkpoint: the same command and --ckpt_path " + str(last)
    assert capsys.readouterr().err == (
        f"error: process 2 of 4 (PID {peers[1].pid}) was killed by SIGKILL, so all processes of the run end; "
        f"{advice if saved else 'no checkpoint had been written yet: run the same command again'}\n"
    )


def test_an_exit_code_is_told_and_a_test_is_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(["bash", "-c", "read line; exit 7"], stdin=subprocess.PIPE) as peer:
        watch, trainer = PeerWatch(), trainer_beside(peer.pid)
        watch.setup(trainer, MODULE, "test")
        peer.communicate(b"\n")
        wait_until_told(watch)
        watch.teardown(trainer, MODULE, "test")
    error = capsys.readouterr().err
    assert error.startswith(f"error: process 1 of 2 (PID {peer.pid}) has ended")  # with 7, if nobody asked first
    assert error.endswith("; run the same command again\n")


@pytest.mark.parametrize(
    "error", [RuntimeError(GLOO), torch.distributed.DistBackendError("NCCL: remote process exited")]
)
def test_a_connection_that_breaks_to_another_machine_is_told(
    error: RuntimeError, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_watch, "NEWS", 0.01)
    watch, trainer = PeerWatch(), trainer_beside(os.getppid(), machine="another")
    watch.setup(trainer, MODULE, "test")
    watch.on_exception(trainer, MODULE, error)
    assert watch.told
    assert capsys.readouterr().err.startswith("error: another process cannot be reached any more, so all processes")


def test_a_failure_of_its_own_and_a_regular_end_leave_the_word_to_others(
    peers: list[subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    before, watches = threads(), [PeerWatch(), PeerWatch()]
    for watch in watches:
        watch.setup(trainer_beside(peers[0].pid), MODULE, "test")
    watches[0].on_exception(trainer_beside(peers[0].pid), MODULE, RuntimeError("shapes do not fit"))
    watches[1].teardown(trainer_beside(peers[0].pid), MODULE, "test")
    peers[0].kill()
    peers[0].wait()
    for thread in set(threads()) - set(before):
        thread.join(60)
        assert not thread.is_alive()
    assert not any(watch.told for watch in watches)
    assert capsys.readouterr().err == ""


def test_a_process_that_hangs_is_ended(peers: list[subprocess.Popen[bytes]]) -> None:
    hanging = f"""
import time
from lightning_modules.callbacks import peer_watch
from tests.lightning_modules.callbacks.test_peer_watch import trainer_beside
peer_watch.GRACE = 0.1
peer_watch.PeerWatch().setup(trainer_beside({peers[0].pid}), None, "test")
print("set up", flush=True)
time.sleep(100)  # as in a collective operation of NCCL, which waits for the dead
"""
    command = [sys.executable, "-c", hanging]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "set up\n"
        peers[0].send_signal(signal.SIGTERM)
        peers[0].wait()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.splitlines()[-1].startswith(f"error: process 1 of 2 (PID {peers[0].pid}) has ended")
