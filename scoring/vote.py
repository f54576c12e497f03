"""The *vote* scorer: exemplars vote with their scores, the closer the louder."""

from typing import Literal

import torch
from torch import Tensor

from errors import InputError
from poses.batches import EmbeddedClips
from scoring.alignment import Alignment, IdentityAlignment
from scoring.distances import SCORE_WIDTH
from scoring.scorers import ClipScorer

_SAMPLE = 64
_SMALLEST_WIDTH = 1e-6
_PAIRS_AT_ONCE = 1 << 23


class VoteScorer(ClipScorer):
    """sum K(D) s_e / sum K(D) over the exemplars of the action, with eq. (6) as kernel: K(D) = exp(-(D / u)^2 / 2).

    D is the mean distance over aligned poses. The weights are computed as a softmax, so that they add up to 1 even when
    every K(D) is too small for a float: a query far from every exemplar gets the score of the nearest.

    Args:
        u: candidates for the width. "median" is the median distance between the action's exemplars, each pair of
            different clips once (of more than 64 exemplars, 64 evenly spread over their order); it does not depend on
            the queries.
        alignment: which poses are compared.
    """

    calibrated = True

    def __init__(
        self, u: tuple[float | Literal["median"], ...] = (SCORE_WIDTH, "median"), alignment: Alignment | None = None
    ):
        super().__init__(tuple(u))
        if not all(width == "median" or (isinstance(width, int | float) and width > 0) for width in u):
            raise InputError(f'u must hold numbers above 0 or "median", but is {u}')
        self.u = tuple(u)
        self.alignment = alignment or IdentityAlignment()
        self.name = self.alignment.label("vote")

    def predict_action(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """See `ClipScorer`."""
        widths = [self._median(exemplars) if width == "median" else float(width) for width in self.u]
        everything = torch.arange(len(queries), device=queries.track.device)
        parts = torch.split(everything, max(1, _PAIRS_AT_ONCE // len(exemplars)))
        return torch.cat([self._vote(queries[part], exemplars, widths) for part in parts], 1)

    def _vote(self, queries: EmbeddedClips, exemplars: EmbeddedClips, widths: list[float]) -> Tensor:
        distance = self.alignment.distance(queries, exemplars).double()
        return torch.stack([((distance / u).square() * -0.5).softmax(1) @ exemplars.score for u in widths])

    def _median(self, exemplars: EmbeddedClips) -> float:
        picked = torch.linspace(0, len(exemplars) - 1, min(_SAMPLE, len(exemplars))).round().long()
        some = exemplars[picked.to(exemplars.track.device)]
        distances = self.alignment.distance(some, some)[some.clip[:, None] < some.clip]
        # One exemplar alone decides whatever the width.
        return max(_SMALLEST_WIDTH, float(distances.double().quantile(0.5))) if len(distances) else SCORE_WIDTH
