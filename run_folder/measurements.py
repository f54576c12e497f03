"""cost.json and robustness.parquet of a run: what a model costs, and how it ranks clips whose keypoints are worse."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from files import write_atomically
from run_folder.layout import COST, ROBUSTNESS, reading
from run_folder.results import ClipNames, Columns, clip_rows, parquet, read_columns
from scoring.evaluation import ClipTable


@dataclass(frozen=True)
class Cost:
    """The content of cost.json.

    Attributes:
        parameters: of the model.
        fit_seconds: wall time of its training; of a stack, the stack's divided by its members; None where unknown.
        members: how many models were trained as one stack with it, itself included.
        milliseconds_per_clip: from normalised poses (or features) of one clip to its embeddings, the median over clips.
        clips: how many were timed.
        threads: of the process that timed them.
    """

    parameters: int
    fit_seconds: float | None
    members: int
    milliseconds_per_clip: float
    clips: int
    threads: int

    def write(self, folder: Path) -> None:
        """Write it into the run's folder."""
        write_atomically(folder / COST, json.dumps(asdict(self), indent=2) + "\n")


def read_cost(folder: Path) -> Cost:
    """What cost.json of a run says.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / COST
    with reading(path):
        cost = Cost(**json.loads(path.read_bytes()))
        for name, value in asdict(cost).items():
            if not isinstance(value, int | float) and not (value is None and name == "fit_seconds"):
                raise ValueError(f"{name} is no number")
    return cost


class Disturbance(NamedTuple):
    """Columns of robustness.parquet that say what was done to clips; its others are those of predictions.parquet.

    perturbation: its name; unit: of the level; level: how strong, 0 for clips as they are.
    """

    perturbation: str
    unit: str
    level: float


def write_robustness(
    folder: Path, plain: ClipTable, disturbed: Sequence[tuple[Disturbance, ClipTable]], source: ClipNames
) -> None:
    """Write robustness.parquet into a run's folder, every perturbation from level 0 on, which is `plain`.

    Args:
        folder: of the run.
        plain: predictions for the test part as it is.
        disturbed: predictions by what was done to its clips, levels of one perturbation together; none of features.
        source: of the clips.
    """

    def rows(said: Disturbance, table: ClipTable) -> pa.Table:
        own = clip_rows(table, source).drop_columns("difficulty")
        beside = {name: [value] * len(own) for name, value in said._asdict().items()}
        return pa.table({**beside, **dict(zip(own.column_names, own.columns, strict=True))})

    parts = [rows(Disturbance("", "", 0.0), plain).slice(0, 0)]  # the columns
    before = None
    for said, table in disturbed:
        if said.perturbation != before:
            parts.append(rows(said._replace(level=0.0), plain))
            before = said.perturbation
        parts.append(rows(said, table))
    write_atomically(folder / ROBUSTNESS, parquet(pa.concat_tables(parts)))


def read_robustness(folder: Path) -> list[tuple[Disturbance, Columns]]:
    """What robustness.parquet of a run says, by what was done to the clips.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / ROBUSTNESS
    with reading(path):
        columns = read_columns(path, (*Disturbance._fields, "clip", "action", "group", "score"))
        rows: dict[Disturbance, list[int]] = {}
        for row, said in enumerate(zip(*(columns.pop(name) for name in Disturbance._fields), strict=True)):
            rows.setdefault(Disturbance(*said), []).append(row)
    return [(said, {name: [values[i] for i in own] for name, values in columns.items()}) for said, own in rows.items()]
