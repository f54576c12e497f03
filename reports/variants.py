"""How well variants rank, with intervals, and how they differ: seeds averaged first, folds pooled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reports.groups import Campaign, Variant
from run_folder.pooled_runs import tables_of
from run_folder.results import RunResult
from run_folder.runs import Run
from scoring.evaluation import ClipTable, Headline
from scoring.pooling import SeedComparison, compare_seeds, pool
from scoring.regression import RegressionScorer
from scoring.trivial import RAW_RIDGE

Ends = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A rho minus another, with its 95 % interval."""

    value: float
    interval: Ends

    @classmethod
    def of(cls, found: SeedComparison) -> "Difference":
        """Of models of several seeds and the predictor that they are compared with."""
        return cls(found.difference, found.difference_interval)

    @property
    def established(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval[0] > 0 or self.interval[1] < 0


@dataclass(frozen=True)
class Measured:
    """One predictor of one variant.

    Attributes:
        variant: name of the variant; empty for a trivial predictor.
        scorer: name of the predictor.
        seeds: how many models were averaged.
        runs: how many runs they have.
        collapsed: how many of these are collapsed.
        clips: how many clips were ranked.
        rho: the mean over the seeds of rho over the clips of all test parts; None where undefined.
        by_clip: 95 % interval, clips resampled.
        by_group: 95 % interval, groups resampled; None where there are fewer than two groups.
        per_part: mean over seeds and test parts of rho within a test part; None where it is undefined everywhere.
        deviation: of the seeds' rhos; None with fewer than two.
        relative_l2: R-l2 x 100, mean over the runs that have one.
        to_ridge: difference to ridge on raw coordinates.
        to_first: difference to the first variant with the same scorer; None where their clips differ.
    """

    variant: str
    scorer: str
    seeds: int
    runs: int
    collapsed: int
    clips: int
    rho: float | None
    by_clip: Ends | None
    by_group: Ends | None
    per_part: float | None
    deviation: float | None
    relative_l2: float | None
    to_ridge: Difference | None = None
    to_first: Difference | None = None


class Comparison:
    """The variants of a campaign on their test parts.

    Args:
        campaign: its variants; those without a complete seed are left out, and one is there.
    """

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.variants = campaign.tested
        runs = [run for variant in self.variants for run in variant.compared]
        tables, self.actions = tables_of([_result(run).columns for run in runs])
        self._tables = dict(zip((run.folder for run in runs), tables, strict=True))
        self._pooled: dict[str, list[ClipTable]] = {
            variant.name: [self._pool(seed) for seed in variant.seeds] for variant in self.variants
        }

    @cached_property
    def first(self) -> ClipTable:
        """The first seed of the first variant: where the trivial predictors are taken from."""
        return self._pooled[self.variants[0].name][0]

    @property
    def headline(self) -> Headline:
        """Which rho is the result."""
        headline: Headline = _result(self.variants[0].seeds[0][0]).metrics["headline"]
        return headline

    @property
    def groups(self) -> int:
        """How many groups there are; 0 where they are not known."""
        group = self.first.group
        return len(torch.unique(group[group >= 0]))

    def scorers(self, variant: Variant) -> list[str]:
        """Names of the predictors under test that every run of a variant has, the one that chose the epoch first."""
        return [name for name in self._pooled[variant.name][0].predictions if name not in self._trivial(variant)]

    def measure(self, variant: Variant, scorer: str, alive: bool = False) -> Measured:
        """One row of a variant; with `alive`, of its seeds without a collapsed run."""
        both = zip(self._pooled[variant.name], variant.seeds, strict=True)
        kept, seeds = zip(*(one for one in both if not (alive and any(run.collapsed for run in one[1]))), strict=True)
        first = self._pooled[self.variants[0].name]
        comparable = (
            variant is not self.variants[0]
            and torch.equal(first[0].clip, kept[0].clip)
            and all(scorer in table.predictions for table in first)
        )
        other = torch.stack([table.predictions[scorer] for table in first]) if comparable else None
        return self._measure(kept, seeds, variant.name, scorer, self._raw_ridge(kept[0]), other)

    @cached_property
    def measured(self) -> dict[tuple[str, str], Measured]:
        """Every row, by variant and scorer."""
        pairs = [(variant, scorer) for variant in self.variants for scorer in self.scorers(variant)]
        return {(variant.name, scorer): self.measure(variant, scorer) for variant, scorer in pairs}

    def chosen(self, variant: Variant) -> Measured:
        """The row of the scorer that validation chose."""
        return self.measured[variant.name, chosen_scorer(variant, self.scorers(variant))[0]]

    @cached_property
    def trivial(self) -> list[Measured]:
        """The trivial predictors, ridge on raw coordinates first: of each, that of the first variant that has it."""
        found: dict[str, Measured] = {}
        for variant in self.variants:
            table = self._pooled[variant.name][0]
            for name in (name for name in table.predictions if name in self._trivial(variant) and name not in found):
                against = None if name == RAW_RIDGE else self._raw_ridge(table)
                found[name] = self._measure([table], variant.seeds[:1], "", name, against, None)
        return sorted(found.values(), key=lambda row: row.scorer != RAW_RIDGE)

    def other_raw_ridges(self) -> list[str]:
        """Variants whose data are prepared so that ridge on raw coordinates is another predictor there."""
        other = []
        for variant in self.variants[1:]:
            table = self._pooled[variant.name][0]
            raw, own = self._raw_ridge(table), table.predictions.get(RAW_RIDGE)
            if raw is not None and own is not None and not torch.allclose(raw, own, equal_nan=True):
                other.append(variant.name)
        return other

    def pooled(self, variant: Variant) -> ClipTable:
        """Those of the first seed of a variant, all test parts together; uncalibrated ones as ranks."""
        return self._pooled[variant.name][0]

    def _pool(self, seed: Sequence[Run]) -> ClipTable:
        tables = [[self._tables[run.folder]] for run in seed]
        # the scale of a single model needs no ranks
        return pool(tables, _result(seed[0]).uncalibrated if len(seed) > 1 else ())

    def _raw_ridge(self, table: ClipTable) -> Tensor | None:
        """Ridge on raw coordinates for the clips of a table: that of the first variant, if it has the same clips."""
        same = torch.equal(table.clip, self.first.clip)
        return (self.first if same else table).predictions.get(RAW_RIDGE)

    def _trivial(self, variant: Variant) -> set[str]:
        return _result(variant.seeds[0][0]).trivial

    def _measure(
        self,
        pooled: Sequence[ClipTable],
        seeds: Sequence[Sequence[Run]],
        variant: str,
        name: str,
        raw: Tensor | None,
        first: Tensor | None,
    ) -> Measured:
        table = pooled[0]
        known = table.score.isfinite()
        true, group = table.score[known], table.group[known]
        actions = table.action[known] if self.headline == "fisher" else None
        own = torch.stack([one.predictions[name] for one in pooled])[:, known]

        def compare(other: Tensor | None, groups: Tensor | None) -> SeedComparison:
            against = own[0] if other is None else other[..., known]
            return compare_seeds(own, against, true, groups, actions=actions)

        runs = [run for seed in seeds for run in seed]
        collapsed = sum(run.collapsed for run in runs)
        if len(true) < 2:
            nothing = (None,) * 6
            return Measured(variant, name, len(seeds), len(runs), collapsed, len(true), *nothing)
        grouped = group if len(torch.unique(group[group >= 0])) > 1 else None
        by_clip = compare(None, None)
        found = compare(raw, grouped)
        parts = torch.tensor([self._tables[run.folder].rho(name, self.headline) for run in runs], dtype=torch.float64)
        undefined = not variant and math.isnan(table.rho(name, self.headline))  # else it is a trivial predictor
        rows = [row for run in runs for row in _result(run).metrics["rows"] if row["name"] == name]
        errors = [row["relative_l2"] for row in rows if row.get("relative_l2") is not None]
        return Measured(
            variant=variant,
            scorer=name,
            seeds=len(seeds),
            runs=len(runs),
            collapsed=collapsed,
            clips=len(true),
            rho=None if undefined else found.rho,
            by_clip=None if undefined else by_clip.interval,
            by_group=None if undefined or grouped is None else found.interval,
            per_part=None if bool(parts.isnan().all()) else float(parts.nan_to_num(0).mean()),
            deviation=float(found.by_seed.std()) if len(seeds) > 1 else None,
            relative_l2=sum(errors) / len(errors) if errors else None,
            to_ridge=None if raw is None or undefined else Difference.of(found),
            to_first=None if first is None else Difference.of(compare(first, grouped)),
        )


def chosen_scorer(variant: Variant, scorers: Sequence[str]) -> tuple[str, bool]:
    """The scorer with the highest mean rho on the validation parts, and whether there was something to choose by.

    Of a model that was trained to predict scores that is its head, *regression*: the others are there to compare.
    """
    if RegressionScorer.name in scorers:
        return RegressionScorer.name, True
    means: dict[str, float] = {}
    for scorer in scorers:
        rhos = [run.history.at_best(scorer) if run.history else None for run in variant.compared]
        if rhos and any(rho is not None for rho in rhos):
            means[scorer] = sum(rho or 0.0 for rho in rhos) / len(rhos)
    if len(means) < len(scorers):
        return scorers[0], False
    return max(means, key=lambda scorer: means[scorer]), True


def validation_rho(variant: Variant, scorer: str) -> float | None:
    """Mean over the compared runs of a scorer's rho on the validation part, undefined as 0; None if never logged."""
    rhos = [run.history.at_best(scorer) for run in variant.compared if run.history]
    return sum(rho or 0.0 for rho in rhos) / len(rhos) if any(rho is not None for rho in rhos) else None


def _result(run: Run) -> RunResult:
    assert run.result is not None
    return run.result
