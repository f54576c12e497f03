"""Processes of the program that begin with everything imported: forked off one that has imported it and done no more.

What a test kills, or looks at from outside (streams, exit code, environment, folder), has to be a process; that each of
them imports torch and Lightning, for seconds, has not. `python` and `start` are `python FILE ...` and `python -m ...`
all the same: `__main__`, `sys.argv`, what runs at the end of a process, and a parent that is no pytest. They compute in
one thread, as `OMP_NUM_THREADS` is heeded when torch is imported.
"""

import array
import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from commands import COMMANDS

REPO = Path(__file__).resolve().parents[1]
IMPORTED = ("torch_geometric.nn", "sklearn.cluster", "scipy.stats", "pyarrow.parquet", "matplotlib.figure")
"""What a fit and a test import beside the modules of the commands; not wandb, whose folder in /tmp forks share."""


class Child:
    """A process, as `subprocess.Popen` has it; what it says is kept in files, so no pipe of it can fill up.

    Args:
        words: a file, or `-m` and a module, and what follows it.
        cwd: its folder.
        env: its whole environment.
    """

    def __init__(self, words: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> None:
        self.args = [str(word) for word in words]
        self.returncode: int | None = None
        self._files: tuple[IO[str], ...] = tuple(
            tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # read at its end, gone with this object
            for _ in range(2)
        )
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"words": self.args, "cwd": str(cwd), "env": dict(env)}).encode()
        descriptors = [theirs.fileno(), *(file.fileno() for file in self._files)]
        _server().sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
        theirs.close()
        self.pid = int(self._line.recv(100))

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, minus the number of the signal that ended it; `TimeoutExpired` when it lives for longer."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._line.recv(100))
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0) from None
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code if it has ended."""
        try:
            return self.wait(1e-6)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send one, if it still lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; all that it has said on standard output and error."""
        self.wait(timeout)
        for file in self._files:
            file.seek(0)
        out, err = (file.read() for file in self._files)
        return out, err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.send_signal(signal.SIGKILL)
        self.wait()


def start(*words: str | Path, cwd: Path = REPO, env: Mapping[str, str] | None = None) -> Child:
    """`python words` in a process of its own; a file is looked for in the repository.

    Args:
        words: `run.py fit ...`, or `-m`, a module and its words.
        cwd: its folder.
        env: its whole environment, in place of that of this process.
    """
    return Child(words, cwd, os.environ if env is None else env)


def python(
    *words: str | Path, cwd: Path = REPO, env: Mapping[str, str] | None = None, timeout: float = 600
) -> "subprocess.CompletedProcess[str]":
    """`start`, and wait for the end; what runs for longer than `timeout` seconds is killed."""
    child = start(*words, cwd=cwd, env=env)
    try:
        out, err = child.communicate(timeout)
    except BaseException:
        child.send_signal(signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(child.args, child.wait(), out, err)


@cache
def _server() -> socket.socket:
    """The line to the process that forks; it ends when this end of the line is closed, with this process."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
        cwd=REPO, env={**os.environ, "OMP_NUM_THREADS": "1"}, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
    )  # fmt: skip
    theirs.close()

    def end() -> None:
        mine.close()
        server.wait()

    atexit.register(end)
    return mine


# In the process that forks --------------------------------------------------------------------------------------------


def serve(line: socket.socket) -> list[str] | None:
    """Fork a child for every request; the words of one in the child, None when nobody asks any more."""
    while True:
        content, ancillary, _, _ = line.recvmsg(1 << 20, socket.CMSG_SPACE(3 * 4))
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # their time counts as ours
        if not content:
            return None
        request = json.loads(content)
        descriptors = array.array("i", ancillary[0][2]).tolist()
        if os.fork() == 0:
            line.close()
            return _born(request, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _born(request: dict[str, Any], told: int, out: int, err: int) -> list[str]:
    """A keeper that tells number and end of the process that it forks; in that process, set up, its words."""
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.write(told, str(child).encode())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(OSError):
            os.write(told, str(status).encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in (told, out, err):
        os.close(descriptor)
    # a shell that runs the tests in the background has its children ignore SIGINT
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    words: list[str] = request["words"]
    return words


def main() -> None:
    """`python -m tests.forks DESCRIPTOR`: import, serve, and in each child run what was asked for."""
    for name in (*IMPORTED, *(command.module for command in COMMANDS.values())):
        with suppress(ImportError):  # not every environment has what every command needs
            importlib.import_module(name)
    gc.freeze()  # or the first collection of each child would copy all there is
    words = serve(socket.socket(fileno=int(sys.argv[1])))
    if words is None:
        return
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(str(REPO / words[0]), run_name="__main__")


if __name__ == "__main__":
    main()
