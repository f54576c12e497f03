"""The tables of a report: Table I of a dataset, the table of a campaign, its costs and its robustness."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from errors import counted
from reports.curves import Curve, change
from reports.datasets import About
from reports.document import Cell, Line, Table
from reports.groups import Variant
from reports.variants import Comparison, Difference, Measured, chosen_scorer, validation_rho
from scoring.trivial import RAW_RIDGE

RESAMPLED = (
    "Intervals: 95 % percentile bootstrap, 1,000 draws of whole {groups}. Seeds are averaged first: in each resample "
    "the statistic is the mean over the seeds of rho. It stands for one model trained with one seed, not for an "
    "ensemble. Differences are paired: both predictors see the same resamples."
)
PUBLISHED = (
    "Published rows are other people's numbers, copied, not measured here, without seeds or intervals. Tables of the "
    "field choose the best epoch on the test part, which flatters; the measured rows choose everything on a "
    "validation part of the training clips."
)
COLLAPSE = (
    "A run is collapsed if every embedding of the tested checkpoint is the same; it stays in the table, an undefined "
    "rho counting as 0."
)


def table_one(about: About, found: Sequence[Comparison]) -> Table:
    """Every variant with the scorer that validation chose, the trivial predictors, and published rows.

    Args:
        about: the dataset.
        found: the campaigns on it.
    """
    with_errors = any(row.relative_l2 is not None for one in found for row in (*one.measured.values(), *one.trivial))
    several = len(found) > 1
    header = ["method", "kind", "scorer", "rho", "95 % by clip", f"95 % by {about.group}"]
    header += ["R-l2 x100"] * with_errors + ["seeds", "clips", "source, averaging"]
    lines: list[Line] = []
    guessed = False
    for one in found:
        for variant in one.variants:
            scorer, by_validation = chosen_scorer(variant, one.scorers(variant))
            guessed |= not by_validation and len(one.scorers(variant)) > 1
            name = f"{variant.name} ({one.campaign.title})" if several else variant.name
            lines.append(_line_one(name, one.measured[variant.name, scorer], with_errors))
    lines += [_line_one(row.scorer, row, with_errors) for row in found[0].trivial]
    for row in about.published:
        cells = [row.method, "human" if row.human else "published", "", f"{row.rho:.3f}", "", ""]
        cells += [_number(row.relative_l2, "")] * with_errors
        cells += ["", "", f"{row.source}; {row.averaging}"]
        lines.append(Line([Cell(cell) for cell in cells], "human" if row.human else "published"))
    comparison = found[0]
    notes = [_rho_in_words(comparison), RESAMPLED.format(groups=f"{about.group}s, or of clips")]
    if with_errors:
        notes.append(
            "R-l2 x100: the mean squared error relative to the range of the true scores, lower is better; only of "
            "scorers on the scale of the scores, mean over the runs."
        )
    if guessed:
        notes.append("Where validation logged no rho by scorer, the first scorer of the config is shown.")
    if about.published:
        notes.append(PUBLISHED)
        if about.title == "AQA-7" and len(comparison.actions) != 6:
            sports = ", ".join(comparison.actions)
            notes.append(f"The measured rows are of {sports} alone, the published ones of six sports: not comparable.")
    else:
        notes.append(f"No published results are known here for {about.title}, so there are no such rows.")
    caption = (
        f"How well each method puts the test clips of {about.title} into the order of their true scores, one row a "
        "method. Of a trained model the scorer with the highest rho on the validation part is shown, of one with a "
        "head that predicts scores (CoRe, TPT) the head: regression. Trivial predictors know no model: a model that "
        "does not beat ridge on raw coordinates has learnt nothing that linear regression does not find in the same "
        "poses."
    )
    return Table(f"Table I: {about.title}", caption, header, lines, 3, notes)


def table_two(one: Comparison, groups: str, robustness: Mapping[str, Sequence[Curve]]) -> Table:
    """Variants and scorers as rows, with paired differences to ridge on raw coordinates and to the first variant."""
    several = len(one.variants) > 1
    costs = [_costs(variant) for variant in one.variants]
    with_costs = any(cost.known for cost in costs)
    header = ["variant", "scorer", "seeds", "collapsed runs", "rho", "95 % interval", "mean rho per fold"]
    header += ["sd over seeds"]
    header += ["minus raw ridge", "95 % interval"] + ["minus first variant", "95 % interval"] * several
    header += ["parameters", "training (s)", "inference (ms a clip)"] * with_costs
    header += ["rho when perturbed"] * bool(robustness) + ["rho on validation"]

    def line(
        title: str,
        row: Measured,
        cost: "_Cost | None" = None,
        perturbed: float | None = None,
        validated: float | None = None,
    ) -> Line:
        trivial = not row.variant
        own = ("", "", "") if trivial else (row.scorer, str(row.seeds), f"{row.collapsed} of {row.runs}")
        rho = (_number(row.rho), interval(row.by_group or row.by_clip), _number(row.per_part))
        cells = [*map(Cell, (title, *own, *rho, _number(row.deviation, ""))), *difference(row.to_ridge)]
        cells += difference(row.to_first) if several else ()
        if with_costs:
            cells += [Cell(text) for text in (cost.cells if cost else ("", "", ""))]
        if robustness:
            cells.append(Cell("" if perturbed is None else f"{perturbed:+.3f}"))
        cells.append(Cell(_number(validated, "")))
        return Line(cells, "trivial" if trivial else "measured")

    lines = []
    for variant, cost in zip(one.variants, costs, strict=True):
        alive = sum(not any(run.collapsed for run in seed) for seed in variant.seeds)
        scorers = one.scorers(variant)
        for scorer in scorers:
            row = one.measured[variant.name, scorer]
            perturbed = change(robustness.get(variant.name, ())) if row is one.chosen(variant) else None
            lines.append(line(variant.name, row, cost, perturbed, validation_rho(variant, scorer)))
        if 0 < alive < len(variant.seeds):
            title = f"{variant.name}, without the seeds with a collapsed run"
            lines += [line(title, one.measure(variant, scorer, alive=True), cost) for scorer in scorers]
    lines += [line(row.scorer, row) for row in one.trivial]
    caption = (
        "One row a variant and a scorer (how poses become the score of a clip). A difference above 0 means that the "
        "row ranks better; it is marked with * and bold where its interval excludes 0. Look at the interval before the "
        "difference: two rows whose paired difference includes 0 cannot be told apart with these clips."
    )
    notes = _notes(one, groups, with_costs, bool(robustness))
    return Table("Variants and paired differences", caption, header, lines, 2, notes)


def interval(ends: tuple[float, float] | None) -> str:
    """An interval as text; "-" where undefined."""
    return "-" if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]"


def difference(found: Difference | None) -> tuple[Cell, Cell]:
    """Cells of a difference and its interval; empty where there is none."""
    if found is None:
        return Cell(""), Cell("")
    star = " *" if found.established else ""
    return Cell(f"{found.value:+.3f}{star}", found.established), Cell(interval(found.interval))


def robustness_table(curves: Mapping[str, Sequence[Curve]]) -> Table:
    """Rho at the strongest level of every perturbation, and its change, by variant."""
    names = list(dict.fromkeys(curve.perturbation for own in curves.values() for curve in own))
    strongest: dict[str, str] = {}
    lines = []
    for variant, own in curves.items():
        by_name = {curve.perturbation: curve for curve in own}
        cells = [Cell(variant), Cell(_number(next((curve.rhos[0] for curve in own), None)))]
        for name in names:
            if curve := by_name.get(name):
                strongest[name] = f"{name}, {curve.levels[-1]:g} {curve.unit}"
                cells.append(Cell(f"{curve.rhos[-1]:.3f} ({curve.rhos[-1] - curve.rhos[0]:+.3f})"))
            else:
                cells.append(Cell("-"))
        lines.append(Line(cells))
    return Table(
        "Robustness",
        "Rho on the test clips when their poses are disturbed as strongly as was tried, and in brackets its change "
        "from the poses as they are. The models were trained on undisturbed poses. A change near 0 means that the "
        "predictor does not depend on what was disturbed.",
        ["variant", "undisturbed", *(strongest.get(name, name) for name in names)],
        lines,
        1,
        ["Rho is taken within each test part and averaged over the runs, so it may differ from the pooled rho above."],
    )


@dataclass(frozen=True)
class _Cost:
    parameters: int | None
    seconds: float | None
    milliseconds: float | None
    stacked: int

    @property
    def known(self) -> bool:
        return not (self.parameters is None and self.seconds is None and self.milliseconds is None)

    @property
    def cells(self) -> tuple[str, str, str]:
        return (
            "-" if self.parameters is None else f"{self.parameters:,}",
            "-" if self.seconds is None else f"{self.seconds:,.0f}" if self.seconds >= 10 else f"{self.seconds:.1f}",
            "-" if self.milliseconds is None else f"{self.milliseconds:.3g}",
        )


def _costs(variant: Variant) -> _Cost:
    known = [run.cost for run in variant.compared if run.cost]
    seconds = [cost.fit_seconds for cost in known if cost.fit_seconds is not None]
    if not seconds:
        records = [run.record for run in variant.compared if run.record]
        seconds = [record.seconds for record in records if record.seconds is not None]
    members = [cost.members for cost in known]
    members += [run.record.members for run in variant.compared if run.record]
    return _Cost(
        parameters=known[0].parameters if known else None,
        seconds=statistics.mean(seconds) if seconds else None,
        milliseconds=statistics.median(cost.milliseconds_per_clip for cost in known) if known else None,
        stacked=max(members, default=1),
    )


def _rho_in_words(comparison: Comparison) -> str:
    table = comparison.first
    parts = len(comparison.variants[0].parts)
    clips = int(table.score.isfinite().sum())
    of = f"{clips} clips" + (f" of {comparison.groups} groups" if comparison.groups else "")
    folds = f", {parts} folds" if parts > 1 else ""
    if comparison.headline == "fisher":
        return (
            f"{of}{folds}. rho: Spearman's rho within each of {len(comparison.actions)} actions, joined by the Fisher "
            "mean tanh(mean(artanh rho)); mean over the seeds."
        )
    out = "all out-of-fold predictions" if parts > 1 else "all test clips"
    return f"{of}{folds}. rho: Spearman's rho over {out}, mean over the seeds."


def _notes(one: Comparison, groups: str, with_costs: bool, with_robustness: bool) -> list[str]:
    first = one.variants[0]
    ranked = sorted(first.seeds[0][0].result.uncalibrated) if first.seeds[0][0].result else []
    notes = [_rho_in_words(one)]
    if len(first.parts) > 1 and ranked:
        notes[0] += f" Ranked within a fold before pooling: {', '.join(ranked)}."
    notes += [RESAMPLED.format(groups=f"{groups}s" if one.groups > 1 else "clips"), COLLAPSE]
    notes.append(
        "Rho on validation: of the epoch that was kept, mean over the runs; variants are to be chosen by it. It is the "
        "best of several epochs on fewer clips, so neither too high nor too low a value says anything by itself."
    )
    if len(one.variants) > 1:
        notes.append(f"The first variant, from which differences are taken scorer by scorer, is {first.name}.")
    marked = sum(bool(row.to_first) for row in one.measured.values())
    if marked > 10:
        notes.append(
            f"{marked} differences to the first variant are shown: of as many without any real difference about "
            f"{0.05 * marked:.0f} would be marked by chance."
        )
    if other := one.other_raw_ridges():
        notes.append(
            f"{RAW_RIDGE.capitalize()} is that of {first.name}; these variants prepare poses in another way, and their "
            f"own would differ: {', '.join(other)}."
        )
    for variant in one.campaign.variants:
        notes += _notes_on(variant, len(first.parts))
    if with_costs:
        stacked = max(_costs(variant).stacked for variant in one.variants)
        notes.append(
            "Training: wall time of a run, mean; inference: from the poses of a clip to its embeddings, median."
            + (f" Up to {stacked} models were trained as one stack, whose time is divided by them." * (stacked > 1))
        )
    if with_robustness:
        notes.append(
            "Rho when perturbed: mean change of rho at the strongest level of every perturbation, of the scorer that "
            "validation chose."
        )
    return notes


def _notes_on(variant: Variant, parts: int) -> list[str]:
    name, notes = variant.name, []
    if variant.seeds and all(any(run.collapsed for run in seed) for seed in variant.seeds):
        notes.append(f"{name}: every seed has a collapsed run.")
    later = sum(run.collapsed_later for run in variant.compared)
    if later:
        alive = "1 further run was alive at its" if later == 1 else f"{later} further runs were alive at their"
        notes.append(f"{name}: {alive} best epoch and collapsed later.")
    if variant.incomplete:
        notes.append(f"{name}: {counted(variant.incomplete, 'seed')} not in the table, for want of a test part.")
    if variant.seeds and len(variant.parts) != parts:
        notes.append(f"{name}: has {counted(len(variant.parts), 'test part')}, the first variant {parts}.")
    if variant.repeated:
        notes.append(f"{name}: {counted(variant.repeated, 'run')} left out, repeated by a newer one.")
    for state, what in (("failed", "failed"), ("unfinished", "not tested yet"), ("unreadable", "unreadable")):
        if count := sum(run.state == state for run in variant.runs):
            notes.append(f"{name}: {counted(count, 'run')} {what}.")
    if stopped := sum(run.state == "stopped" for run in variant.runs):
        notes.append(f"{name}: {counted(stopped, 'run')} stopped early, on purpose.")
    return notes


def _line_one(name: str, row: Measured, with_errors: bool) -> Line:
    trivial = not row.variant
    cells = [name, "trivial" if trivial else "measured", "" if trivial else row.scorer, _number(row.rho)]
    cells += [interval(row.by_clip), interval(row.by_group)]
    cells += [_number(row.relative_l2)] * with_errors
    cells += ["" if trivial else str(row.seeds), str(row.clips)]
    cells += [f"{row.collapsed} of {row.runs} runs collapsed" if row.collapsed else ""]
    return Line([Cell(cell) for cell in cells], "trivial" if trivial else "measured")


def _number(value: float | None, otherwise: str = "-") -> str:
    return otherwise if value is None else f"{value:.3f}"
