"""Several processes train one model: when one dies the others end too, and one line says what to do."""

import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from torch.distributed import DistError

from run_folder.folder import folder_of
from run_folder.layout import LAST

NEWS = 5.0
"""Seconds between a broken connection and the end of the process on its other side."""
GRACE = 20.0
"""Seconds that a process has to end by itself once another one is gone."""


@dataclass(frozen=True)
class Peer:
    """A process of the run.

    Attributes:
        pid: its number.
        machine: where that number means this process.
    """

    pid: int
    machine: str


class PeerWatch(Callback):
    """Ends this process when another one of the run has died; one of those that are left says so, in one line.

    Without it the survivors each print a traceback (gloo), wait for half an hour (NCCL, on one machine), or are killed
    by Lightning's launcher; none says how to go on. A thread waits for the processes of this machine to end, which
    costs nothing while they live; the death of another machine is known from the connection that breaks.

    Attributes:
        told: whether the end of another process has been told, here or by a process with a lower rank.
    """

    def __init__(self) -> None:
        self.told = False
        self._peers: list[Peer] = []
        self._rank = 0
        self._checkpoint: Path | None = None
        self._over = threading.Event()
        self._found = threading.Event()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn which processes there are, and watch those on this machine."""
        if trainer.world_size == 1:
            return
        self._rank = trainer.global_rank
        self._checkpoint = folder_of(trainer) / LAST if stage == "fit" else None
        mine = Peer(os.getpid(), _machine())
        self._peers = [trainer.strategy.broadcast(mine, src=rank) for rank in range(trainer.world_size)]
        self._over.clear()
        selector = selectors.DefaultSelector()
        for rank in self._near():
            if rank != self._rank and hasattr(os, "pidfd_open"):
                selector.register(os.pidfd_open(self._peers[rank].pid), selectors.EVENT_READ, rank)
        if selector.get_map():
            threading.Thread(target=self._watch, args=(selector,), name="peer-watch", daemon=True).start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """From here on every process may end when it likes."""
        if self._peers:
            self._over.set()
            trainer.strategy.barrier("peer-watch")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tell of a connection that broke; another exception is this process's own, and its message comes later."""
        if not self._peers:
            return
        if not _broken_connection(exception):
            self._over.set()
        elif not self._found.wait(NEWS):  # the connection may break a little before the process has ended
            self._tell("another process cannot be reached any more", ())

    def _watch(self, selector: selectors.BaseSelector) -> None:
        ended: list[tuple[int, int]] = []  # rank and process descriptor
        while not ended and not self._over.is_set():
            ended = sorted((key.data, key.fd) for key, _ in selector.select(timeout=0.5))
        if not self._over.is_set():
            who = [f"process {rank} of {len(self._peers)} (PID {self._peers[rank].pid})" for rank, _ in ended]
            self._tell(f"{' and '.join(who)} {_how(ended[0][1])}", [rank for rank, _ in ended])
            self._found.set()
            time.sleep(GRACE)
            if not self._over.is_set():
                os._exit(1)  # the main thread hangs in a collective operation and cannot be interrupted
        for key in selector.get_map().values():
            os.close(key.fd)
        selector.close()

    def _tell(self, what: str, dead: Collection[int]) -> None:
        """Print what happened and how to go on, on the first process of this machine that is left."""
        if self._rank == min(rank for rank in self._near() if rank not in dead):
            if self._checkpoint is None:
                advice = "run the same command again"
            elif self._checkpoint.exists():
                advice = f"go on from the last checkpoint: the same command and --ckpt_path {self._checkpoint}"
            else:
                advice = "no checkpoint had been written yet: run the same command again"
            print(f"error: {what}, so all processes of the run end; {advice}", file=sys.stderr, flush=True)
        self.told = True

    def _near(self) -> list[int]:
        """Ranks of the processes on this machine, this one's among them."""
        return [rank for rank, peer in enumerate(self._peers) if peer.machine == self._peers[self._rank].machine]


def _broken_connection(exception: BaseException) -> bool:
    """Whether a collective operation failed; gloo has no type of its own for that."""
    return isinstance(exception, DistError) or (isinstance(exception, RuntimeError) and "gloo/" in str(exception))


def _machine() -> str:
    """Names this machine since its last start and its space of process numbers (containers have their own)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115  (not a path but a name)
    except OSError:
        return f"of process {os.getpid()} alone"  # not Linux: nobody can watch


def _how(descriptor: int) -> str:
    """How a process ended; only its parent can know more than that it did."""
    try:
        result = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return "has ended"
    if result is None:
        return "has ended"
    if result.si_code == os.CLD_EXITED:
        return f"has ended with exit code {result.si_status}"
    return f"was killed by {signal.Signals(result.si_status).name}"
