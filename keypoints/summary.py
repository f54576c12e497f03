"""What came of an extraction: for the screen, and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from datamodules.media import ClipMedia
from keypoints.ledger import Ledger

SHOWN = 30
"""Lines of failed clips on the screen at the most, and as many of those left out."""


def summarise(
    ledger: Ledger,
    clips: Sequence[ClipMedia],
    left: Sequence[ClipMedia],
    rejected: Sequence[tuple[str, str]],
    seconds: float,
    people: int,
) -> dict[str, Any]:
    """Everything worth knowing, in plain values.

    Args:
        ledger: the cache.
        clips: all clips of the dataset.
        left: those that were not done before.
        rejected: names of media that make no clip, and why.
        seconds: duration of the run.
        people: crops that the network of this process saw.

    Returns:
        `done`, `skipped` (done before), `failed` (clip and reason), `elsewhere` (another process is at work on them),
        `left_out` (name and reason), `frames`, `frames_without_person`, `frames_interpolated`, `people`, `dropped`,
        `turned`, `mean_confidence` (over the clips; None without one), `seconds`, `people_per_second`, `made_by`.
    """
    states = {clip.clip_id: ledger.done(clip) for clip in left}
    records = {clip.clip_id: ledger.record(clip) or {} for clip in clips}
    failed = [name for name, done in states.items() if not done and records[name].get("status") == "failed"]
    there = [record for name, record in records.items() if states.get(name, True) and "frames" in record]
    confidence = [record["mean_confidence"] for record in there if record["mean_confidence"] is not None]

    def total(fact: str) -> int:
        return sum(record[fact] for record in there)

    return {
        "done": sum(states.values()),
        "skipped": len(clips) - len(left),
        "failed": [{"clip": name, "reason": records[name]["reason"]} for name in failed],
        "elsewhere": [name for name, done in states.items() if not done and name not in failed],
        "left_out": [{"name": name, "reason": reason} for name, reason in rejected],
        "frames": total("frames"),
        "frames_without_person": total("frames_without_person"),
        "frames_interpolated": total("frames_interpolated"),
        "people": total("people"),
        "dropped": total("dropped"),
        "turned": total("turned"),
        "mean_confidence": round(float(np.mean(confidence)), 4) if confidence else None,
        "seconds": round(seconds, 1),
        "people_per_second": round(people / seconds, 1),
        "made_by": {name: value for name, value in asdict(ledger.provenance).items() if name != "media"},
    }


def text(summary: dict[str, Any]) -> str:
    """The summary for people, a few lines."""
    made, failed = summary["made_by"], summary["failed"]
    confidence = summary["mean_confidence"]
    lines = [
        f"clips: {summary['done']} extracted, {summary['skipped']} done before, {len(failed)} failed"
        + (f", {len(summary['elsewhere'])} left to another process" if summary["elsewhere"] else "")
        + (f", {len(summary['left_out'])} left out" if summary["left_out"] else ""),
        f"frames: {summary['frames']}, of them {summary['frames_without_person']} without a person"
        + (f", {summary['frames_interpolated']} filled in" if summary["frames_interpolated"] else ""),
        f"people: {summary['people']} kept, {summary['dropped']} dropped; mean confidence "
        + ("unknown" if confidence is None else f"{confidence:.2f}"),
        f"time: {summary['seconds']:.0f} s, {summary['people_per_second']:.1f} people/s",
        f"by {made['detector']}, {made['estimator']}; weights {(made['weights_sha256'] or 'without hash')[:12]}, "
        f"{made['weights_licence']}",
    ]
    lines += shortened("failed", [(failure["clip"], failure["reason"]) for failure in failed])
    return "\n".join(lines)


def shortened(what: str, reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of names and reasons, the first `SHOWN` of them."""
    lines = [f"{what}: {name}: {reason}" for name, reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"{what}: {len(reasons) - SHOWN} more, all in the summary's file")
    return lines
