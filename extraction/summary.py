"""What came of filling a cache: for the screen, and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from extraction.ledger import ClipLedger
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
