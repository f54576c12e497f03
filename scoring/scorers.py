"""What every clip scorer has in common: from embedded clips and scored exemplars to a prediction for each clip."""

import math
from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

from errors import InputError
from poses.batches import EmbeddedClips


class ClipScorer(nn.Module):
    """Predicts the score of clips from exemplars, the scored clips of the training part.

    Queries are compared with the exemplars of their own action, or with all if there are none. An exemplar without a
    score is left out. The prediction for a query does not depend on the other queries.

    A scorer holds several candidate settings. `choose` picks one, on clips that are neither training nor test clips;
    the pick is saved in the state dict.

    A subclass sets `name` and `calibrated` and implements `predict_action`.

    Attributes:
        name: how tables call it.
        calibrated: whether predictions are on the scale of the scores; if not, only their order means anything.
        candidates: the settings.
        chosen: [] int64, index of the setting in use.
    """

    name: str
    calibrated: bool
    chosen: Tensor

    def __init__(self, candidates: tuple[Hashable, ...]):
        super().__init__()
        if not candidates or len(set(candidates)) < len(candidates):
            raise InputError(f"{type(self).__name__} needs at least one candidate setting, each once: {candidates}")
        self.candidates = candidates
        self.register_buffer("chosen", torch.tensor(0))

    def predict_action(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """Predictions of every candidate for queries of one action.

        Args:
            queries: nq tracks.
            exemplars: at least one track, all with a score.

        Returns:
            [candidates, nq] float64.
        """
        raise NotImplementedError

    @torch.no_grad()
    def predict_all(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """Predictions of every candidate.

        Returns:
            [candidates, nq] float64; NaN where there is no exemplar or the embedding is not finite.
        """
        known = exemplars[exemplars.score.isfinite()]
        predictions = queries.score.new_full((len(self.candidates), len(queries)), torch.nan)
        if len(known):
            for rows, columns in queries.by_action(known):
                predictions[:, rows] = self.predict_action(queries[rows], known[columns])
        return predictions

    def forward(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """Predictions of the chosen candidate, [nq] float64."""
        return self.predict_all(queries, exemplars)[self.chosen]

    def choose(self, queries: EmbeddedClips, exemplars: EmbeddedClips, quality: Callable[[Tensor], float]) -> Tensor:
        """Chooses the candidate of the best quality, the first among equals; none if all qualities are NaN.

        Args:
            queries: clips to choose on.
            exemplars: scored clips, others than the queries.
            quality: from predictions [nq] to a number, larger is better, NaN for undefined.

        Returns:
            [nq] float64, predictions of the candidate that is in use now.
        """
        predictions = self.predict_all(queries, exemplars)
        values = [quality(row) for row in predictions]
        defined = [index for index, value in enumerate(values) if not math.isnan(value)]
        if defined:
            self.chosen.fill_(max(defined, key=values.__getitem__))
        return predictions[self.chosen]

    @property
    def setting(self) -> Hashable:
        """The candidate in use."""
        return self.candidates[int(self.chosen)]

    def extra_repr(self) -> str:
        """What `print(scorer)` shows."""
        return f"{self.candidates}, chosen={self.setting}"
