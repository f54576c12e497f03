"""How far an extraction is: a bar with clips, people (or windows) per second and time left."""

import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
