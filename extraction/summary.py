"""What came of an extraction: for the screen, and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from extraction.ledger import ClipLedger, Ledger
from extraction.reading.media import ClipMedia

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
    facts, there = outcome(ledger, clips, left, rejected)
    confidence = [record["mean_confidence"] for record in there if record["mean_confidence"] is not None]

    def total(fact: str) -> int:
        return sum(record[fact] for record in there)

    return {
        **facts,
        "frames": total("frames"),
        "frames_without_person": total("frames_without_person"),
        "frames_interpolated": total("frames_interpolated"),
        "people": total("people"),
        "dropped": total("dropped"),
        "turned": total("turned"),
        "mean_confidence": round(float(np.mean(confidence)), 4) if confidence else None,
        "seconds": round(seconds, 1),
        "people_per_second": round(people / seconds, 1),
        "made_by": made_by(ledger),
    }


def text(summary: dict[str, Any]) -> str:
    """The summary for people, a few lines."""
    made = summary["made_by"]
    confidence = summary["mean_confidence"]
    lines = [
        clips_in_words(summary, "extracted"),
        f"frames: {summary['frames']}, of them {summary['frames_without_person']} without a person"
        + (f", {summary['frames_interpolated']} filled in" if summary["frames_interpolated"] else ""),
        f"people: {summary['people']} kept, {summary['dropped']} dropped; mean confidence "
        + ("unknown" if confidence is None else f"{confidence:.2f}"),
        f"time: {summary['seconds']:.0f} s, {summary['people_per_second']:.1f} people/s",
        f"by {made['detector']}, {made['estimator']}; {weights_in_words(made)}",
        *failures(summary),
    ]
    return "\n".join(lines)


# What summaries of every kind of cache share --------------------------------------------------------------------------


def outcome(
    ledger: ClipLedger[Any, Any],
    clips: Sequence[ClipMedia],
    left: Sequence[ClipMedia],
    rejected: Sequence[tuple[str, str]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`done` to `left_out` of `summarise`, and the records of the clips that are done."""
    states = {clip.clip_id: ledger.done(clip) for clip in left}
    records = {clip.clip_id: ledger.record(clip) or {} for clip in clips}
    failed = [name for name, done in states.items() if not done and records[name].get("status") == "failed"]
    facts = {
        "done": sum(states.values()),
        "skipped": len(clips) - len(left),
        "failed": [{"clip": name, "reason": records[name]["reason"]} for name in failed],
        "elsewhere": [name for name, done in states.items() if not done and name not in failed],
        "left_out": [{"name": name, "reason": reason} for name, reason in rejected],
    }
    return facts, [record for name, record in records.items() if states.get(name, True) and "frames" in record]


def made_by(ledger: ClipLedger[Any, Any]) -> dict[str, Any]:
    """How the clips were made."""
    return {name: value for name, value in asdict(ledger.provenance).items() if name != "media"}


def clips_in_words(summary: dict[str, Any], done: str) -> str:
    """How many clips are `done`, failed and so on."""
    return (
        f"clips: {summary['done']} {done}, {summary['skipped']} done before, {len(summary['failed'])} failed"
        + (f", {len(summary['elsewhere'])} left to another process" if summary["elsewhere"] else "")
        + (f", {len(summary['left_out'])} left out" if summary["left_out"] else "")
    )


def sum_up(ledger: ClipLedger[Any, Any], summary: dict[str, Any], text: str) -> None:
    """Print a summary, and keep it beside the records."""
    print(text)
    ledger.keep("summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    print(f"summary: {ledger.folder / 'summary.json'}")


def weights_in_words(made: dict[str, Any]) -> str:
    """Which weights ran."""
    return f"weights {(made['weights_sha256'] or 'without hash')[:12]}, {made['weights_licence']}"


def failures(summary: dict[str, Any]) -> list[str]:
    """Lines on the clips that failed."""
    return shortened("failed", [(failure["clip"], failure["reason"]) for failure in summary["failed"]])


def shortened(what: str, reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of names and reasons, the first `SHOWN` of them."""
    lines = [f"{what}: {name}: {reason}" for name, reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"{what}: {len(reasons) - SHOWN} more, all in the summary's file")
    return lines
