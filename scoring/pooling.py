"""Test predictions of several models (folds, seeds, sports), joined into one table with every clip once."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from poses.batches import ClipFacts, names_of
from scoring.evaluation import ClipTable
from scoring.metrics import bootstrap_interval, ranks, rho_statistic


@dataclass(frozen=True)
class SeedComparison:
    """How well the models of several seeds rank, and how much better than another predictor.

    Attributes:
        rho: mean over the seeds of Spearman's rho; a seed whose rho is undefined counts as 0, because it ranks nothing.
        interval: 95 % interval of `rho`.
        by_seed: [S] rho of every seed, 0 where undefined.
        difference: `rho` minus that of the other predictor.
        difference_interval: 95 % interval of `difference`: both see the same resamples.
    """

    rho: float
    interval: tuple[float, float]
    by_seed: Tensor
    difference: float
    difference_interval: tuple[float, float]


def compare_seeds(
    seeds: Tensor,
    other: Tensor,
    true: Tensor,
    groups: Tensor | None = None,
    draws: int = 1000,
    seed: int = 0,
    actions: Tensor | None = None,
) -> SeedComparison:
    """Compares the mean rho of several seeds with the rho of another predictor on the same clips.

    Seeds are averaged first: in every resample the statistic is the mean over the seeds of each seed's rho. So the
    intervals are for the expected rho of a single model. (Averaging predictions would be for an ensemble.)

    Shapes:
        seeds: [S, n], predictions of the model by seed.
        other: [n], or [R, n] for another model by seed: the mean of its rhos, an undefined one counting as 0 too.
        true: [n].
        groups: [n]; whole groups are resampled, else clips.
        actions: [n]; with them every rho is the Fisher mean over the actions, and clips are drawn within actions.
    """
    rhos_of = rho_statistic(torch.cat((seeds, other if other.ndim > 1 else other[None])), true, actions)

    def by_seed(weights: Tensor) -> tuple[Tensor, Tensor]:
        rhos = rhos_of(weights)
        own, others = rhos[:, : len(seeds)].nan_to_num(0), rhos[:, len(seeds) :]
        return own, others.nan_to_num(0).mean(1) if other.ndim > 1 else others[:, 0]

    def statistic(weights: Tensor) -> Tensor:
        own, others = by_seed(weights)
        return torch.stack((own.mean(1), own.mean(1) - others), 1)

    whole = torch.ones(1, len(true), dtype=torch.float64)
    rho, difference = statistic(whole)[0].tolist()
    strata = actions if groups is None else None
    (low, high), (least, most) = bootstrap_interval(
        statistic, len(true), groups=groups, strata=strata, draws=draws, seed=seed
    ).tolist()
    return SeedComparison(rho, (low, high), by_seed(whole)[0][0], difference, (least, most))


def rank_normalised(prediction: Tensor, action: Tensor) -> Tensor:
    """Predictions as places among those for the same action: (rank - 1/2) / count.

    This joins predictions whose scale differs from model to model. It takes the test parts to be about equally good.

    Shapes:
        prediction: [n].
        action: [n] int64.

    Returns:
        [n] float64 in (0, 1), 0.5 where all are equal; NaN stays NaN.
    """
    place = torch.full(prediction.shape, torch.nan, dtype=torch.float64)
    for one in torch.unique(action):
        rows = ((action == one) & ~prediction.isnan()).nonzero()[:, 0]
        place[rows] = (ranks(prediction[rows]) - 0.5) / len(rows)
    return place


def pool(folds: Sequence[Sequence[ClipTable]], by_rank: Container[str] = ()) -> ClipTable:
    """One table of the clips of all folds.

    Args:
        folds: for each fold, the tables of one or several models for its clips, whose predictions are averaged. Tables
            number clips, actions and groups alike.
        by_rank: names of the predictors that are `rank_normalised` within every table first.

    Returns:
        Rows in the order of the clips' numbers, with the predictors that every table has.

    Raises:
        ValueError: a clip is in two folds, or the tables of a fold hold different clips.
    """
    everyone = [table for fold in folds for table in fold]
    names = [name for name in everyone[0].predictions if all(name in table.predictions for table in everyone)]
    joined = [_mean([_sorted(table, names, by_rank) for table in fold]) for fold in folds]
    clip = torch.cat([table.clip for table in joined])
    if len(torch.unique(clip)) < len(clip):
        raise ValueError("a clip is in two folds")
    whole = ClipTable(
        **{name: torch.cat([getattr(table, name) for table in joined]) for name in names_of(ClipFacts)},
        predictions={name: torch.cat([table.predictions[name] for table in joined]) for name in names},
    )
    return _sorted(whole, names)


def _sorted(table: ClipTable, names: Sequence[str], by_rank: Container[str] = ()) -> ClipTable:
    order = table.clip.argsort()
    facts = {name: getattr(table, name)[order] for name in names_of(ClipFacts)}
    predictions = {name: table.predictions[name][order].double() for name in names}
    ranked = {name: rank_normalised(predictions[name], facts["action"]) for name in names if name in by_rank}
    return ClipTable(**facts, predictions=predictions | ranked)


def _mean(tables: Sequence[ClipTable]) -> ClipTable:
    first = tables[0]
    if not all(torch.equal(table.clip, first.clip) for table in tables):
        raise ValueError("the tables of a fold hold different clips")
    means = {name: torch.stack([table.predictions[name] for table in tables]).mean(0) for name in first.predictions}
    return replace(first, predictions=means)
