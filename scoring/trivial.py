"""Predictors that look at no pose, or at poses without a learned representation: what every result is compared with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from poses.batches import EmbeddedClips, first_of_each
from scoring.ridge import ridge

CLASS_MEAN = "class mean"
DIFFICULTY = "difficulty alone"
RAW_RIDGE = "ridge on raw coordinates"
MEAN_RIDGE = "ridge on averaged coordinates"

UNCALIBRATED = frozenset({DIFFICULTY})
"""Trivial predictors that are not on the scale of the scores."""

RAW_LAMBDA = 30.0
"""Penalty of the ridge on raw coordinates; fixed, so that it needs no validation part."""


def trivial_predictions(
    queries: EmbeddedClips, exemplars: EmbeddedClips, covariate_names: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Predictions of the trivial predictors, fitted on exemplars alone.

    - "class mean": mean score of the training clips of the same action.
    - "difficulty alone": the degree of difficulty itself; its training mean for a query without one. Left out where no
      query has one.
    - "mean by <covariate>": mean score of the training clips with the same value of the covariate.
    - "ridge on raw coordinates": per action, on the normalised coordinates of the pose in the middle of each moment,
      lambda 30; left out where there are no poses.
    - "ridge on averaged coordinates": the same on the mean of each moment's poses; left out where each has only one.

    A value that no training clip has gets the mean of all training scores.

    Args:
        queries: nq tracks.
        exemplars: the training part; a clip with several tracks counts once in the means.
        covariate_names: one for each column of `covariates`.

    Returns:
        By name, [nq] float64; NaN where no exemplar has a score.
    """
    known = exemplars[exemplars.score.isfinite()]
    clips = known[first_of_each(known.clip)]
    predictions = {CLASS_MEAN: _mean_by(clips.action, clips.score, queries.action)}
    if queries.difficulty.isfinite().any():
        predictions[DIFFICULTY] = torch.where(
            queries.difficulty.isfinite(), queries.difficulty, clips.difficulty.nanmean()
        )
    for column, name in enumerate(covariate_names):
        predictions[f"mean by {name}"] = _mean_by(
            clips.covariates[:, column], clips.score, queries.covariates[:, column]
        )
    if not queries.poses.shape[1]:
        return predictions
    predictions[RAW_RIDGE] = _raw_ridge(queries, known, queries.middle_poses, known.middle_poses)
    if queries.poses.shape[1] > queries.embedding.shape[1]:
        predictions[MEAN_RIDGE] = _raw_ridge(queries, known, queries.mean_poses, known.mean_poses)
    return predictions


def _mean_by(keys: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """Mean of the values with the wanted key; of all values where the key is unknown (-1) or new."""
    keys, values, everything = keys[keys >= 0], values[keys >= 0], values.mean()
    if not len(keys):
        return everything.expand(len(wanted))
    distinct, inverse, count = torch.unique(keys, return_inverse=True, return_counts=True)
    means = values.new_zeros(len(distinct)).index_add_(0, inverse, values) / count
    place = torch.searchsorted(distinct, wanted.contiguous()).clamp(max=len(distinct) - 1)
    return torch.where(distinct[place] == wanted, means[place], everything)


def _raw_ridge(queries: EmbeddedClips, known: EmbeddedClips, wanted: Tensor, poses: Tensor) -> Tensor:
    prediction = queries.score.new_full((len(queries),), torch.nan)
    if len(known):
        for rows, columns in queries.by_action(known):
            features, query_features = poses[columns, ..., :2].flatten(1), wanted[rows, ..., :2].flatten(1)
            prediction[rows] = ridge(features, known.score[columns], query_features, (RAW_LAMBDA,))[0]
    return prediction
