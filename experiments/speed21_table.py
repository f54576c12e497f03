"""SPEED21: GCN-PSN as in the paper, a wider GCN and the MLP baseline, over seeds and folds, in one Markdown table.

`python -m experiments.speed21_table --root data/speed21` trains and tests every model, seed and fold, several at once.
Killed and started again it skips what is finished and goes on with what is not.
"""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

import torch

import run
from datamodules.speed21 import FOLD_COUNT, Speed21
from errors import InputError
from experiments.speed21_report import report
from lightning_modules.run_folder import write_atomically
from reports.results import read_result

MODELS = {
    "gcn_psn": (),
    "gcn_64": ("--model.encoder.channels=64",),
    "mlp": ("--config=mlp.yaml",),
}
"""Options of run.py that make a model of configs/speed21.yaml, by the name of its folder."""


@dataclass(frozen=True)
class Trial:
    """One model to train and test."""

    model: str
    seed: int
    fold: int

    def __str__(self) -> str:
        return f"{self.model}, seed {self.seed}, fold {self.fold}"

    @property
    def key(self) -> tuple[str, int, int]:
        """Model, seed and fold."""
        return self.model, self.seed, self.fold

    @property
    def path(self) -> Path:
        """Its run folder in the output folder."""
        return Path(self.model) / f"seed_{self.seed}_fold_{self.fold}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code: 0, 1 if a trial failed, 2 if something given is wrong."""
    options, more = _parse(arguments)
    output: Path = options.output
    trials = [
        Trial(model, seed, fold)
        for seed in range(options.seeds)
        for fold in range(FOLD_COUNT)
        for model in options.models
    ]
    try:
        failed = {} if options.table_only else _train(trials, options, more)
        results = {trial.key: read_result(output / trial.path) for trial in trials if _finished(output, trial)}
        table = report(results, [trial.key for trial in trials], [f"{trial}: {why}" for trial, why in failed.items()])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; start again to go on", file=sys.stderr)
        return 130
    write_atomically(output / "table.md", table)
    print(table, end="")
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.speed21_table",
        description=__doc__,
        epilog="Other options go to run.py, such as --trainer.max_epochs=10; an output folder keeps to its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, default=Path("data/speed21"), help="SPEED21 (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/speed21"), help="its keypoints (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/speed21_table"), help="all runs (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each (%(default)s)")
    parser.add_argument("--folds", choices=("climber", "event"), default="climber", help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="how many (%(default)s)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="(all)")
    parser.add_argument("--table-only", action="store_true", help="print the table of the runs that are finished")
    options, more = parser.parse_known_args(arguments)
    if options.seeds < 1 or options.workers < 1:
        parser.error("--seeds and --workers must be at least 1")
    return options, more


def _finished(output: Path, trial: Trial) -> bool:
    return (output / trial.path / "test" / "metrics.json").is_file()


# Training: worker processes, each calling run.py's commands one after the other -----------------------------------


def _train(trials: Sequence[Trial], options: argparse.Namespace, more: Sequence[str]) -> dict[Trial, str]:
    """Train and test what is not finished; gives the trials that failed and why."""
    output: Path = options.output
    fixed = [f"--data.folds={options.folds}", *more]
    with _only_process(output):
        _keep_to_options(output / "options.txt", fixed)
        Speed21(str(options.root), cache=str(options.cache)).prepare_data()
        fixed += [f"--data.root={options.root}", f"--data.cache={options.cache}"]
        waiting = [trial for trial in trials if not _finished(output, trial)]
        print(f"{len(trials)} trials, {len(trials) - len(waiting)} of them finished before", flush=True)
        failed: dict[Trial, str] = {}
        start = time.monotonic()
        executor = ProcessPoolExecutor(options.workers, get_context("spawn"), _start_worker)
        try:
            futures = {executor.submit(train_and_test, trial, output, fixed): trial for trial in waiting}
            for done, future in enumerate(as_completed(futures), start=1):
                trial = futures[future]
                try:
                    why = future.result()
                except BrokenProcessPool:
                    why = "its process, or another one, was killed; start again to go on"
                if why:
                    failed[trial] = why
                passed = time.monotonic() - start
                left = passed / done * (len(waiting) - done)
                print(
                    f"{done}/{len(waiting)} {trial}: {'FAILED: ' + why if why else 'finished'}; "
                    f"{passed / 60:.1f} min so far, {left / 60:.0f} to go",
                    flush=True,
                )
        finally:
            # here after an interrupt too, when workers are in the middle of trials
            executor.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.kill()
    return failed


@contextmanager
def _only_process(output: Path) -> Iterator[None]:
    """Refuse to work in a folder that another process works in."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{output}: another process is at work there; wait for it, or choose another") from None
        yield


def _keep_to_options(path: Path, options: Sequence[str]) -> None:
    """Refuse to mix trials with different options in one folder."""
    text = "\n".join(options) + "\n"
    if not path.exists():
        write_atomically(path, text)
    elif (before := path.read_text(encoding="utf-8")) != text:
        raise InputError(
            f"{path.parent}: its runs have the options {' '.join(before.split())}, not {' '.join(options)}; give the "
            "same, or another --output"
        )


def _start_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker left alone by a kill would write into folders that the next start works in."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def train_and_test(trial: Trial, output: Path, options: Sequence[str]) -> str | None:
    """Train and test one model, from its last checkpoint if there is one.

    Args:
        trial: which.
        output: folder of all runs; what would be on screen goes to `<output>/logs`.
        options: of run.py, beside those of the trial.

    Returns:
        None, or in a line why it failed; that line is in `<folder>/error.txt` as well.
    """
    folder = output / trial.path
    last = folder / "checkpoints" / "last.ckpt"
    arguments = [
        "--config=speed21.yaml",
        *MODELS[trial.model],
        f"--seed_everything={trial.seed}",
        f"--data.fold={trial.fold}",
        f"--trainer.logger.folder={folder}",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        *options,
    ]
    with _screen_to(output / "logs" / f"{str(trial.path).replace(os.sep, '_')}.txt"):
        if not last.is_file() or _command("fit", *arguments, f"--ckpt_path={last}"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            why = _command("fit", *arguments)
        else:
            why = None
        why = why or _command("test", *arguments, f"--ckpt_path={folder / 'checkpoints' / 'best.ckpt'}")
    if why:
        write_atomically(folder / "error.txt", why + "\n")
    else:
        (folder / "error.txt").unlink(missing_ok=True)
    return why


def _command(*arguments: str) -> str | None:
    """Run a command of run.py in this process; gives a line about what went wrong, if anything did."""
    try:
        code = run.main(arguments)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return f"{arguments[0]}: {type(error).__name__}: {' '.join(str(error).split())}"
    return f"{arguments[0]} ended with exit code {code}; see its log" if code else None


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


if __name__ == "__main__":
    sys.exit(main())
