"""Callbacks that kill or interrupt their own process, for the tests of resuming."""

import os
import signal
from typing import Any

from lightning import Callback, LightningModule, Trainer


class KillAt(Callback):
    """A signal, SIGKILL by default, when process `rank` calls `hook` with `trainer.global_step >= step`."""

    def __init__(self, hook: str, step: int, rank: int = 0, number: int = int(signal.SIGKILL)) -> None:
        self.hook = hook
        self.step = step
        self.rank = rank
        self.number = number

    def _kill(self, hook: str, trainer: Trainer) -> None:
        if hook == self.hook and trainer.global_step >= self.step and trainer.global_rank == self.rank:
            os.kill(os.getpid(), self.number)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._kill("on_train_batch_start", trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._kill("on_train_batch_end", trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self._kill("on_validation_batch_end", trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._kill("on_validation_end", trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._kill("on_train_epoch_start", trainer)


class RaiseAt(Callback):
    """An error at the end of a step of training."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Raise it."""
        if trainer.global_step >= self.step:
            raise RuntimeError("raised on purpose")
