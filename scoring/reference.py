"""The *reference* scorer: how close a clip is to the best training clips of its action."""

import torch
from torch import Tensor

from errors import InputError
from poses.batches import EmbeddedClips
from scoring.alignment import Alignment, IdentityAlignment
from scoring.distances import SCORE_WIDTH
from scoring.scorers import ClipScorer


class ReferenceScorer(ClipScorer):
    """Mean of eq. (6) over aligned poses and over the K best-scored exemplars of the action.

    Predictions lie in (0, 100] but not on the scale of the scores. Among exemplars of equal score the earlier counts as
    better.

    Args:
        k: candidates for K; where there are fewer exemplars, all are used.
        alignment: which poses are compared.
        u: width of eq. (6).
    """

    calibrated = False

    def __init__(self, k: tuple[int, ...] = (1, 5, 10, 20), alignment: Alignment | None = None, u: float = SCORE_WIDTH):
        super().__init__(tuple(k))
        if min(k) < 1 or not u > 0:
            raise InputError(f"k must be 1 or more and u above 0, but they are {k} and {u}")
        self.k, self.u = tuple(k), u
        self.alignment = alignment or IdentityAlignment()
        self.name = self.alignment.label("reference")

    def predict_action(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """See `ClipScorer`."""
        best = exemplars[exemplars.score.argsort(descending=True, stable=True)[: max(self.k)]]
        totals = self.alignment(queries, best, self.u).score.double().cumsum(1)
        return torch.stack([totals[:, min(k, len(best)) - 1] / min(k, len(best)) for k in self.k])
