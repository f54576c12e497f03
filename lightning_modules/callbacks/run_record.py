"""What it takes to repeat a run: config.yaml and versions.json in its folder, the config in its checkpoints."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from run_folder.folder import folder_of
from run_folder.origin import write_origin


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
            logger.log_hyperparams(yaml.safe_load(text))
        write_origin(folder, text, self.command)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the config in the checkpoint: it says by itself what it is."""
        checkpoint["config"] = self.text

    @cached_property
    def text(self) -> str:
        """The whole config as YAML."""
        text: str = self.parser.dump(self.config, skip_unset=False)  # costs more than the rest of a checkpoint
        return text
