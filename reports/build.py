"""From runs to a report: what is said in which order, and the list of runs with their commands and configs."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reports import curves, figures
from reports.datasets import About, about
from reports.document import Block, Gallery, Heading, Report, RunLine, RunList, Section
from reports.groups import BY_HAND, Campaign, DatasetRuns, by_dataset, campaigns, differing
from reports.tables import robustness_table, table_one, table_two
from reports.variants import Comparison
from run_folder.runs import Run
from settings import flatten

_WHAT = (
    "Models that judge how well an action was performed, from the poses of the body alone: 15 joints in 2D, no "
    "video. A network turns every pose into an embedding, and a scorer turns the embeddings of a clip into its score.",
    "Everything here was made from the folders of the runs. Rho is Spearman's rank correlation between predicted and "
    "true scores of clips that the model was not trained on: 1 means the same order, 0 no relation, below 0 the "
    "wrong order. Epochs, scorers and their options are chosen on a validation part of the training clips, never on "
    "the test part. A fold is one of several test parts that together hold every clip once; a seed is one random "
    "start of the training.",
)


def build(runs: Sequence[Run], title: str, reference: str | None = None) -> Report:
    """The whole report.

    Args:
        runs: what to report on, at least one.
        title: of the report.
        reference: name of the variant from which differences are taken; else the one that was started first.
    """
    datasets = by_dataset(runs)
    sections = [
        _dataset(dataset, number, [one for one in datasets if one.dataset == dataset.dataset], reference)
        for number, dataset in enumerate(datasets)
    ]
    known = environments(runs)
    lists = [block for dataset in datasets for block in run_lists(campaigns(dataset.runs, reference), known)]
    said: list[Block] = [
        "Open a run for its command, config and versions. Failed and unreadable runs of a variant stand first."
    ]
    said += [f"Environment {number}: {text}" for number, text in enumerate(known, 1)]
    sections.append(Section("Runs", "runs", [*said, *lists]))
    return Report(title, _WHAT, _warnings(runs), _facts(runs, datasets), sections)


def _dataset(dataset: DatasetRuns, number: int, alike: Sequence[DatasetRuns], reference: str | None) -> Section:
    described = about(dataset.dataset, str(dataset.protocol["folds"]) if "folds" in dataset.protocol else None)
    found = campaigns(dataset.runs, reference)
    compared = [Comparison(campaign) for campaign in found if campaign.tested]
    protocol = ", ".join(f"{key}: {value}" for key, value in dataset.protocol.items())
    title = described.title
    if len(alike) > 1:
        keys = differing([one.protocol for one in alike])
        own = [f"{key}: {dataset.protocol.get(key)}" for key in keys]
        # the same options, and yet test parts that overlap
        title += f" ({', '.join(own) or f'other test clips, {alike.index(dataset) + 1}'})"
    blocks: list[Block] = [described.text]
    if protocol:
        blocks.append(f"Options that decide the test part: {protocol}.")
    if not compared:
        blocks.append("None of these runs has been tested, so there is nothing to compare.")
    else:
        blocks.append(table_one(described, compared))
    for place, campaign in enumerate(found):
        blocks.append(Heading(campaign.title))
        one = next((one for one in compared if one.campaign is campaign), None)
        blocks += _campaign(campaign, one, described, f"d{number}c{place}")
    return Section(title, f"data-{number}", blocks)


def _campaign(campaign: Campaign, one: Comparison | None, described: About, prefix: str) -> list[Block]:
    galleries: list[Gallery | None] = []
    blocks: list[Block] = []
    if one is not None:
        perturbed = {}
        for variant in one.variants:
            if own := curves.robustness(variant, one.chosen(variant).scorer, one.headline):
                perturbed[variant.name] = own
        blocks.append(table_two(one, described.group, perturbed))
        galleries.append(figures.intervals(one, described, prefix))
        galleries.append(curves.margin_and_lr(campaign, described.title, prefix))
        if perturbed:
            blocks += [*_there(galleries), robustness_table(perturbed)]
            galleries = [figures.robustness(perturbed, one, described, prefix)]
        galleries += [figures.scatter(one, described, prefix), figures.pairs(one, described, prefix)]
        galleries.append(figures.attention(one, described, prefix))
    else:
        name = "The runs by hand" if campaign.title == BY_HAND else campaign.title
        blocks.append(f"{name}: no seed of any variant has been tested.")
    galleries.append(figures.learning(campaign, prefix))
    return [*blocks, *_there(galleries), *_left_out(campaign)]


def _there(galleries: Sequence[Gallery | None]) -> list[Gallery]:
    return [gallery for gallery in galleries if gallery]


def _left_out(campaign: Campaign) -> list[str]:
    """What is not shown for want of files."""
    runs = campaign.runs
    missing = Counter(name for run in runs for name in run.missing)
    what = {
        "metrics.csv": "learning curves",
        "cost.json": "parameters and times",
        "robustness.parquet": "robustness",
        "test/pairs.json": "pairs of poses",
        "versions.json": "command and versions",
    }
    lines = [
        f"{what[name]} ({name} is missing in {count} of {len(runs)} runs)"
        for name, count in missing.items()
        if name in what
    ]
    return [f"Left out for want of files: {'; '.join(lines)}."] if lines else []


def _warnings(runs: Sequence[Run]) -> list[str]:
    synthetic = sum(bool(run.result and run.result.metrics["synthetic"]) for run in runs)
    warnings = []
    if synthetic:
        which = "All runs" if synthetic == len(runs) else f"{synthetic} of {len(runs)} runs"
        warnings.append(
            f"SYNTHETIC DATA: {which} were tested on made-up poses. Their numbers say nothing about people."
        )
    if collapsed := sum(run.collapsed for run in runs):
        warnings.append(
            f"{collapsed} of {len(runs)} runs collapsed: every pose has the same embedding, and they rank nothing. "
            "They are counted, and stay in the tables."
        )
    if failed := sum(run.state == "failed" for run in runs):
        warnings.append(f"{failed} of {len(runs)} runs failed; the reasons are in the list of runs.")
    if unreadable := sum(bool(run.broken) for run in runs):
        warnings.append(f"{unreadable} of {len(runs)} runs have files that cannot be read; see the list of runs.")
    return warnings


def _facts(runs: Sequence[Run], datasets: Sequence[DatasetRuns]) -> list[tuple[str, str]]:
    states = Counter(run.state for run in runs)
    names = list(dict.fromkeys(about(dataset.dataset).title for dataset in datasets if dataset.dataset))
    facts = [("data", ", ".join(names) or "unknown"), ("runs", str(len(runs)))]
    facts += [(state, str(states[state])) for state in ("finished", "stopped", "failed")]
    facts.append(("collapsed", str(sum(run.collapsed for run in runs))))
    return facts + [(state, str(states[state])) for state in ("unfinished", "unreadable") if states[state]]


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
