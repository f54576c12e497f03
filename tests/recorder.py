"""A callback that keeps what a process of a training saw, for the tests of several processes."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class Recorder(Callback):
    """Writes `process_<rank>.pt`: batches, first gradients, weights after step `step`, validations, how it ended.

    A resumed process keeps its records under `resumed_<rank>.pt`.
    """

    def __init__(self, folder: str, step: int = 50) -> None:
        self.folder = Path(folder)
        self.step = step
        self.kept: dict[str, Any] = {"batches": {}, "metrics": [], "tracks": []}
        self.name = "process"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step:
            self.name = "resumed"

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # one row a pair: both poses, then whether they are similar
        rows = torch.cat([batch["poses"].transpose(0, 1).flatten(1), batch["similar"][:, None]], dim=1)
        self.kept["batches"][trainer.global_step] = rows.clone()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if trainer.global_step == 0:
            gradients = {name: value.grad for name, value in pl_module.named_parameters() if value.grad is not None}
            self.kept["gradients"] = {name: value.clone() for name, value in gradients.items()}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if trainer.global_step == self.step:
            self.kept["weights"] = {name: value.detach().clone() for name, value in pl_module.named_parameters()}

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if dataloader_idx == 1 and not self.kept["metrics"]:
            self.kept["tracks"] += batch.track.tolist()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if isinstance(value, Tensor)}
        self.kept["metrics"].append(metrics)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        best = next(one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint))
        self.kept |= {
            "step": trainer.global_step,
            "stopped": trainer.should_stop,
            "best": float(best.best_model_score or 0),
        }
        self.kept["best_path"] = Path(best.best_model_path).name
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.kept, self.folder / f"{self.name}_{trainer.global_rank}.pt")
