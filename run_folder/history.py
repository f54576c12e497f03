"""metrics.csv of a run: a row a call, written at once; read again row by row, or epoch by epoch."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from files import write_atomically
from run_folder.layout import METRICS, reading

STEP: Final = "step"
EPOCH: Final = "epoch"
LOSS: Final = "train/loss"
RHO: Final = "val/spearman"
"""Of the scorer that chooses the epoch; that of each scorer is in `rho_of`."""
BEST_RHO: Final = "val/spearman_best"
COLLAPSED: Final = "val/collapsed"
SPREAD: Final = "val/spread"


def rho_of(scorer: str, part: str = "val") -> str:
    """Column of a scorer's rho on a part: val in training, validate or test."""
    return f"{part}/spearman_{scorer}"


class MetricsFile:
    """Writes metrics.csv of a run's folder, and goes on with the one that is there.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / METRICS
        self._columns, _ = read_metrics(folder)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row at once; a metric that the file has no column for adds one."""
        if new := [key for key in row if key not in self._columns]:
            rows = read_metrics(self._path.parent)[1]
            self._columns += new
            self._write([*rows, row])
            return
        line = io.StringIO()
        csv.DictWriter(line, self._columns, restval="").writerow(row)
        try:
            with self._path.open("a", newline="") as file:
                file.write(line.getvalue())
        except OSError as error:
            error.filename = str(self._path)
            raise

    def rewind(self, step: int) -> None:
        """Take out the rows of steps from `step` on: a run resumed there writes them again."""
        if self._path.exists():
            self._columns, rows = read_metrics(self._path.parent)
            self._write([row for row in rows if row[STEP] and int(row[STEP]) < step])

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self._path, text.getvalue())


def read_metrics(folder: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a run's metrics.csv, without the half line that a killed process may leave at its end.

    Both are empty where there is no such file.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / METRICS
    if not path.exists():
        return [], []
    with reading(path), path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        # DictReader's value of a field that is missing is None, and its key of those that are too many
        rows = [row for row in reader if None not in row and None not in row.values()]
        return list(reader.fieldnames or []), rows


@dataclass(frozen=True)
class History:
    """What training logged, by epoch.

    Attributes:
        loss: mean of the losses that were logged in an epoch.
        validation: rho on the validation part after an epoch, by scorer; the one under "" chose the epoch. An undefined
            rho (a collapsed epoch) is missing.
        collapsed: epochs after which every embedding was the same.
        last: the last epoch that was validated; -1 if none was.
    """

    loss: dict[int, float] = field(default_factory=dict)
    validation: dict[str, dict[int, float]] = field(default_factory=dict)
    collapsed: frozenset[int] = frozenset()
    last: int = -1

    @property
    def best(self) -> int | None:
        """The epoch whose checkpoint is tested: the highest rho on the validation part, the first of equals."""
        rhos = self.validation.get("", {})
        return max(rhos, key=lambda epoch: (rhos[epoch], -epoch)) if rhos else None

    def at_best(self, scorer: str = "") -> float | None:
        """Rho of a scorer on the validation part after the best epoch."""
        return None if self.best is None else self.validation.get(scorer, {}).get(self.best)


def read_history(folder: Path) -> History:
    """What metrics.csv of a run's folder says of its epochs.

    Raises:
        InputError: it cannot be read.
    """
    losses: dict[int, list[float]] = {}
    validation: dict[str, dict[int, float]] = {}
    collapsed: set[int] = set()
    last = -1
    with reading(folder / METRICS):
        for row in read_metrics(folder)[1]:
            if not row.get(EPOCH):
                continue
            epoch = int(float(row[EPOCH]))
            found = {name: value for name, text in row.items() if text and math.isfinite(value := float(text))}
            if LOSS in found:
                losses.setdefault(epoch, []).append(found[LOSS])
            if COLLAPSED in found:
                last = max(last, epoch)
                if found[COLLAPSED] > 0:
                    collapsed.add(epoch)
            for name, value in found.items():
                if name == RHO or (name.startswith(rho_of("")) and name != BEST_RHO):
                    validation.setdefault(name.removeprefix(RHO).removeprefix("_"), {})[epoch] = value
    means = {epoch: sum(values) / len(values) for epoch, values in losses.items()}
    return History(means, validation, frozenset(collapsed), last)
