"""All metrics of one evaluation, for every scorer and the trivial predictors beside them."""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from poses.batches import ClipFacts, EmbeddedClips, first_of_each, mean_of_each, names_of
from scoring.metrics import bootstrap_interval, fisher_mean, ranks, relative_l2, rho_statistic, spearman
from scoring.trivial import UNCALIBRATED, trivial_predictions

Headline = Literal["fisher", "pooled"]
Ends = tuple[float, float]


@dataclass(eq=False)
class ClipTable(ClipFacts):
    """One row a clip, known score or not.

    Shapes:
        predictions: by predictor, [n] float64, averaged over the clip's tracks.
    """

    predictions: dict[str, Tensor]

    def rho(self, predictor: str, headline: Headline) -> float:
        """`headline_rho` of a predictor over the clips with a known score; NaN where undefined."""
        known = self.score.isfinite()
        return float(headline_rho(self.predictions[predictor][known], self.score[known], self.action[known], headline))


@dataclass(frozen=True)
class Row:
    """Metrics of one predictor; None where undefined.

    Attributes:
        name: name of the predictor.
        trivial: whether it is one of `trivial_predictions`.
        rho: the headline: `fisher_rho` or `pooled_rho`.
        by_clip: 95 % interval of `rho`, clips resampled.
        by_group: 95 % interval of `rho`, groups resampled.
        pooled_rho: Spearman's rho over all clips. Where the headline is "fisher" and there are several actions, of
            numbers that are comparable: see `evaluate`.
        fisher_rho: Fisher mean of the rhos per action.
        relative_l2: R-l2 x 100; with headline "fisher" the arithmetic mean over actions. None for predictors that are
            not calibrated.
        execution_rho: the headline metric on execution, score / difficulty.
    """

    name: str
    trivial: bool
    rho: float | None
    by_clip: Ends | None
    by_group: Ends | None
    pooled_rho: float | None
    fisher_rho: float | None
    relative_l2: float | None
    execution_rho: float | None


@dataclass(frozen=True)
class ActionRow:
    """Metrics of the first predictor on one action; None where undefined."""

    action: str
    clips: int
    rho: float | None
    by_clip: Ends | None
    relative_l2: float | None


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        clips: number of clips with a known score; only these are evaluated.
        groups: number of groups among them, 0 where unknown.
        synthetic: whether the clips are generated.
        headline: which rho `Row.rho` is.
        rows: one a predictor, those under test first.
        actions: one an action, for the first predictor.
        table: predictions for every clip.
    """

    clips: int
    groups: int
    synthetic: bool
    headline: Headline
    rows: list[Row]
    actions: list[ActionRow]
    table: ClipTable

    def to_json(self) -> dict[str, Any]:
        """Everything but the table, in types that JSON has; undefined numbers are None."""
        return {
            "clips": self.clips,
            "groups": self.groups,
            "synthetic": self.synthetic,
            "headline": self.headline,
            "rows": [asdict(row) for row in self.rows],
            "actions": [asdict(row) for row in self.actions],
        }


def headline_rho(prediction: Tensor, true: Tensor, action: Tensor, headline: Headline) -> Tensor:
    """Spearman's rho over all clips together, or the Fisher mean of the rhos of the actions.

    Shapes:
        prediction: [..., n].
        true: [n].
        action: [n].

    Returns:
        [...] float64 in [-1, 1]; NaN where undefined: of all clips, or of every action.
    """
    if headline == "pooled":
        return spearman(prediction, true)
    rhos = [spearman(prediction[..., action == one], true[action == one]) for one in action.unique()]
    return fisher_mean(torch.stack(rhos, -1) if rhos else prediction.new_full((*prediction.shape[:-1], 1), torch.nan))


def clip_table(queries: EmbeddedClips, predictions: Mapping[str, Tensor]) -> ClipTable:
    """One row a clip, on the CPU, from predictions [N] per track.

    Copies of a track count once; the tracks of a clip are averaged.
    """
    once = first_of_each(queries.track)
    clip = queries.clip[once]
    first = once[first_of_each(clip)]
    return ClipTable(
        **{name: getattr(queries, name)[first].cpu() for name in names_of(ClipFacts)},
        predictions={name: mean_of_each(values[once].double(), clip).cpu() for name, values in predictions.items()},
    )


def evaluate(
    queries: EmbeddedClips,
    exemplars: EmbeddedClips,
    predictions: Mapping[str, Tensor],
    headline: Headline,
    action_names: Sequence[str],
    covariate_names: Sequence[str] = (),
    calibrated: Mapping[str, bool] | None = None,
    seed: int = 0,
    synthetic: bool = False,
) -> Evaluation:
    """Metrics of predictions, and of the trivial predictors fitted on the exemplars.

    Intervals are 95 % percentile bootstrap intervals of 1,000 draws. By clip, clips are drawn within each action where
    the headline is "fisher"; by group, whole groups are drawn from the whole set, because a group may lie across
    actions.

    With headline "pooled" the pooled rho is that of the numbers as they are. With headline "fisher" the actions' scores
    have scales of their own: scores and predictions are min-max normalised per action by the range of the *training*
    scores (of all training scores for an action that has no range), and predictions that are not calibrated by their
    rank within the action.

    On execution, score / difficulty, calibrated predictions are divided by the difficulty too; the others are taken as
    they are.

    Args:
        queries: tracks to evaluate on.
        exemplars: the training part.
        predictions: by name, [nq] per track.
        headline: which mean of the rhos is the main result.
        action_names: by action index.
        covariate_names: one for each column of `covariates`.
        calibrated: by name, whether predictions are on the scale of the scores (default: they are).
        seed: seed of the intervals.
        synthetic: whether the clips are generated; carried along.

    Returns:
        See `Evaluation`; undefined numbers are None, never NaN.
    """
    trivial = trivial_predictions(queries, exemplars, covariate_names)
    known = exemplars.score.isfinite()
    return evaluate_table(
        clip_table(queries, {**predictions, **trivial}),
        headline=headline,
        action_names=action_names,
        trivial=trivial.keys(),
        uncalibrated=UNCALIBRATED | {name for name, on_scale in (calibrated or {}).items() if not on_scale},
        training=(exemplars.action[known].cpu(), exemplars.score[known].cpu()),
        seed=seed,
        synthetic=synthetic,
    )


def evaluate_table(
    table: ClipTable,
    *,
    headline: Headline,
    action_names: Sequence[str],
    trivial: Container[str] = (),
    uncalibrated: Container[str] = (),
    training: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
    synthetic: bool = False,
) -> Evaluation:
    """Metrics of predictions that were made before, as `evaluate` computes them.

    Args:
        table: the clips and their predictions.
        headline: which mean of the rhos is the main result.
        action_names: by action index.
        trivial: names of the trivial predictors.
        uncalibrated: names of the predictors that are not on the scale of the scores.
        training: actions [m] and known scores [m] of the training clips. Without them the pooled rho over several
            actions is undefined where the headline is "fisher".
        seed: seed of the intervals.
        synthetic: whether the clips are generated; carried along.
    """
    names = list(table.predictions)
    keep = table.score.isfinite()
    part = _Part(
        predictions=torch.stack([table.predictions[name][keep] for name in names]),
        calibrated=torch.tensor([name not in uncalibrated for name in names]),
        score=table.score[keep],
        action=table.action[keep],
        difficulty=table.difficulty[keep],
    )
    group = table.group[keep]
    n, groups = len(part.score), len(torch.unique(group[group >= 0]))
    fisher = headline == "fisher"

    pooled = spearman(*part.comparable(training)) if fisher and len(part.actions) > 1 else part.rho("pooled")
    mean = part.rho("fisher")
    error = part.errors().nanmean(-1) if fisher else part.error()
    execution_rho = part.execution().rho(headline)
    nothing = torch.full((len(names), 2), torch.nan)
    by_clip = by_group = nothing
    if n > 1:
        statistic = rho_statistic(part.predictions, part.score, part.action if fisher else None)
        by_clip = bootstrap_interval(statistic, n, strata=part.action if fisher else None, seed=seed)
        by_group = bootstrap_interval(statistic, n, groups=group, seed=seed) if groups > 1 else nothing

    rows = [
        Row(
            name=name,
            trivial=name in trivial,
            rho=_number(mean[i] if fisher else pooled[i]),
            by_clip=_ends(by_clip[i]),
            by_group=_ends(by_group[i]),
            pooled_rho=_number(pooled[i]),
            fisher_rho=_number(mean[i]),
            relative_l2=_number(error[i]),
            execution_rho=_number(execution_rho[i]),
        )
        for i, name in enumerate(names)
    ]
    return Evaluation(n, groups, synthetic, headline, rows, _action_rows(part, action_names, seed), table)


@dataclass(frozen=True)
class _Part:
    """Predictions [P, n] of P predictors for the n clips that are evaluated."""

    predictions: Tensor
    calibrated: Tensor
    score: Tensor
    action: Tensor
    difficulty: Tensor

    @property
    def actions(self) -> Tensor:
        actions: Tensor = torch.unique(self.action)
        return actions

    def __getitem__(self, keep: Tensor) -> "_Part":
        return _Part(
            self.predictions[:, keep], self.calibrated, self.score[keep], self.action[keep], self.difficulty[keep]
        )

    def rho(self, headline: Headline) -> Tensor:
        """Rho [P]."""
        return headline_rho(self.predictions, self.score, self.action, headline)

    def error(self) -> Tensor:
        """R-l2 x 100 [P] by the range of the true scores; NaN for predictors that are not calibrated."""
        if not len(self.score):
            return self.predictions.new_full((len(self.predictions),), torch.nan)
        error = relative_l2(self.predictions, self.score, self.score.min(), self.score.max())
        return error.masked_fill(~self.calibrated, torch.nan)

    def errors(self) -> Tensor:
        """R-l2 x 100 [P, A], each action by its own range."""
        errors = [self[self.action == action].error() for action in self.actions]
        return torch.stack(errors, -1) if errors else self.predictions.new_full((len(self.predictions), 1), torch.nan)

    def comparable(self, training: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Predictions [P, n] and scores [n] on one scale for all actions, given training actions and scores."""
        predictions, score = self.predictions.clone(), self.score.clone()
        if training is None or not len(training[1]):
            return predictions.fill_(torch.nan), score
        action, scores = training
        for one in self.actions:
            own = scores[action == one]
            own = own if len(torch.unique(own)) > 1 else scores
            low, extent = own.min(), own.max() - own.min()
            members = self.action == one
            normalised = (self.predictions[:, members] - low) / extent
            order = ranks(self.predictions[:, members]) / members.sum()
            order = order.masked_fill(normalised.isnan(), torch.nan)
            predictions[:, members] = torch.where(self.calibrated[:, None], normalised, order)
            score[members] = (score[members] - low) / extent
        return predictions, score

    def execution(self) -> "_Part":
        """The clips with a difficulty, their scores and calibrated predictions divided by it."""
        known = self[self.difficulty.isfinite() & (self.difficulty > 0)]
        divided = torch.where(self.calibrated[:, None], known.predictions / known.difficulty, known.predictions)
        return _Part(divided, self.calibrated, known.score / known.difficulty, known.action, known.difficulty)


def _action_rows(part: _Part, names: Sequence[str], seed: int) -> list[ActionRow]:
    rows = []
    for action in part.actions:
        own = part[part.action == action]
        statistic = rho_statistic(own.predictions[:1], own.score)
        n = len(own.score)
        ends = bootstrap_interval(statistic, n, seed=seed)[0] if n > 1 else torch.full((2,), torch.nan)
        rows.append(
            ActionRow(names[int(action)], n, _number(own.rho("pooled")[0]), _ends(ends), _number(own.error()[0]))
        )
    return rows


def _number(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _ends(ends: Tensor) -> Ends | None:
    low, high = ends.tolist()
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
