"""The run folders of the members of a stack: each as if its model had been trained alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from lightning_modules.stacked.stacked_similarity import StackedPoseSimilarity
from run_folder.checkpoint_io import write_checkpoint
from run_folder.folder import BestCheckpoint, RunFolder
from run_folder.history import EPOCH, LOSS, RHO
from run_folder.layout import BEST, LAST
from run_folder.origin import write_origin


@dataclass(frozen=True)
class MemberRun:
    """One member's run.

    Attributes:
        folder: its run folder.
        config: its config.yaml.
        command: words of the command that would train it alone.
    """

    folder: RunFolder
    config: str
    command: Sequence[str]

    @property
    def place(self) -> Path:
        """The same as a path."""
        return Path(self.folder.log_dir).resolve()


class MemberRuns(Callback):
    """Writes config.yaml, versions.json, metrics.csv, best.ckpt and last.ckpt of every member of a stack.

    The stack itself is kept in one file, from which a killed stack goes on; the members' last.ckpt come at the end.

    Args:
        runs: one a member.
        whole: file of the stack's own checkpoint.
        every_n_steps: steps between two of those in the middle of an epoch.
    """

    def __init__(self, runs: Sequence[MemberRun], whole: Path, every_n_steps: int = 500) -> None:
        self.runs = list(runs)
        self.whole = whole
        self.every_n_steps = every_n_steps
        self._due: list[tuple[int, str]] = []  # members and the files of theirs that the next checkpoint makes
        self._best: list[tuple[float, bool]] = [(float("-inf"), False) for _ in runs]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write what it takes to repeat every member."""
        for run in self.runs:
            write_origin(run.place, run.config, run.command)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take out what metrics.csv says of the time after the checkpoint that is resumed."""
        for run in self.runs:
            run.folder.rewind(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log every member's loss, as RunMonitor does."""
        step = trainer.global_step
        if (step - 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # not declared by Trainer
            for run, loss in zip(self.runs, outputs["losses"].tolist(), strict=True):
                run.folder.log_metrics({EPOCH: trainer.current_epoch, LOSS: loss}, step=step - 1)
        if step % self.every_n_steps == 0 and batch_idx + 1 < trainer.num_training_batches:
            trainer.save_checkpoint(self.whole, weights_only=False)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log every member's validation, and see whose is the best so far."""
        assert isinstance(pl_module, StackedPoseSimilarity)
        for i, (run, metrics) in enumerate(zip(self.runs, pl_module.metrics, strict=True)):
            run.folder.log_metrics({**metrics, EPOCH: trainer.current_epoch}, step=trainer.global_step - 1)
            rho = metrics[RHO]
            rho = float("-inf") if rho != rho else rho  # an undefined rho is the lowest
            highest, any_yet = self._best[i]
            if not any_yet or rho > highest:
                self._best[i] = (rho, True)
                self._due.append((i, BEST))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoints that are due, and the stack's own."""
        over = trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
        if over:
            self._due += [(i, LAST) for i in range(len(self.runs))]
        trainer.save_checkpoint(self.whole, weights_only=False)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the members' checkpoints that are due, from what the stack's is made of."""
        assert isinstance(pl_module, StackedPoseSimilarity)
        for i, name in self._due:
            own = pl_module.member_checkpoint(i, checkpoint) | {"config": self.runs[i].config}
            own["callbacks"] = {BestCheckpoint().state_key: self._best_state(i)}
            write_checkpoint(own, self.runs[i].place / name)
        self._due = []

    def state_dict(self) -> dict[str, Any]:
        """Each member's best rho so far."""
        return {"best": [list(best) for best in self._best]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self._best = [(float(rho), bool(seen)) for rho, seen in state["best"]]

    def _best_state(self, index: int) -> dict[str, Any]:
        best, file = BestCheckpoint(), self.runs[index].place / BEST
        path, rho = str(file), torch.tensor(self._best[index][0])
        best.dirpath, best.best_model_path, best.kth_best_model_path = str(file.parent), path, path
        best.best_model_score = best.current_score = best.kth_value = rho
        best.best_k_models = {path: rho}
        return best.state_dict()
