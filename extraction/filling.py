"""Filling a cache under `Trainer.predict`: every process takes clips of its own; how far it is, and what came of it."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from types import TracebackType
from typing import Any, Protocol

import torch
from lightning import LightningModule, Trainer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from extraction.ledger import ClipLedger
from extraction.people.clip_poses import FailedClip
from extraction.reading.media import ClipMedia

SHOWN = 30
"""Lines of failed clips on the screen at the most, and as many of those left out."""


def summarise(
    ledger: ClipLedger[Any, Any],
    clips: Sequence[ClipMedia],
    left: Sequence[ClipMedia],
    rejected: Sequence[tuple[str, str]],
    seconds: float,
    looks: int,
) -> dict[str, Any]:
    """Everything worth knowing, in plain values.

    Args:
        ledger: the cache.
        clips: all clips of the dataset.
        left: those that were not done before.
        rejected: names of media that make no clip, and why.
        seconds: duration of the run.
        looks: crops or windows that the network of this process saw.

    Returns:
        `done`, `skipped` (done before), `failed` (clip and reason), `elsewhere` (another process is at work on them),
        `left_out` (name and reason), the `totals` of the ledger over all clips that are done, `seconds`,
        `people_per_second` or `windows_per_second`, and `made_by`, the provenance.
    """
    states = {clip.clip_id: ledger.done(clip) for clip in left}
    records = {clip.clip_id: ledger.record(clip) or {} for clip in clips}
    failed = [name for name, done in states.items() if not done and records[name].get("status") == "failed"]
    there = [record for name, record in records.items() if states.get(name, True) and "frames" in record]
    return {
        "done": sum(states.values()),
        "skipped": len(clips) - len(left),
        "failed": [{"clip": name, "reason": records[name]["reason"]} for name in failed],
        "elsewhere": [name for name, done in states.items() if not done and name not in failed],
        "left_out": [{"name": name, "reason": reason} for name, reason in rejected],
        **ledger.totals(there),
        "seconds": round(seconds, 1),
        f"{ledger.seen}_per_second": round(looks / seconds, 2),
        "made_by": {name: value for name, value in asdict(ledger.provenance).items() if name != "media"},
    }


def text(ledger: ClipLedger[Any, Any], summary: dict[str, Any]) -> str:
    """The summary for people, a few lines."""
    made, rate = summary["made_by"], summary[f"{ledger.seen}_per_second"]
    by = ", ".join(made[name] for name in ("detector", "estimator", "extractor") if name in made)
    lines = [
        f"clips: {summary['done']} {ledger.verb}, {summary['skipped']} done before, {len(summary['failed'])} failed"
        + (f", {len(summary['elsewhere'])} left to another process" if summary["elsewhere"] else "")
        + (f", {len(summary['left_out'])} left out" if summary["left_out"] else ""),
        *ledger.in_words(summary),
        f"time: {summary['seconds']:.0f} s, {rate:.1f} {ledger.seen}/s",
        f"by {by}; weights {(made['weights_sha256'] or 'without hash')[:12]}, {made['weights_licence']}",
        *shortened("failed", [(failure["clip"], failure["reason"]) for failure in summary["failed"]]),
    ]
    return "\n".join(lines)


def shortened(what: str, reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of names and reasons, the first `SHOWN` of them."""
    lines = [f"{what}: {name}: {reason}" for name, reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"{what}: {len(reasons) - SHOWN} more, all in the summary's file")
    return lines


EVERY = 60.0
"""Seconds between two lines where there is no terminal to draw a bar on."""


class ExtractionProgress:
    """Shows a bar on a terminal, or a line a minute in a log.

    Args:
        total: clips to extract.
        shown: False shows nothing: only one of several processes talks.
        what: what the network looks at.
    """

    def __init__(self, total: int, shown: bool = True, what: str = "people") -> None:
        self.what = what
        self.looks = 0
        self.started = time.monotonic()
        self._said = self.started
        self._bar = Progress(
            TextColumn("extracting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"clips, {{task.fields[rate]:.1f}} {what}/s, left"),
            TimeRemainingColumn(),
            disable=not shown,
        )
        self._task = self._bar.add_task("", total=total, rate=0.0)
        self._lines = shown and not self._bar.console.is_terminal

    def __enter__(self) -> "ExtractionProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.started

    def clip(self) -> None:
        """A clip is through."""
        self._bar.advance(self._task)
        task = self._bar.tasks[0]
        if self._lines and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            left = task.time_remaining
            print(
                f"{task.completed:.0f}/{task.total:.0f} clips, {self.looks / self.seconds:.1f} {self.what}/s"
                + ("" if left is None else f", {left / 60:.0f} min left"),
                flush=True,
            )

    def looked(self, count: int) -> None:
        """The network saw so many more."""
        self.looks += count
        self._bar.update(self._task, rate=self.looks / self.seconds)


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
        The summary, see `extraction.filling.summarise`; None in all but the main process, which alone sums up.
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
