"""metrics.csv of a run, epoch by epoch."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path

from errors import InputError

VALIDATION = "val/spearman"


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


def read_history(path: Path) -> History:
    """What metrics.csv says; half a line at its end, of a killed run, is left out.

    Raises:
        InputError: it cannot be read.
    """
    losses: dict[int, list[float]] = {}
    validation: dict[str, dict[int, float]] = {}
    collapsed: set[int] = set()
    last = -1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if None in row or None in row.values() or not row.get("epoch"):
                continue
            epoch = int(float(row["epoch"]))
            found = {name: value for name, text in row.items() if text and math.isfinite(value := float(text))}
            if "train/loss" in found:
                losses.setdefault(epoch, []).append(found["train/loss"])
            if "val/collapsed" in found:
                last = max(last, epoch)
                if found["val/collapsed"] > 0:
                    collapsed.add(epoch)
            for name, value in found.items():
                if name == VALIDATION or (name.startswith(f"{VALIDATION}_") and name != f"{VALIDATION}_best"):
                    validation.setdefault(name.removeprefix(VALIDATION).removeprefix("_"), {})[epoch] = value
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    means = {epoch: sum(values) / len(values) for epoch, values in losses.items()}
    return History(means, validation, frozenset(collapsed), last)
