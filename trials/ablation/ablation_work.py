"""What a worker process of `run.py ablate` does: fit a group of trials, then evaluate them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from run_folder.layout import CONFIG, COST, EVALUATION, ROBUSTNESS
from run_folder.trial import Record, Trial, read_record
from trials.shared import is_finished

EVALUATED = (f"test/{EVALUATION}", ROBUSTNESS, COST)
"""Files of an evaluation; a trial without one of them is not finished."""


def fit_and_evaluate(campaigns: Mapping[str, str], trials: Sequence[Trial], output: Path) -> list[str | None]:
    """Fit what is not fitted yet, going on from checkpoints, and evaluate it.

    Args:
        campaigns: by the name of a trial, the title of its ablation.
        trials: they can be fitted as one group.
        output: folder of all trials.

    Returns:
        For each trial None, or a line on why it failed.
    """
    errors: dict[str, str | None] = {trial.name: None for trial in trials}
    waiting = [trial for trial in trials if not is_finished(output / trial.name, ())]
    if waiting:
        from trials.stack import fit_group

        resumed = any((output / trial.name / CONFIG).is_file() for trial in waiting)  # then time is lost
        begun = time.monotonic()
        found = fit_group(waiting, output)
        seconds = None if resumed else (time.monotonic() - begun) / len(waiting)
        for trial, error in zip(waiting, found, strict=True):
            errors[trial.name] = error
            if error is None:
                record = Record(campaigns[trial.name], "ablation", trial.labels, trial.arguments, "finished")
                replace(record, seconds=seconds, members=len(waiting)).write(output / trial.name)
    fitted = [trial.name for trial in trials if errors[trial.name] is None]
    left = [name for name in fitted if not is_finished(output / name, EVALUATED)]
    if left:
        from trials.run_evaluation import evaluate_runs

        errors |= zip(left, evaluate_runs([output / name for name in left]), strict=True)
    return [errors[trial.name] for trial in trials]


def note_failure(campaign: str, trial: Trial, output: Path, error: str) -> None:
    """Write down that a trial failed; it is tried again at the next start."""
    record = read_record(output / trial.name)
    if record is None:
        record = Record(campaign, "ablation", trial.labels, trial.arguments, "failed", error)
    replace(record, status="failed", error=error).write(output / trial.name)
