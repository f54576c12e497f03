"""Trials that are one model are trained once; and what the runs of a folder were trained with is kept to."""

import json
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from errors import InputError, quoted, shortened
from files import write_atomically
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


FILE = "ablation.json"


@dataclass(frozen=True)
class Options:
    """What a variant is trained with.

    Attributes:
        variant: its name.
        values: every option by dotted key, defaults included.
    """

    variant: str
    values: Mapping[str, Any]


def keep_to_options(folder: Path, title: str, variants: Mapping[str, Options]) -> None:
    """Note what an ablation's variants are trained with; refuse what differs from the runs that are there.

    An option that the program has learnt since then, or forgotten, is no difference.

    Args:
        folder: of the ablation.
        title: of the ablation.
        variants: by the name of their folder.

    Raises:
        InputError: the folder is another ablation's, or a variant with runs was trained otherwise.
    """
    path = folder / FILE
    known: dict[str, Any] = {}
    if path.is_file():
        try:
            content = json.loads(path.read_bytes())
            before, known = content["title"], dict(content["variants"])
            values = {  # earlier versions wrote keys with init_args
                name: {key.replace("init_args.", ""): value for key, value in dict(found["options"]).items()}
                for name, found in known.items()
            }
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: cannot be read ({error}); give another --output") from error
        if before != title:
            raise InputError(f"{folder}: holds the ablation {quoted(before)}, not {title!r}; give another --output")
        for name, options in variants.items():
            if name in values and (folder / name).is_dir():
                _compare(folder / name, values[name], options)
    known |= {name: {"variant": options.variant, "options": options.values} for name, options in variants.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"title": title, "variants": known}, indent=1) + "\n")


def _compare(folder: Path, before: Mapping[str, Any], now: Options) -> None:
    differing = [key for key in before if key in now.values and before[key] != now.values[key]]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise InputError(
            f"{folder}: its runs have {key} = {_said(before[key])}, now it is "
            f"{_said(now.values[key])}{more}; give the same options for {quoted(now.variant)}, another name or another "
            "--output"
        )


def _said(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value))
