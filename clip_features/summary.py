"""What came of making clip features: for the screen, and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clip_features.ledger import FeatureLedger
from datamodules.media import ClipMedia
from keypoints.summary import shortened


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
        "frames": sum(record["frames"] for record in there),
        "windows": sum(record["windows"] for record in there),
        "seconds": round(seconds, 1),
        "windows_per_second": round(windows / seconds, 2),
        "made_by": {name: value for name, value in asdict(ledger.provenance).items() if name != "media"},
    }


def text(summary: dict[str, Any]) -> str:
    """The summary for people, a few lines."""
    made, failed = summary["made_by"], summary["failed"]
    lines = [
        f"clips: {summary['done']} done, {summary['skipped']} done before, {len(failed)} failed"
        + (f", {len(summary['elsewhere'])} left to another process" if summary["elsewhere"] else "")
        + (f", {len(summary['left_out'])} left out" if summary["left_out"] else ""),
        f"frames: {summary['frames']}, seen in {summary['windows']} windows",
        f"time: {summary['seconds']:.0f} s, {summary['windows_per_second']:.1f} windows/s",
        f"by {made['extractor']}; weights {(made['weights_sha256'] or 'without hash')[:12]}, {made['weights_licence']}",
    ]
    lines += shortened("failed", [(failure["clip"], failure["reason"]) for failure in failed])
    return "\n".join(lines)
