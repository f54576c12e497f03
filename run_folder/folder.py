"""The folder of a run: config, versions, metrics.csv, checkpoints, and what validation and test write."""

import csv
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from files import write_atomically

METRICS = "metrics.csv"


class RunFolder(Logger):
    """Writes every metric to `<save_dir>/<name>/version_<n>/metrics.csv`, a row a call, at once.

    Unlike Lightning's CSVLogger it goes on with the file of a resumed run: rows from after the checkpoint are taken
    out, so none is lost or doubled.

    Args:
        save_dir: folder of all runs.
        name: folder of the runs of one config.
        version: number of the run; the next free one if not given.
        folder: the run's folder itself, instead of all that (a run to continue or to test).
    """

    def __init__(
        self, save_dir: str = "runs", name: str = "run", version: int | None = None, folder: str | None = None
    ) -> None:
        super().__init__()
        self._parent = Path(save_dir) / name
        self._name = name
        self._version = version
        self._folder = None if folder is None else Path(folder)
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """Folder of the runs of one config."""
        return self._name

    @property
    def version(self) -> int | str:
        """Number of the run; the name of its folder where it has none."""
        name = Path(self.log_dir).name
        number = name.removeprefix("version_")
        return int(number) if number.isdigit() else name

    @property
    def save_dir(self) -> str:
        """The run's folder, or where it will be made: Lightning asks before the data are found to be right."""
        return str(self._folder or self._parent)

    @property
    def log_dir(self) -> str:
        """The run's folder; the main process makes it when first asked for, the others learn it by `folder_of`."""
        if self._folder is None:
            if _rank():
                return str(self._parent)
            self._folder = self._make()
        return str(self._folder)

    def settle(self, folder: Path) -> None:
        """The run's folder is `folder`."""
        self._folder = folder

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole config is in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append a row; a metric that the file has no column for adds one."""
        row: dict[str, Any] = {"step": "" if step is None else step, **metrics}
        path = Path(self.log_dir) / METRICS
        if not self._columns and path.exists():
            self._columns = read_metrics(path)[0]
        if new := [key for key in row if key not in self._columns]:
            rows = read_metrics(path)[1] if path.exists() else []
            self._columns += new
            _write(path, self._columns, [*rows, row])
            return
        line = io.StringIO()
        csv.DictWriter(line, self._columns, restval="").writerow(row)
        try:
            with path.open("a", newline="") as file:
                file.write(line.getvalue())
        except OSError as error:
            error.filename = str(path)
            raise

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Take out the rows of steps from `step` on: a run resumed there writes them again."""
        path = Path(self.log_dir) / METRICS
        if path.exists():
            self._columns, rows = read_metrics(path)
            _write(path, self._columns, [row for row in rows if row["step"] and int(row["step"]) < step])

    def _make(self) -> Path:
        if self._version is not None:
            folder = self._parent / f"version_{self._version}"
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        self._parent.mkdir(parents=True, exist_ok=True)
        version = 1 + max((version for version, _ in versions(self._parent)), default=-1)
        while True:  # another process may take the number first
            folder = self._parent / f"version_{version}"
            try:
                folder.mkdir()
            except FileExistsError:
                version += 1
            else:
                return folder


def read_metrics(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a metrics.csv, without the half line that a killed process may leave at its end."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if None not in row.values()]  # DictReader's value of a field that is missing
        return list(reader.fieldnames or []), rows


def versions(parent: Path) -> list[tuple[int, Path]]:
    """Runs in `parent`, oldest first: (number, folder)."""
    found = [(folder.name.removeprefix("version_"), folder) for folder in parent.glob("version_*")]
    return sorted((int(number), folder) for number, folder in found if number.isdigit())


def folder_of(trainer: Trainer) -> Path:
    """Where the trainer's run keeps its files: its RunFolder, else the first logger's folder, else the default one.

    Every process of a run gets the main process's answer.
    """
    own = next((logger for logger in trainer.loggers if isinstance(logger, RunFolder)), None)
    if own is None:
        return Path(trainer.log_dir or trainer.default_root_dir)
    folder = Path(trainer.strategy.broadcast(own.log_dir))
    own.settle(folder)
    return folder


def run_of_checkpoint(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, if it lies in one."""
    folder = checkpoint.resolve().parent
    return folder.parent if folder.name == "checkpoints" and (folder.parent / "config.yaml").exists() else None


def _rank() -> int:
    rank: int = getattr(rank_zero_only, "rank", 0)  # set by Lightning on every process
    return rank


def _write(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())
