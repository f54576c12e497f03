"""Worker processes: real ones, killed in every way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread

import pytest

from errors import InputError
from run_folder.trial import Trial
from tests.conftest import REPO
from tests.trials.works import obey, trial
from trials.runner import Outcome, Progress, Runner, log_path

WAIT = 900  # seconds; for machines that do much else


def run(output: Path, *groups: list[Trial], parallel: int = 2) -> dict[str, Outcome]:
    with Runner(output, obey, parallel) as runner:
        for group in groups:
            runner.submit(group)
        return {outcome.group[0].name: outcome for outcome in runner.results()}


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell that runs the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def pid(output: Path, name: str) -> int:
    """The process that works, or worked, on a trial."""
    path = output / f"{name}.pid"
    until(lambda: path.exists() and path.read_text() != "", f"{name} does not start")
    return int(path.read_text())


def lives(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def dead(child: int) -> bool:
    """Whether a process that nobody has waited for is over, all its threads included."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_each_group_has_its_answers_whatever_happened_to_the_others(tmp_path: Path) -> None:
    ways = {
        "raise": ("raise", "no\nluck"),
        "exit": ("exit", "3"),
        "killed": ("kill", str(int(signal.SIGKILL))),
        "left": ("leave", "7"),
        "short": ("too few",),
    }
    groups = [[trial(name, *words)] for name, words in ways.items()]
    stack = [trial("s0"), trial("s1", "fail"), trial("s2")]
    found = run(tmp_path, *groups, stack, [trial("last")])
    why = {name: outcome.errors for name, outcome in found.items()}
    assert why.keys() == {*ways, "s0", "last"}
    assert why["last"] == [None]
    assert why["s0"] == [None, "s1 failed", None]
    expected = {
        "raise": "RuntimeError: no luck; see ",
        "exit": "SystemExit: 3; see ",
        "killed": "its process was killed, perhaps for want of memory; see ",
        "left": "its process ended by itself, with exit code 7; see ",
        "short": "0 answers for 1 trials",
    }
    for name, words in expected.items():
        (line,) = why[name]
        assert line is not None
        assert line.startswith(words)
        assert line.removeprefix(words) in ("", str(log_path(tmp_path, [trial(name)])))
    assert "RuntimeError: no\nluck" in log_path(tmp_path, [trial("raise")]).read_text()


def test_a_worker_killed_from_outside_fails_its_group_alone(tmp_path: Path) -> None:
    for name in "ab":
        os.mkfifo(tmp_path / name)

    def kill() -> None:
        with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):  # both workers are at work, and read there
            os.kill(pid(tmp_path, "a"), signal.SIGKILL)

    with Runner(tmp_path, obey, 2) as runner:
        for name in "ab":
            runner.submit([trial(name, "read", str(tmp_path / name))])
        runner.submit([trial("c")])
        # the generator starts workers when it is asked for the first outcome: kill from the side
        killer = Thread(target=kill)
        killer.start()
        found = {outcome.group[0].name: outcome.errors for outcome in runner.results()}
        killer.join()
    assert found.keys() == set("abc")
    assert "killed" in str(found["a"])
    assert found["b"] == found["c"] == [None]


def test_a_worker_killed_while_it_has_nothing_to_do_fails_no_group(tmp_path: Path) -> None:
    with Runner(tmp_path, obey, 1) as runner:
        runner.submit([trial("a")])
        for outcome in runner.results():
            assert outcome.errors == [None]
            if outcome.group[0].name == "a":
                os.kill(pid(tmp_path, "a"), signal.SIGKILL)
                until(lambda: dead(pid(tmp_path, "a")), "the worker lives on")
                runner.submit([trial("b")])
    assert pid(tmp_path, "b") != pid(tmp_path, "a")


def test_workers_are_used_again_with_one_thread_each_and_leave_no_process(tmp_path: Path) -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    found = run(tmp_path, [trial("a", "environment")], [trial("b")], parallel=1)
    assert found["a"].errors == ["1 1"]
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert pid(tmp_path, "a") == pid(tmp_path, "b") != os.getpid()
    assert not lives(pid(tmp_path, "a"))


def test_groups_handed_in_along_the_way_are_worked_on(tmp_path: Path) -> None:
    seen = []
    with Runner(tmp_path, obey, 1) as runner:
        runner.submit([trial("0")])
        for outcome in runner.results():
            seen.append(outcome.group[0].name)
            assert outcome.seconds >= 0
            if len(seen) < 4:
                runner.submit([trial(str(len(seen)))])
    assert seen == ["0", "1", "2", "3"]


def test_what_is_printed_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    run(tmp_path, [trial("x/y", "print", "hello"), trial("x/z")])
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "logs" / "x_y_and_1_more.txt").read_text().split() == ["hello"] * 3


Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a parent with two workers that sleep; it ends with the test, whatever happens."""
    parents: list[subprocess.Popen[str]] = []

    def one() -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.trials.works", str(tmp_path), "3600"]
        parents.append(
            subprocess.Popen(
                command, cwd=REPO, stderr=subprocess.PIPE, preexec_fn=heed_interrupts, start_new_session=True, text=True
            )
        )
        return parents[-1]

    yield one
    for parent in parents:
        parent.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent_and_a_second_parent_waits_for_that(
    tmp_path: Path, how: signal.Signals, start: Start
) -> None:
    parent = start()
    workers = [pid(tmp_path, name) for name in "ab"]
    assert all(lives(worker) for worker in workers)
    with pytest.raises(InputError, match="another process is at work there"), Runner(tmp_path, obey, 1):
        pass
    parent.send_signal(how)
    _, said = parent.communicate(timeout=WAIT)
    assert parent.returncode == -how
    assert ("KeyboardInterrupt" in said) == (how == signal.SIGINT)
    until(lambda: not any(lives(worker) for worker in workers), "a worker lives on")
    assert not (tmp_path / "c.pid").exists()
    assert run(tmp_path, [trial("d")])["d"].errors == [None]


def test_ctrl_c_of_a_terminal_does_not_reach_a_worker_that_is_starting(start: Start) -> None:
    """A terminal interrupts all its processes: the workers must not print a traceback each, whenever it comes."""
    for moment in range(2):
        parent = start()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        until(lambda: len(children.read_text().split()) == 3, "no workers")  # noqa: B023  # with the resource tracker
        time.sleep(0.2 * moment)
        os.killpg(parent.pid, signal.SIGINT)
        _, said = parent.communicate(timeout=WAIT)
        assert said.count("Traceback") == 1, said


def test_an_interrupt_right_after_a_worker_has_started_ends_that_worker_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = SpawnProcess.start

    def interrupted(process: SpawnProcess) -> None:
        started(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [trial("a")])
    assert active_children() == []  # else Python would wait for it at its end, and it for work


def test_progress_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(5)
    now[0] += 60
    stack = (trial("a"), trial("b"))
    assert list(progress.lines(Outcome(stack, [None, "too bad"], 60.0))) == [
        "1/5 a: finished; 60 s so far, 2 min to go",
        "2/5 b: FAILED, too bad; 60 s so far, 2 min to go",
    ]
    now[0] += 6540
    assert list(progress.lines(Outcome((trial("c"),), [None], 1.0))) == ["3/5 c: finished; 1.8 h so far, 73 min to go"]
