"""What came of making clip features: for the screen, and as JSON for programs."""

from collections.abc import Sequence
from typing import Any

from extraction.features.feature_ledger import FeatureLedger
from extraction.reading.media import ClipMedia
from extraction.summary import clips_in_words, failures, made_by, outcome, weights_in_words


def summarise(
    ledger: FeatureLedger,
    clips: Sequence[ClipMedia],
    left: Sequence[ClipMedia],
    rejected: Sequence[tuple[str, str]],
    seconds: float,
    windows: int,
) -> dict[str, Any]:
    """Everything worth knowing, in plain values.

    Args:
        ledger: the cache.
        clips: all clips of the dataset.
        left: those that were not done before.
        rejected: names of media that make no clip, and why.
        seconds: duration of the run.
        windows: those that the network of this process saw.

    Returns:
        `done`, `skipped` (done before), `failed` (clip and reason), `elsewhere` (another process is at work on them),
        `left_out` (name and reason), `frames` and `windows` (of all clips that are done), `seconds`,
        `windows_per_second`, `made_by`.
    """
    facts, there = outcome(ledger, clips, left, rejected)
    return {
        **facts,
        "frames": sum(record["frames"] for record in there),
        "windows": sum(record["windows"] for record in there),
        "seconds": round(seconds, 1),
        "windows_per_second": round(windows / seconds, 2),
        "made_by": made_by(ledger),
    }


def text(summary: dict[str, Any]) -> str:
    """The summary for people, a few lines."""
    made = summary["made_by"]
    lines = [
        clips_in_words(summary, "done"),
        f"frames: {summary['frames']}, seen in {summary['windows']} windows",
        f"time: {summary['seconds']:.0f} s, {summary['windows_per_second']:.1f} windows/s",
        f"by {made['extractor']}; {weights_in_words(made)}",
        *failures(summary),
    ]
    return "\n".join(lines)
