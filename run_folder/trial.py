"""One run of a sweep or an ablation: what to train, and what its folder says of how it went."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from errors import InputError, quoted
from files import write_atomically
from run_folder.layout import RECORD, reading

Status = Literal["finished", "failed", "stopped"]
Label = str | int | float | bool | None


@dataclass(frozen=True)
class Trial:
    """One model to train.

    Attributes:
        name: its folder, relative to the folder of all trials, such as "gcn_64/seed_0_fold_1"; it stays inside.
        arguments: options of `run.py fit`, configs first, without the folder of the run.
        labels: what it stands for, by which reports group and sort, such as
            {"variant": "GCN, 64 channels", "seed": 0, "data.fold": 1}.

    Raises:
        InputError: the name leads out of the folder of all trials.
    """

    name: str
    arguments: tuple[str, ...]
    labels: Mapping[str, Label] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise InputError(f"trial {quoted(self.name)}: its name must be a folder below that of all trials")


@dataclass(frozen=True)
class Record:
    """What is known of a trial that has ended.

    Attributes:
        campaign: title of the sweep or ablation.
        kind: "sweep" or "ablation".
        labels: those of the trial.
        arguments: those of the trial.
        status: "finished"; "failed", then `error` says why; or "stopped", ended early on purpose.
        error: a line, only of a failed trial.
        seconds: wall time of its training; of a stack, the stack's time divided by its members.
        members: how many models were trained as one stack with it, itself included; 1 if it was trained alone.
    """

    campaign: str
    kind: Literal["sweep", "ablation"]
    labels: Mapping[str, Label]
    arguments: tuple[str, ...]
    status: Status
    error: str | None = None
    seconds: float | None = None
    members: int = 1

    def write(self, folder: Path) -> None:
        """Write it into the trial's folder, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / RECORD, json.dumps(asdict(self), indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """The record in a trial's folder; None if there is none (not ended, or no trial at all).

    Raises:
        InputError: it cannot be read, or says what no record says.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    with reading(path, "remove it to train that trial again"):
        found: dict[str, Any] = json.loads(path.read_bytes())
        record = Record(**{**found, "arguments": tuple(found["arguments"])})
        if record.status not in get_args(Status) or record.kind not in ("sweep", "ablation"):
            raise ValueError(f"unknown status {quoted(record.status)} or kind {quoted(record.kind)}")
    return record
