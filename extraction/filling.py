"""Filling a cache under `Trainer.predict`, such as one of keypoints: every process takes clips of its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

import torch
from lightning import LightningModule, Trainer

from extraction.ledger import ClipLedger, Ledger
from extraction.people.clip_poses import ClipPoses, FailedClip
from extraction.pipeline import Pipeline, Sketch
from extraction.progress import ExtractionProgress
from extraction.reading.media import ClipMedia
from extraction.summary import shortened

GROUP = 64
"""Clips of a prediction step; they share batches of the network."""


class Groups:
    """A loader of ready batches; Lightning would take a plain list for several loaders."""

    def __init__(self, groups: list[list[ClipMedia]]) -> None:
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[list[ClipMedia]]:
        return iter(self.groups)


class Placed(Protocol):
    """What runs on a device."""

    def place(self, device: str) -> None:
        """Run on a device: "cpu", "cuda:0", ...."""


class CacheFilling(LightningModule, ABC):
    """Fills a cache.

    Process r of n begins with the clips r, r + n, r + 2 n, ... and then helps the others with theirs: a clip that
    somebody works on is locked (see `extraction.ledger`), so none is made twice and nobody waits at the end. What is
    made of a clip does not depend on who makes it.

    Args:
        pipeline: what has the networks.
        ledger: the cache.
        clips: what it is filled with.
        through: is told of every clip that is through, here or elsewhere.
        looked: is told after every batch of the network how many crops or windows it held.
    """

    def __init__(
        self,
        pipeline: Placed,
        ledger: ClipLedger[Any, Any],
        clips: Sequence[ClipMedia],
        through: Callable[[], None],
        looked: Callable[[int], None],
    ) -> None:
        super().__init__()
        self.networks = pipeline
        self.ledger = ledger
        self.clips = clips
        self.through = through
        self.looked = looked

    @abstractmethod
    def made(self, clips: Iterable[ClipMedia]) -> Generator[Any, None, None]:
        """What `ledger.write` takes, or `FailedClip`, of each of the clips, as soon as it is done."""

    def setup(self, stage: str) -> None:
        """Place the networks on this process's device; `stage` is Lightning's."""
        self.networks.place(str(self.trainer.strategy.root_device))

    def predict_dataloader(self) -> "Groups":
        """This process's clips in groups, then those of the others."""
        rank, world = self.trainer.global_rank, self.trainer.world_size
        order = [clip for turn in range(world) for clip in self.clips[(rank + turn) % world :: world]]
        return Groups([order[start : start + GROUP] for start in range(0, len(order), GROUP)])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Nothing to move: clips are files still."""
        return batch

    def predict_step(self, batch: list[ClipMedia], batch_idx: int) -> int:
        """Make a group of clips and write each as soon as it is done; gives how many were read.

        Raises:
            InputError: the cache cannot be written to.
        """
        count = 0
        with self.ledger, closing(self.made(self.ledger.claim(batch, self.through))) as results:
            for result in results:
                if isinstance(result, FailedClip):
                    self.ledger.fail(result)
                else:
                    self.ledger.write(result)
                self.through()
                count += 1
        return count

    def on_predict_end(self) -> None:
        """Wait for the clips that other processes have at hand: the summary counts them."""
        self.trainer.strategy.barrier("extraction")


def fill(
    trainer: Trainer,
    module: CacheFilling,
    progress: ExtractionProgress,
    announcement: str,
    rejected: Sequence[tuple[str, str]],
) -> bool:
    """Make what is left; says what was left out first, and the announcement.

    Returns:
        Whether this is the main process, which is to sum up.
    """
    if trainer.is_global_zero:
        for line in shortened("left out", rejected):
            print(line)
        print(announcement)
    with progress:
        if module.clips:
            try:
                trainer.predict(module, return_predictions=False)
            except SystemExit:  # Lightning's answer to Ctrl-C
                raise KeyboardInterrupt from None
    return bool(trainer.is_global_zero)


class Extraction(CacheFilling):
    """Fills a keypoint cache.

    Args:
        pipeline: from media to poses.
        ledger: the cache.
        clips: to be extracted.
        sketch: makes what draws a clip's picture.
        through, looked: see `CacheFilling`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Ledger,
        clips: Sequence[ClipMedia],
        sketch: Callable[[ClipMedia], Sketch],
        through: Callable[[], None],
        looked: Callable[[int], None],
    ) -> None:
        super().__init__(pipeline, ledger, clips, through, looked)
        self.pipeline = pipeline
        self.sketch = sketch

    def made(self, clips: Iterable[ClipMedia]) -> Generator[ClipPoses | FailedClip, None, None]:
        """See `CacheFilling`."""
        return self.pipeline.run(clips, choose=self.ledger.choose, sketch=self.sketch, looked=self.looked)
