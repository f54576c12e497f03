"""By what Lightning writes a run's folder: the logger of metrics.csv, what keeps checkpoints and the config."""

from argparse import Namespace
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from run_folder.checkpoint_io import load_checkpoint, write_checkpoint
from run_folder.history import RHO, STEP, MetricsFile
from run_folder.layout import BEST, versions
from run_folder.origin import write_origin
from settings import load_yaml


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes and reads checkpoints as `run_folder.checkpoint_io` does: with `weights_only=True` whatever is asked."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write `checkpoint` to `path`, making its folder."""
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint as data."""
        return load_checkpoint(path, map_location)


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
        self._metrics: MetricsFile | None = None

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
        self._file().append({STEP: "" if step is None else step, **metrics})

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Take out the rows of steps from `step` on: a run resumed there writes them again."""
        self._file().rewind(step)

    def _file(self) -> MetricsFile:
        if self._metrics is None:
            self._metrics = MetricsFile(Path(self.log_dir))
        return self._metrics

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


class RunRecord(SaveConfigCallback):
    """Writes config.yaml and versions.json into the run's folder when training starts, the config into checkpoints.

    A resumed run keeps the files it has. Other loggers (W&B) get the config as hyperparameters.

    Args:
        command: words of the command that started the run, for versions.json.
        more: see `SaveConfigCallback`.
    """

    def __init__(self, *more: Any, command: Sequence[str], **options: Any) -> None:
        super().__init__(*more, **options)
        self.command = list(command)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the files, once, on the main process."""
        if stage != "fit":
            return
        folder = folder_of(trainer)
        if not trainer.is_global_zero:
            return
        text = self.text
        for logger in trainer.loggers:
            logger.log_hyperparams(load_yaml(text, "config.yaml"))
        write_origin(folder, text, self.command)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the config in the checkpoint: it says by itself what it is."""
        checkpoint["config"] = self.text

    @cached_property
    def text(self) -> str:
        """The whole config as YAML."""
        text: str = self.parser.dump(self.config, skip_unset=False)  # costs more than the rest of a checkpoint
        return text


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


class BestCheckpoint(ModelCheckpoint):
    """Keeps `checkpoints/best.ckpt`: the epoch with the highest rho on the validation part.

    An undefined rho (a collapsed epoch) counts as lowest, so there is always a best one.
    """

    def __init__(self) -> None:
        super().__init__(
            filename=Path(BEST).stem,
            monitor=RHO,
            mode="max",
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            # after validation, so that the checkpoint to resume from, written at the end of the epoch, knows of it
            save_on_train_epoch_end=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put it into the run's folder; by an absolute path, or a resumed run forgets the best one."""
        self.dirpath = str((folder_of(trainer) / BEST).parent.resolve())
        super().setup(trainer, pl_module, stage)


def _rank() -> int:
    rank: int = getattr(rank_zero_only, "rank", 0)  # set by Lightning on every process
    return rank
