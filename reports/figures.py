"""The figures of a report and their captions, written for readers who have never seen the project."""

from collections.abc import Mapping, Sequence

import numpy as np

from errors import counted
from reports.charts import Bar, interval_figure, learning_figure, robustness_figure, svg
from reports.clip_charts import attention_png, pair_png, scatter_png
from reports.curves import Curve
from reports.datasets import About
from reports.document import Gallery, Picture
from reports.groups import Campaign, Variant
from reports.variants import Comparison, validation_rho
from scoring.metrics import ranks, spearman
from scoring.trivial import RAW_RIDGE

MOST_VARIANTS = 4
"""Variants whose scatter plots and pairs of poses are drawn, and lines of a robustness figure."""

MOST_ACTIONS = 6
MOST_BARS = 30
FOLDED_FROM = 6
"""More figures than that are folded away until a reader opens them."""

_WORDS = ("high", "medium", "low")


def shown_variants(one: Comparison) -> list[Variant]:
    """The variants with figures of their own: all if they are few, else the first and the best on validation."""
    variants = one.variants
    if len(variants) <= MOST_VARIANTS:
        return list(variants)

    def validated(variant: Variant) -> float:
        return validation_rho(variant, one.chosen(variant).scorer) or 0.0

    best = sorted(variants[1:], key=validated, reverse=True)[: MOST_VARIANTS - 1]
    return [variants[0], *best]


def intervals(one: Comparison, about: About, prefix: str) -> Gallery:
    """Rho of every variant, with trivial and published rows."""
    bars = []
    for variant in one.variants:
        row = one.chosen(variant)
        bars.append(Bar(f"{variant.name} ({row.scorer})", row.rho, row.by_group or row.by_clip, "measured"))
    rest = len(bars) - MOST_BARS
    bars = bars[:MOST_BARS]
    for row in one.trivial:
        if row.rho is not None:
            bars.append(Bar(row.scorer, row.rho, row.by_group or row.by_clip, "trivial"))
    bars += [Bar(row.method, row.rho, None, "human" if row.human else "published") for row in about.published]
    over = f"{about.group}s" if one.groups > 1 else "clips"
    caption = (
        f"Data: the test clips of {about.title}. Each dot is Spearman's rho between predicted and true scores (1: the "
        f"same order, 0: no relation), each bar its 95 % interval with whole {over} resampled. Blue: trained models, "
        "with the scorer that validation chose in brackets, mean over seeds. Grey squares: predictors that use no "
        "trained model."
    )
    if about.published:
        caption += " Diamonds without a bar are published by others, not measured here, under kinder rules."
    caption += (
        f" Where the bar of a model reaches below the dot of {RAW_RIDGE}, these clips do not show that the model is "
        "better; overlapping bars alone do not show that two are equal: see the paired differences in the table."
    )
    if rest > 0:
        caption += f" {rest} more variants are in the table alone."
    figure = interval_figure(bars, f"rho, 95 % interval ({over} resampled)")
    name = f"{prefix}-rho"
    return Gallery("Rho at a glance", [Picture(name, "Rho with intervals", caption, svg(figure, name))])


def learning(campaign: Campaign, prefix: str) -> Gallery | None:
    """Loss and validation rho by epoch, a figure a variant."""
    pictures = []
    for number, variant in enumerate(campaign.variants):
        runs = [run.history for run in variant.runs if run.history and (run.history.loss or run.history.validation)]
        if not runs:
            continue
        name = f"{prefix}-learning-{number}"
        figure = learning_figure([(run.loss, run.validation.get("", {})) for run in runs])
        caption = (
            f"{variant.name}, {counted(len(runs), 'run')}. Above: the training loss (contrastive, eq. 4 of the paper; "
            "lower fits the training pairs better). Below: rho on the validation clips, which were held out of "
            "training; the epoch where it is highest is the one that is tested. Horizontal: epochs. Thin lines: "
            "single runs (seeds and test parts), thick: their mean. A loss that falls while rho does not rise is "
            "learning what does not help to rank; a run whose rho stops being drawn has collapsed."
        )
        pictures.append(Picture(name, f"Learning curves: {variant.name}", caption, svg(figure, name)))
    return Gallery("Learning curves", pictures, folded=len(pictures) > FOLDED_FROM) if pictures else None


def scatter(one: Comparison, about: About, prefix: str) -> Gallery | None:
    """Predicted against true scores, a figure a variant and action."""
    pictures = []
    for variant in shown_variants(one):
        number = one.variants.index(variant)
        scorer = one.chosen(variant).scorer
        table = one.pooled(variant)
        result = variant.seeds[0][0].result
        assert result is not None
        by_rank = scorer in result.uncalibrated
        predicted = table.predictions[scorer]
        there = table.score.isfinite() & predicted.isfinite()
        actions, counts = table.action[there].unique(return_counts=True)
        for action in actions[counts.argsort(descending=True, stable=True)][:MOST_ACTIONS].sort().values.tolist():
            own = there & (table.action == action)
            x, y = table.score[own], predicted[own]
            rho = spearman(y, x)
            if by_rank:
                x, y = ranks(x), ranks(y)
            named = one.actions[action]
            axes = (
                (f"rank by {about.score.removesuffix(' (s)')}", "predicted rank")
                if by_rank
                else (about.score, "predicted score")
            )
            caption = (
                f"{variant.name}, scorer {scorer}, seed {variant.seeds[0][0].seed}: {counted(len(x), 'test clip')} of "
                f"{named!r}, a dot a clip, rho {'undefined' if bool(rho.isnan()) else f'{float(rho):.2f}'}. "
                f"Horizontal: {axes[0]}; vertical: {axes[1]}"
                + (" (this scorer has no scale of its own, so ranks are drawn)." if by_rank else ".")
                + " A model that ranks perfectly gives a rising line; a cloud without direction means that it knows "
                "nothing about this action."
                + ("" if by_rank else " The grey line is where prediction and truth are equal.")
            )
            name = f"{prefix}-scatter-{number}-{action}"
            content = scatter_png(x.tolist(), y.tolist(), axes, not by_rank)
            pictures.append(Picture(name, f"{variant.name}: {named}", caption, content))
    text = _choice(one)
    return Gallery("Predicted against true", pictures, text, len(pictures) > FOLDED_FROM) if pictures else None


def pairs(one: Comparison, about: About, prefix: str) -> Gallery | None:
    """Fig. 3: pairs of poses of high, medium and low similarity, of one run a variant."""
    pictures = []
    for variant in shown_variants(one):
        number = one.variants.index(variant)
        run = next((run for run in variant.compared if run.pairs), None)
        for pair in run.pairs if run else ():
            level = pair["level"]
            caption = (
                f"{variant.name}: two poses of different test clips of {about.title}, as the model sees them (scaled "
                "to a square, orange: the person's right, blue: the left). Their similarity by eq. (6) of the paper "
                f"is {pair['score']:.1f} of 100, more than that of {100 * pair['above']:.0f} % of random "
                "pairs. Look whether poses that score high look alike to you, and poses that score low do not. One "
                "pair proves nothing, and the score says how alike poses are, not how good."
            )
            name = f"{prefix}-pair-{number}-{_WORDS.index(level) if level in _WORDS else level}"
            title = f"{level.capitalize()} similarity: {variant.name}"
            pictures.append(Picture(name, title, caption, pair_png(pair)))
    return Gallery("Pairs of poses (Fig. 3)", pictures, _choice(one), len(pictures) > FOLDED_FROM) if pictures else None


def attention(one: Comparison, about: About, prefix: str) -> Gallery | None:
    """Where heads that parse clips into parts look, over the test clips of a seed."""
    pictures = []
    for number, variant in enumerate(one.variants):
        maps = [run.attention for run in (variant.seeds[0] if variant.seeds else ()) if run.attention is not None]
        if not maps or len({found.shape[1:] for found in maps}) > 1:
            continue
        together = np.concatenate(maps)
        caption = (
            f"{variant.name}: where in a clip each part looks, of {counted(len(together), 'test clip')} of "
            f"{about.title}, one seed. Above: how a part's attention is spread over the windows of the clip, mean over "
            "the clips; below: the centre of each clip's attention. The ranking loss wants the centres of successive "
            "parts in order. Parts whose maps look alike do not parse anything; a centre in the middle may come from "
            "looking at both ends."
        )
        png = attention_png(together, f"Attention: {variant.name}")
        pictures.append(Picture(f"{prefix}-attention-{number}", f"Attention: {variant.name}", caption, png))
    return Gallery("Attention over time", pictures, folded=len(pictures) > FOLDED_FROM) if pictures else None


def robustness(found: Mapping[str, Sequence[Curve]], one: Comparison, about: About, prefix: str) -> Gallery | None:
    """Rho against the level of a perturbation, a figure a perturbation, a line a variant."""
    names = [variant.name for variant in shown_variants(one) if variant.name in found]
    perturbations = list(dict.fromkeys(curve.perturbation for own in found.values() for curve in own))
    pictures = []
    for number, perturbation in enumerate(perturbations):
        own = {name: next((c for c in found[name] if c.perturbation == perturbation), None) for name in names}
        lines = {name: (curve.levels, curve.rhos) for name, curve in own.items() if curve}
        unit = next((curve.unit for curve in own.values() if curve), "")
        if not lines:
            continue
        name = f"{prefix}-robustness-{number}"
        figure = robustness_figure(lines, f"{perturbation} ({unit})" if unit else perturbation)
        caption = (
            f"The test clips of {about.title} with their poses disturbed: {perturbation}. Horizontal: how strongly "
            f"({unit or 'level'}; 0: as they are); vertical: rho within a test part, mean over the runs, of the scorer "
            "that validation chose. The models were trained on undisturbed poses. A line that stays flat does not "
            "depend on what is disturbed; compare how fast lines fall, not small differences between them, for which "
            "no intervals are drawn."
        )
        pictures.append(Picture(name, f"Robustness: {perturbation}", caption, svg(figure, name)))
    return Gallery("Robustness curves", pictures, _choice(one)) if pictures else None


def _choice(one: Comparison) -> str:
    count = len(one.variants)
    if count <= MOST_VARIANTS:
        return ""
    return (
        f"Drawn for {MOST_VARIANTS} of {count} variants: the first, and the {MOST_VARIANTS - 1} others with the "
        "highest rho on the validation part."
    )
