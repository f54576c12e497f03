"""What keeps a run: the loss in metrics.csv, and a checkpoint to resume from."""

from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from run_folder.folder import RunFolder, folder_of
from run_folder.history import EPOCH, LOSS
from run_folder.layout import LAST


class RunMonitor(Checkpoint):
    """Logs the training loss and keeps `checkpoints/last.ckpt`, so that a killed run continues exactly.

    The loss goes to the loggers every `log_every_n_steps` steps of the trainer, the first included. (`self.log` in
    every step costs a tenth of the training speed of so small a model.) A checkpoint is written in the middle of an
    epoch every `every_n_steps` steps, after that step's metrics, and at the end of every epoch, after its validation;
    not in between, where Lightning would skip or repeat the validation on resuming. It is a `Checkpoint` to come after
    all other callbacks: what early stopping has counted is in the file.

    On a CPU the steps of training run on one thread: the network is too small to share a step's work, and on a busy
    machine threads that wait for each other are slower by far. Validation has all threads.

    Args:
        every_n_steps: steps between two checkpoints in the middle of an epoch.
        threads: threads of a training step on a CPU.
    """

    def __init__(self, every_n_steps: int = 500, threads: int = 1) -> None:
        self.every_n_steps = every_n_steps
        self.threads = threads
        self._all_threads = torch.get_num_threads()
        self._begin = 0  # step

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Weights are read in the precision they are used in: Lightning would read float64 ones as float32 first."""
        trainer.precision_plugin.convert_module(pl_module)
        self._begin = 0

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep where the run goes on."""
        self._begin = checkpoint["global_step"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take out what metrics.csv says of the time after the checkpoint that is resumed."""
        for logger in trainer.loggers:
            if isinstance(logger, RunFolder):
                logger.rewind(self._begin)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train on few threads."""
        self._all_threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Embedding and scoring whole clips is worth all threads."""
        torch.set_num_threads(self._all_threads)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Back to training."""
        if trainer.state.fn == "fit":
            torch.set_num_threads(self.threads)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the process as it was."""
        torch.set_num_threads(self._all_threads)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the process as it was."""
        torch.set_num_threads(self._all_threads)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the loss of this step, then keep the state if it is time."""
        step = trainer.global_step
        if (step - 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # not declared by Trainer
            # of the batch of all processes, not of this one's share
            loss: Tensor = trainer.strategy.reduce(outputs["loss"].clone(), reduce_op="mean")
            for logger in trainer.loggers:
                logger.log_metrics({EPOCH: trainer.current_epoch, LOSS: loss.item()}, step=step - 1)
        if step % self.every_n_steps == 0 and batch_idx + 1 < trainer.num_training_batches:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the state after an epoch and its validation."""
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(folder_of(trainer) / LAST, weights_only=False)
