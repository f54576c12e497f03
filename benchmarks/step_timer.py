"""Times the steps of a run from inside, without changing how it runs."""

import json
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer


class StepTimer(Callback):
    """Writes the wall time of every epoch's steps: from the end of its first batch to the end of its last.

    Validation and start-up are apart: what happens between two epochs is not counted.

    Args:
        output: JSON file, a list of [steps, seconds], one an epoch.
    """

    def __init__(self, output: str) -> None:
        self.output = Path(output)
        self.epochs: list[tuple[int, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note when the first and the last batch of an epoch end."""
        if batch_idx == 0:
            self.begin = time.perf_counter()
        elif batch_idx + 1 == trainer.num_training_batches:
            self.epochs.append((batch_idx, time.perf_counter() - self.begin))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what was measured."""
        self.output.write_text(json.dumps(self.epochs))
