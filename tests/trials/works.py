"""What the tests have worker processes do, and a runner to kill: `python -m tests.trials.works OUTPUT SECONDS`."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from run_folder.trial import Trial
from trials.runner import Runner


def trial(name: str, *words: str) -> Trial:
    return Trial(name, words)


def obey(trials: Sequence[Trial], output: Path) -> list[str | None]:
    """Note the process, then do what the first trial's words say."""
    (output / f"{trials[0].name}.pid").write_text(str(os.getpid()))
    word, *more = trials[0].arguments or ("nothing",)
    if word == "sleep":
        time.sleep(float(more[0]))
    if word == "read":
        Path(more[0]).read_bytes()  # returns when whoever writes there closes it
    if word == "print":
        print(more[0])
        print(more[0], file=sys.stderr)
        os.system(f"echo {more[0]}")
    if word == "raise":
        raise RuntimeError(more[0])
    if word == "exit":
        sys.exit(int(more[0]))
    if word == "leave":
        os._exit(int(more[0]))
    if word == "kill":
        os.kill(os.getpid(), int(more[0]))
    if word == "too few":
        return []
    if word == "environment":
        import torch

        return [f"{os.environ['OMP_NUM_THREADS']} {torch.get_num_threads()}"]
    return [f"{one.name} failed" if "fail" in one.arguments else None for one in trials]


if __name__ == "__main__":
    with Runner(Path(sys.argv[1]), obey, 2) as runner:
        for name in "abc":
            runner.submit([trial(name, "sleep", sys.argv[2])])
        for outcome in runner.results():
            print(outcome.group[0].name, flush=True)
