"""The list of runs: the exact command, config and versions of each, and why some failed."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import RunLine, RunList
from reports.groups import BY_HAND, Campaign
from run_folder.runs import Run
from settings import flatten


def environments(runs: Sequence[Run]) -> list[str]:
    """Distinct versions and commits, in the order in which the runs were started."""
    return list(dict.fromkeys(_environment(run) for run in sorted(runs, key=lambda run: run.started) if run.versions))


def run_lists(found: Sequence[Campaign], known: Sequence[str]) -> list[RunList]:
    """A list a variant.

    Args:
        found: the campaigns.
        known: see `environments`; runs name them by number.
    """
    lists = []
    for campaign in found:
        for variant in campaign.variants:
            title = variant.name if campaign.title == BY_HAND else f"{campaign.title}: {variant.name}"
            base = next((run for run in variant.runs if run.config), None)
            ordered = sorted(variant.runs, key=lambda run: (run.state != "failed", run.state != "unreadable", run.name))
            lists.append(RunList(title, [_line(run, base, known) for run in ordered]))
    return lists


def command(run: Run) -> str:
    """The command that trained a run, as a shell would take it; empty where unknown."""
    words = (run.versions or {}).get("command")
    if isinstance(words, list) and words:
        return shlex.join(["python", *map(str, words)])
    return shlex.join(["python", "run.py", "fit", *run.record.arguments]) if run.record else ""


def _line(run: Run, base: Run | None, known: Sequence[str]) -> RunLine:
    facts = []
    if run.record and run.record.error:
        facts.append(f"Failed: {run.record.error}")
    facts += [f"Unreadable: {line}" for line in run.broken]
    if run.collapsed:
        facts.append("Collapsed: every embedding of the tested checkpoint is the same.")
    elif run.collapsed_later:
        facts.append("Alive at its best epoch, collapsed later.")
    if run.missing:
        facts.append(f"Not there: {', '.join(run.missing)}.")
    if run.versions:
        facts.append(f"Environment {known.index(_environment(run)) + 1}, started {run.started}.")
    if run.record and run.versions and run.record.arguments:
        alone = shlex.join(["python", "run.py", "fit", *run.record.arguments])
        if alone != command(run):
            facts.append(f"The same run alone: {alone}")
    if base is None or run is base or not run.config:
        return RunLine(run.name, run.state, facts, command(run), run.config_text)
    return RunLine(run.name, run.state, facts, command(run), _differences(base.config or {}, run.config), base.name)


def _differences(base: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    before, after = flatten(base), flatten(own)
    lines = [f"{key}: {json.dumps(value)}" for key, value in after.items() if before.get(key, ...) != value]
    lines += [f"{key}: (not there)" for key in before if key not in after]
    return "\n".join(lines) or "the same"


def _environment(run: Run) -> str:
    versions = run.versions or {}
    packages = versions.get("packages")
    named = [f"{name} {version}" for name, version in packages.items()] if isinstance(packages, dict) else []
    changed = " with uncommitted changes" if versions.get("uncommitted_changes") else ""
    commit = versions.get("commit")
    return "; ".join(
        [
            f"Python {versions.get('python', 'unknown')}",
            ", ".join(named) or "packages unknown",
            f"commit {commit}{changed}" if commit else "commit unknown",
        ]
    )
