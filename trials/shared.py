"""Trials that are the same model: one is trained, the folders of the others show what it found."""

import os
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from run_folder.layout import BEST, RECORD
from run_folder.trial import Trial, read_record


@dataclass(frozen=True)
class Row:
    """A trial as one ablation shows it.

    Attributes:
        campaign: title of the ablation.
        trial: the trial.
    """

    campaign: str
    trial: Trial


@dataclass
class Job:
    """A model to train, and every row that shows it.

    Attributes:
        row: whose folder it is trained in.
        same: the other rows.
    """

    row: Row
    same: list[Row] = field(default_factory=list)


def jobs_of(rows: Iterable[tuple[Row, Hashable]], output: Path) -> list[Job]:
    """One job a model, in the order of the rows.

    Args:
        rows: with what makes a model the same one.
        output: folder of all trials; a row that has a run of its own there already trains.
    """
    jobs: dict[Hashable, Job] = {}
    for row, key in rows:
        if key not in jobs:
            jobs[key] = Job(row)
        elif not _trained_here(output / jobs[key].row.trial.name) and _trained_here(output / row.trial.name):
            jobs[key].same.append(jobs[key].row)
            jobs[key].row = row
        else:
            jobs[key].same.append(row)
    return list(jobs.values())


def _trained_here(folder: Path) -> bool:
    checkpoints = (folder / BEST).parent
    return checkpoints.is_dir() and not checkpoints.is_symlink()


def is_finished(folder: Path, evaluated: Iterable[str]) -> bool:
    """Whether a trial has been trained, and the files that its evaluation leaves are there."""
    record = read_record(folder)
    return record is not None and record.status == "finished" and all((folder / name).is_file() for name in evaluated)


def show(job: Job, output: Path) -> None:
    """Give the folders of a job's other rows the record of its trial, under their own labels, and links to its files.

    A row with a run of its own keeps it.
    """
    source = output / job.row.trial.name
    record = read_record(source)
    if record is None:
        return
    for row in job.same:
        folder = output / row.trial.name
        if _trained_here(folder):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        drop_links(folder)
        for entry in sorted(source.iterdir()):
            if entry.name != RECORD:
                (folder / entry.name).symlink_to(os.path.relpath(entry, folder))
        replace(record, campaign=row.campaign, labels=row.trial.labels, arguments=row.trial.arguments).write(folder)


def drop_links(folder: Path) -> None:
    """Take out links to another run's files, and the record that goes with them: what follows is a run of its own."""
    links = [entry for entry in folder.iterdir() if entry.is_symlink()] if folder.is_dir() else []
    for link in links:
        link.unlink()
    if links:
        (folder / RECORD).unlink(missing_ok=True)
