"""Training that ends, at the end of an epoch, when a file asks it to."""

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from files import write_atomically
from run_folder.folder import folder_of
from run_folder.layout import STOP


class StopOnRequest(Callback):
    """Ends training after the epoch, validated and saved, in which the file `stop` appears in the run's folder.

    A run that was killed right then, and is resumed, ends at once: it trains no epoch more.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a resumed run that had ended."""
        epochs = trainer.strategy.broadcast(_epochs(folder_of(trainer) / STOP))
        if epochs is not None and trainer.current_epoch >= epochs:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End training if the file is there; all processes do what the main one sees."""
        path = folder_of(trainer) / STOP
        if not trainer.strategy.broadcast(path.exists()):
            return
        if trainer.is_global_zero:
            write_atomically(path, f"{trainer.current_epoch + 1}\n")
        trainer.should_stop = True


def _epochs(path: Path) -> int | None:
    """How many epochs it had when it ended on request; None if it has not."""
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None
