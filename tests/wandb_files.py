"""Reads the files of W&B runs without a server back: LevelDB log frames of `wandb_internal_pb2.Record`."""

import json
import math
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # chosen by protobuf's version

_BLOCK, _HEADER = 32 * 1024, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """What a process left of a run.

    Attributes:
        folder: `<run>/wandb/offline-run-...`.
        rows: of the history, without W&B's own keys (times and steps).
        steps: W&B's own step of each row.
        exit_code: None if the process was killed.
    """

    folder: Path
    id: str = ""
    name: str = ""
    group: str = ""
    project: str = ""
    entity: str = ""
    tags: list[str] = field(default_factory=list)
    commit: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    exit_code: int | None = None

    def metrics(self) -> list[dict[str, float | None]]:
        """Rows of numbers, None for NaN."""
        rows = [row for row in self.rows if not any(isinstance(value, dict) for value in row.values())]
        return [{key: None if math.isnan(value) else value for key, value in row.items()} for row in rows]

    def media(self) -> dict[str, Any]:
        """Tables, pictures and charts that were logged."""
        return {key: value for row in self.rows for key, value in row.items() if isinstance(value, dict)}

    def table(self, key: str) -> list[dict[str, Any]]:
        """Rows of a table that was logged."""
        content = json.loads((self.folder / "files" / self.media()[key]["path"]).read_text())
        return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def read_runs(folder: Path, killed: int = 0) -> list[OfflineRun]:
    """What is in `<folder>/wandb`, in the order in which the processes began.

    W&B's own process writes the files, on a busy machine some time after the run has ended: a file without an end is
    given ten seconds to get one, but for those of so many killed runs, which get none.
    """
    deadline = time.monotonic() + 10
    while True:
        found = [_read(path) for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]
        if sum(run.exit_code is None for run in found) <= killed or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _read(path: Path) -> OfflineRun:
    run = OfflineRun(path.parent)
    for record in _records(path.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            facts = record.run
            run.id, run.name, run.group = facts.run_id, facts.display_name, facts.run_group
            run.project, run.entity, run.tags = facts.project, facts.entity, list(facts.tags)
            run.commit = facts.git.commit or run.commit
            _update(run.config, facts.config.update)
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.steps.append(row.get("_step", record.history.step.num))
            run.rows.append({key: value for key, value in row.items() if not key.startswith("_")})
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _update(into: dict[str, Any], items: Any) -> None:
    for item in items:
        *parents, last = item.nested_key or [item.key]
        place = into
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = json.loads(item.value_json)


def _records(content: bytes) -> Iterator[Record]:
    """The records of a file; a killed process leaves off in the middle."""
    assert content[:4] == b":W&B"
    place, parts = 7, []
    while place + _HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            place += left
            continue
        checksum, length, kind = struct.unpack("<IHB", content[place : place + _HEADER])
        if kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
            return
        data = content[place + _HEADER : place + _HEADER + length]
        if len(data) < length:
            return
        assert checksum == zlib.crc32(bytes([kind]) + data)
        place += _HEADER + length
        parts.append(data)
        if kind in (_WHOLE, _LAST):
            record = Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record
