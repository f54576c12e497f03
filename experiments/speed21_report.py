"""The Markdown table of `experiments.speed21_table`, from what `test` left in the runs' folders."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errors import InputError
from reports.results import RunResult, folds_of, tables_of
from scoring.evaluation import ClipTable
from scoring.metrics import spearman
from scoring.pooling import compare_seeds, pool
from scoring.trivial import RAW_RIDGE

Key = tuple[str, int, int]
"""Model, seed and fold."""

TITLES = {"gcn_psn": "GCN-PSN, 2 channels", "gcn_64": "GCN, 64 channels", "mlp": "MLP baseline"}
HEADER = (
    "model", "scorer", "seeds", "collapsed runs", "rho", "95 % interval", "mean rho per fold", "sd over seeds",
    "minus raw ridge", "95 % interval",
)  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """The runs of one model and seed, one a fold."""

    runs: Sequence[RunResult]
    tables: Sequence[ClipTable]
    pooled: ClipTable

    @property
    def collapsed(self) -> int:
        """How many of the runs are collapsed as tested."""
        return sum(bool(result.metrics["collapsed"]) for result in self.runs)

    def fold_rhos(self, predictor: str) -> Tensor:
        """Rho of every fold; NaN where undefined."""
        return torch.stack([spearman(table.predictions[predictor], table.score) for table in self.tables])


def report(results: Mapping[Key, RunResult], planned: Sequence[Key], failed: Sequence[str] = ()) -> str:
    """The table and what is to be said about it, in Markdown.

    Args:
        results: the finished runs.
        planned: the runs that there should be.
        failed: a line for each run that failed.

    Raises:
        InputError: no seed of any model has all its folds, or the runs do not belong together.
    """
    folds = len({fold for _, _, fold in planned})
    models = _complete(results, folds)
    if not models:
        raise InputError("no seed of any model has all its folds yet; run the script without --table-only")
    first = next(iter(models.values()))[0]
    true, group = first.pooled.score, first.pooled.group
    raw = first.pooled.predictions[RAW_RIDGE]

    def row(title: str, name: str, seeds: Sequence[Seed], trivial: bool = False) -> str:
        found = compare_seeds(torch.stack([seed.pooled.predictions[name] for seed in seeds]), raw, true, group)
        by_fold = torch.stack([seed.fold_rhos(name) for seed in seeds])
        undefined = trivial and bool(spearman(first.pooled.predictions[name], true).isnan())
        cells = [
            title,
            "" if trivial else name,
            "" if trivial else str(len(seeds)),
            "" if trivial else f"{sum(seed.collapsed for seed in seeds)} of {len(seeds) * folds}",
            "-" if undefined else f"{found.rho:.3f}",
            "-" if undefined else _interval(found.interval),
            "-" if bool(by_fold.isnan().all()) else f"{by_fold.nan_to_num(0).mean():.3f}",
            f"{found.by_seed.std():.3f}" if len(seeds) > 1 else "",
            "" if undefined or name == RAW_RIDGE else f"{found.difference:+.3f}",
            "" if undefined or name == RAW_RIDGE else _interval(found.difference_interval),
        ]
        return f"| {' | '.join(cells)} |"

    lines = [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    for model, seeds in models.items():
        alive = [seed for seed in seeds if not seed.collapsed]
        scorers = [name for name in first.runs[0].predictors if name not in first.runs[0].trivial]
        lines += [row(TITLES[model], name, seeds) for name in scorers]
        if 0 < len(alive) < len(seeds):
            lines += [row(f"{TITLES[model]}, without the seeds with a collapsed run", name, alive) for name in scorers]
    trivial = [name for name in first.pooled.predictions if name in first.runs[0].trivial]
    lines += [row(name, name, [first], trivial=True) for name in sorted(trivial, key=RAW_RIDGE.__ne__)]
    return "\n".join([*lines, "", *_notes(results, models, folds, len(planned), failed, group), ""])


def _complete(results: Mapping[Key, RunResult], folds: int) -> dict[str, list[Seed]]:
    """By model, the seeds with all their folds; predictions of *reference* are ranked within a fold."""
    runs = list(results.values())
    if not runs:
        return {}
    for model in dict.fromkeys(model for model, _, _ in results):
        folds_of([result for key, result in results.items() if key[0] == model])
    tables = dict(zip(results, tables_of(runs)[0], strict=True))
    models: dict[str, list[Seed]] = {}
    for model, seed in dict.fromkeys((model, seed) for model, seed, _ in results):
        own = [(model, seed, fold) for fold in range(folds) if (model, seed, fold) in results]
        if len(own) == folds:
            parts = [tables[key] for key in own]
            pooled = pool([[part] for part in parts], runs[0].uncalibrated)
            models.setdefault(model, []).append(Seed([results[key] for key in own], parts, pooled))
    return models


def _notes(
    results: Mapping[Key, RunResult],
    models: Mapping[str, Sequence[Seed]],
    folds: int,
    planned: int,
    failed: Sequence[str],
    group: Tensor,
) -> list[str]:
    ranked = ", ".join(sorted(next(iter(results.values())).uncalibrated)) or "none"
    notes = [
        f"- {len(group)} clips of {len(torch.unique(group))} groups, {folds} folds. rho: Spearman's rho over all "
        f"out-of-fold predictions, mean over the seeds. Ranked within a fold before pooling: {ranked}.",
        "- Intervals: 95 % percentile bootstrap, 1,000 draws of whole groups. Seeds are averaged first: in each "
        "resample the statistic is the mean over the seeds of rho. It stands for one model trained with one seed, not "
        "for an ensemble. Differences are paired: both predictors see the same resamples.",
        "- A run is collapsed if every embedding of the tested checkpoint is the same; it stays in the table, an "
        "undefined rho counting as 0.",
    ]
    for model, seeds in models.items():
        if all(seed.collapsed for seed in seeds):
            notes.append(f"- {TITLES[model]}: every seed has a collapsed run.")
        later = sum(_collapsed_at_the_end(result) for seed in seeds for result in seed.runs)
        if later:
            notes.append(f"- {TITLES[model]}: {_alive(later)} best epoch and collapsed later.")
    used = sum(len(seeds) * folds for seeds in models.values())
    if used < planned:
        notes.append(f"- Incomplete: {len(results)} of {planned} runs are finished, {used} of them are in the table.")
    return notes + [f"- Failed: {line}" for line in failed]


def _alive(count: int) -> str:
    return "1 further run was alive at its" if count == 1 else f"{count} further runs were alive at their"


def _collapsed_at_the_end(result: RunResult) -> bool:
    """Whether the last validation found a collapse that the tested checkpoint does not have."""
    path = result.folder / "metrics.csv"
    if result.metrics["collapsed"] or not path.is_file():
        return False
    with path.open(newline="") as file:
        found = [row["val/collapsed"] for row in csv.DictReader(file) if row.get("val/collapsed")]
    return bool(found) and float(found[-1]) > 0


def _interval(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.2f}, {ends[1]:.2f}]"
