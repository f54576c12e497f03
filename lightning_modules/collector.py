"""Gathering the embedded clips of an epoch, over all batches and processes, each exactly once."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from poses.batches import ClipBatch, EmbeddedClips, first_of_each, names_of

FIELDS = names_of(EmbeddedClips)


class ClipCollector(Metric):
    """Collects tracks batch by batch; `gather` gives those of all processes in order, copies dropped.

    A rank correlation is no mean of the correlations of parts, and a padded sampler counts clips twice: so the clips
    themselves are gathered.
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        for name in FIELDS:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, batch: ClipBatch, embedding: Tensor) -> None:
        """Add a batch of B tracks and the embeddings [B, T, E] of their poses."""
        known = {**vars(batch), "poses": batch.poses, "embedding": embedding}
        for name in FIELDS:
            getattr(self, name).append(known[name])

    def compute(self) -> Tensor:
        """How many tracks this process has."""
        return torch.tensor(sum(len(part) for part in getattr(self, "track")))  # noqa: B009  (made by add_state)

    def gather(self) -> EmbeddedClips:
        """All tracks of all processes, sorted by their index; then empty again.

        Not in `compute`, whose result torchmetrics squeezes: a lone track would lose its dimension.
        """
        with self.sync_context():
            columns = {name: dim_zero_cat(getattr(self, name)) for name in FIELDS}
        self.reset()
        once = first_of_each(columns["track"])
        return EmbeddedClips(**{name: column[once] for name, column in columns.items()})
