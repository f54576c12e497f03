"""Groups of trials side by side, each in a worker process of its own; a worker that dies takes no other with it."""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from errors import InputError
from run_folder.trial import Trial

Work = Callable[[Sequence[Trial], Path], list[str | None]]
"""Trains (and evaluates) a group of trials below a folder; gives None for each, or a line on why it failed.

It is pickled, so a function of a module; what it prints goes into the group's log.
"""

LOCK = "lock"
LOGS = "logs"

_STARTED_WITH = {"OMP_NUM_THREADS": "1"}
"""Environment of a worker: the networks are too small to share a step, and threads that wait cost the other workers."""


@dataclass(frozen=True)
class Outcome:
    """How a group ended.

    Attributes:
        group: its trials.
        errors: for each trial None, or a line on why it failed.
        seconds: wall time of the whole group.
    """

    group: tuple[Trial, ...]
    errors: list[str | None]
    seconds: float


class Runner:
    """Holds the output folder against other processes, and works on groups of trials, `parallel` at a time.

    ```python
    with Runner(output, work, parallel=2) as runner:
        for group in groups:
            runner.submit(group)
        for outcome in runner.results():
            ...  # may submit more
    ```

    Leaving it, by an error or Ctrl-C too, ends the workers in the middle of what they do; killed itself, it takes them
    along. A worker that is killed, for want of memory for instance, fails its own group; the next gets a new worker.

    Args:
        output: folder of all trials; made if need be.
        work: what to do with a group.
        parallel: worker processes, one thread each.
    """

    def __init__(self, output: Path, work: Work, parallel: int) -> None:
        self._output = output
        self._work = pickle.dumps(work)
        self._parallel = parallel
        self._waiting: deque[tuple[Trial, ...]] = deque()
        self._workers: list[_Worker] = []  # all, so that none is forgotten when an interrupt comes between two lines
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._lock = FileLock(output / LOCK)

    def __enter__(self) -> Self:
        """Take the output folder.

        Raises:
            InputError: another process is at work there.
        """
        self._output.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self._output}: another process is at work there; wait for it, or choose another folder"
            ) from None
        resource_tracker.ensure_running()  # when it starts it unblocks SIGINT, see `_Worker.launch`
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers, then let the folder go."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.bury()
        self._workers, self._busy, self._idle = [], [], []
        self._lock.release()

    def submit(self, group: Sequence[Trial]) -> None:
        """Put a group in line; it starts, at the earliest, when `results` goes on."""
        self._waiting.append(tuple(group))

    def results(self, meanwhile: Callable[[], None] | None = None, every: float = 2.0) -> Iterator[Outcome]:
        """Every group's outcome as it ends, until none is in line or at work.

        Args:
            meanwhile: called every so many seconds while workers work.
            every: the seconds.
        """
        while self._waiting or self._busy:
            while self._waiting and len(self._busy) < self._parallel:
                worker = self._rested() or self._new()
                worker.start(self._waiting.popleft())
                self._busy.append(worker)
            signs = [sign for worker in self._busy for sign in worker.signs]
            while not (ready := wait(signs, None if meanwhile is None else every)):
                if meanwhile is not None:
                    meanwhile()
            ended = next(worker for worker in self._busy if any(sign in ready for sign in worker.signs))
            self._busy.remove(ended)
            outcome = ended.outcome()
            self._idle.append(ended)
            yield outcome

    def _rested(self) -> "_Worker | None":
        """A worker without work, if there is one that still lives."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.bury()
            self._workers.remove(worker)
        return None

    def _new(self) -> "_Worker":
        worker = _Worker(self._work, self._output)
        self._workers.append(worker)
        worker.launch()
        return worker


class _Worker:
    """A process that works on one group after the other; the runner's side of it."""

    def __init__(self, work: bytes, output: Path) -> None:
        self._output = output
        self._group: tuple[Trial, ...] = ()
        self._begun = 0.0
        self._connection, self._theirs = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_serve, args=(self._theirs, work, output), daemon=False)

    def launch(self) -> None:
        """Start the process."""
        # Ctrl-C reaches every process of the terminal: the worker has it blocked from the start, see `_serve`
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        before = {name: os.environ.get(name) for name in _STARTED_WITH}
        os.environ.update(_STARTED_WITH)
        try:
            self._process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._theirs.close()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.is_alive()

    @property
    def signs(self) -> tuple[Any, Any]:
        """What `wait` tells of: an answer, or the process's end."""
        return self._connection, self._process.sentinel

    def start(self, group: tuple[Trial, ...]) -> None:
        """Give it a group."""
        self._group = group
        self._begun = time.monotonic()
        with suppress(OSError):  # if it has just died, `outcome` will say so
            self._connection.send(group)

    def outcome(self) -> Outcome:
        """The answer, or how it died instead of answering."""
        count = len(self._group)
        try:
            # an answer counts even if the process was killed after it
            answer = self._connection.recv() if self._connection.poll() else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            self._process.join(10)  # it may be about to end by itself
            self.kill()
            self._process.join()
            answer = [f"{_how_it_ended(self._process.exitcode)}; see {log_path(self._output, self._group)}"] * count
        elif len(answer) != count:
            answer = [f"{len(answer)} answers for {count} trials"] * count
        return Outcome(self._group, answer, time.monotonic() - self._begun)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.pid is not None:  # else it was never launched
            self._process.kill()

    def bury(self) -> None:
        """Wait until it has ended, and let go of what it held here; it must have ended or been killed."""
        self._connection.close()
        if self._process.pid is not None:
            self._process.join()


def _how_it_ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, perhaps for want of memory"
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended by itself, with exit code {code}"


# The worker's side ----------------------------------------------------------------------------------------------------


def _serve(connection: Connection, pickled: bytes, output: Path) -> None:
    """Work on groups until the runner lets go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    while True:
        try:
            group: tuple[Trial, ...] = connection.recv()
        except EOFError:
            return
        with _screen_to(log_path(output, group)):
            try:
                work: Work = pickle.loads(pickled)  # its imports may fail, and what they print belongs into the log
                answer = work(group, output)
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                why = " ".join(f"{type(error).__name__}: {error}".split())
                answer = [f"{why}; see {log_path(output, group)}"] * len(group)
        connection.send(answer)


def _die_with_parent() -> None:
    """A worker left alone by a kill would write into folders that the next start works in."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def log_path(output: Path, group: Sequence[Trial]) -> Path:
    """Where what a group prints is kept: `logs/<first trial>.txt`, saying how many more where it is a stack."""
    more = f"_and_{len(group) - 1}_more" if len(group) > 1 else ""
    return output / LOGS / f"{group[0].name.replace('/', '_')}{more}.txt"


@contextmanager
def _screen_to(path: Path) -> Iterator[None]:
    """Standard output and error of this process go to a file: of libraries too, which hold on to the old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(1), os.dup(2)
    with path.open("ab") as file:
        try:
            for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
                stream.flush()
                os.dup2(file.fileno(), number)
            yield
        finally:
            for stream, number, old in ((sys.stdout, 1, kept[0]), (sys.stderr, 2, kept[1])):
                stream.flush()
                os.dup2(old, number)
                os.close(old)


# What a person is told ------------------------------------------------------------------------------------------------


class Progress:
    """Lines on how far it is: which trial ended and how, the time so far, and what is left at this pace.

    Args:
        total: trials to come.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._begun = time.monotonic()

    def lines(self, outcome: Outcome) -> Iterator[str]:
        """A line for each trial of the group."""
        self._done += len(outcome.group)
        passed = time.monotonic() - self._begun
        left = passed / self._done * max(self._total - self._done, 0)
        for offset, (trial, why) in enumerate(zip(outcome.group, outcome.errors, strict=True), 1):
            number = self._done - len(outcome.group) + offset
            end = f"FAILED, {why}" if why else "finished"
            yield f"{number}/{self._total} {trial.name}: {end}; {_duration(passed)} so far, {_duration(left)} to go"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
