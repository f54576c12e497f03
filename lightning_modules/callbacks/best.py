"""The checkpoint that validation likes best."""

from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from run_folder.folder import folder_of
from run_folder.history import RHO
from run_folder.layout import BEST


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
