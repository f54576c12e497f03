"""How far an extraction is: a bar with clips, people per second and time left."""

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
    """

    def __init__(self, total: int, shown: bool = True) -> None:
        self.people = 0
        self.started = time.monotonic()
        self._said = self.started
        self._bar = Progress(
            TextColumn("extracting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("clips, {task.fields[rate]:.1f} people/s, left"),
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
                f"{task.completed:.0f}/{task.total:.0f} clips, {self.people / self.seconds:.1f} people/s"
                + ("" if left is None else f", {left / 60:.0f} min left"),
                flush=True,
            )

    def looked(self, people: int) -> None:
        """The network saw so many more people."""
        self.people += people
        self._bar.update(self._task, rate=self.people / self.seconds)
