"""Filling a cache under `Trainer.predict`: every process takes clips of its own."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

import torch
from lightning import LightningModule, Trainer

from extraction.ledger import ClipLedger
from extraction.people.clip_poses import FailedClip
from extraction.progress import ExtractionProgress
from extraction.reading.media import ClipMedia
from extraction.summary import shortened, summarise, text

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


class Makes(Protocol):
    """A pipeline: has the networks, and makes what a ledger writes."""

    def place(self, device: str) -> None:
        """Run on a device: "cpu", "cuda:0", ...."""
        ...

    @property
    def run(self) -> Callable[..., Generator[Any, None, None]]:
        """What `ledger.write` takes, or `FailedClip`, of each of some clips, as soon as it is done."""
        ...


class CacheFilling(LightningModule):
    """Fills a cache.

    Process r of n begins with the clips r, r + n, r + 2 n, ... and then helps the others with theirs: a clip that
    somebody works on is locked (see `extraction.ledger`), so none is made twice and nobody waits at the end. What is
    made of a clip does not depend on who makes it.

    Args:
        pipeline: from media to what the cache holds.
        ledger: the cache.
        clips: what it is filled with.
        progress: is told of every clip that is through, here or elsewhere, and of what the network looked at.
        options: of the pipeline's `run`.
    """

    def __init__(
        self,
        pipeline: Makes,
        ledger: ClipLedger[Any, Any],
        clips: Sequence[ClipMedia],
        progress: ExtractionProgress,
        **options: Any,
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.ledger = ledger
        self.clips = clips
        self.progress = progress
        self.options = options

    def setup(self, stage: str) -> None:
        """Place the networks on this process's device; `stage` is Lightning's."""
        self.pipeline.place(str(self.trainer.strategy.root_device))

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
        claimed = self.ledger.claim(batch, self.progress.clip)
        made = self.pipeline.run(claimed, choose=self.ledger.choose, looked=self.progress.looked, **self.options)
        with self.ledger, closing(made) as results:
            for result in results:
                if isinstance(result, FailedClip):
                    self.ledger.fail(result)
                else:
                    self.ledger.write(result)
                self.progress.clip()
                count += 1
        return count

    def on_predict_end(self) -> None:
        """Wait for the clips that other processes have at hand: the summary counts them."""
        self.trainer.strategy.barrier("extraction")


def fill(
    trainer: Trainer,
    pipeline: Makes,
    ledger: ClipLedger[Any, Any],
    clips: Sequence[ClipMedia],
    left: Sequence[ClipMedia],
    rejected: Sequence[tuple[str, str]],
    **options: Any,
) -> dict[str, Any] | None:
    """Make what is left, saying before what was left out, and sum up.

    Args:
        trainer: says where.
        pipeline: see `CacheFilling`.
        ledger: the cache.
        clips: all clips of the dataset.
        left: those that were not done before.
        rejected: names of media that make no clip, and why.
        options: of the pipeline's `run`.

    Returns:
        The summary, see `extraction.summary.summarise`; None in all but the main process, which alone sums up.
    """
    progress = ExtractionProgress(len(left), trainer.is_global_zero, ledger.seen)
    if trainer.is_global_zero:
        for line in shortened("left out", rejected):
            print(line)
        print(f"{len(clips) - len(left)} of {len(clips)} clips are done; {len(left)} go into {ledger.cache}")
    with progress:
        if left:
            try:
                trainer.predict(CacheFilling(pipeline, ledger, left, progress, **options), return_predictions=False)
            except SystemExit:  # Lightning's answer to Ctrl-C
                raise KeyboardInterrupt from None
    if not trainer.is_global_zero:
        return None
    summary = summarise(ledger, clips, left, rejected, progress.seconds, progress.looks)
    print(text(ledger, summary))
    print(f"summary: {ledger.keep('summary.json', json.dumps(summary, indent=1, ensure_ascii=False).encode())}")
    return summary
