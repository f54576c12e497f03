"""The number that epochs and options are chosen by."""

from typing import Literal

import torch
from torch import Tensor

from poses.batches import EmbeddedClips
from scoring.evaluation import clip_table
from scoring.metrics import fisher_mean, spearman


def headline_rho(queries: EmbeddedClips, prediction: Tensor, headline: Literal["fisher", "pooled"]) -> float:
    """Rho of predictions [N] per track against the clips' scores, tracks averaged first.

    Args:
        queries: N tracks; clips without a score are left out.
        prediction: [N] per track.
        headline: over all clips together, or the Fisher mean over actions.

    Returns:
        A number in [-1, 1]; NaN where no action has a defined rho.
    """
    table = clip_table(queries, {"prediction": prediction})
    known = table.score.isfinite()
    predicted, score, action = table.predictions["prediction"][known], table.score[known], table.action[known]
    if headline == "pooled":
        return float(spearman(predicted, score))
    rhos = [spearman(predicted[action == one], score[action == one]) for one in action.unique()]
    return float(fisher_mean(torch.stack(rhos))) if rhos else float("nan")
