"""GCN-PSN as a LightningModule: a Siamese network around any pose encoder."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.clip_model import ClipModel
from poses.batches import PairBatch
from scoring.losses import ContrastiveLoss
from scoring.scorers import ClipScorer


class PoseSimilarity(ClipModel):
    """Trains an encoder with the contrastive loss and scores clips by what it learnt.

    Args:
        encoder: poses [B, 15, C] to embeddings [B, E].
        scorers: see `ClipModel`.
        margin: m of eq. (4), in cosine distance, (0, 2].
        lr: learning rate of Adam.
        temporal_head: from the embeddings of a clip's poses [..., T, E] to those of fewer moments [..., S, E']; none if
            not given: the paper scores single poses. Training on pairs of poses does not see it.

    Raises:
        InputError: margin or lr out of range, no scorer, a checkpoint of another model.
    """

    advice: ClassVar[str] = (
        "The embeddings have collapsed: every pose gets the same one, so all distances are alike and nothing "
        "can be ranked. With the paper's 2 ReLU channels some seeds die. Try another seed "
        "(--seed_everything 1), wider graph layers (--model.encoder.channels 16) or another activation "
        "(--model.encoder.activation torch.nn.ELU)."
    )

    def __init__(
        self,
        encoder: nn.Module,
        scorers: list[ClipScorer],
        margin: float = 1.35,
        lr: float = 1e-4,
        temporal_head: nn.Module | None = None,
    ) -> None:
        super().__init__(scorers)
        if not 0 < margin <= 2 or not lr > 0:
            raise InputError(
                f"margin must lie in (0, 2], the range of the cosine distance, and lr above 0; got {margin} and {lr}"
            )
        self.encoder = encoder
        self.temporal_head = temporal_head
        self.loss = ContrastiveLoss(margin)
        self.lr = lr

    def setup(self, stage: str) -> None:
        """Refuse data that give no pairs of poses; `stage` is Lightning's.

        Raises:
            InputError: they serve features, or pairs of clips.
        """
        data = self._data()
        if data.serves != self.takes or data.exemplar_pairs is not None:
            raise InputError(
                "PoseSimilarity learns from pairs of poses, and the data give clip features or pairs of clips; leave "
                "data.features and data.exemplar_pairs out, or take another model (--config core.yaml)"
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as in the paper (section IV-C)."""
        return torch.optim.Adam(self.encoder.parameters(), lr=self.lr, fused=True)

    def forward(self, poses: Tensor) -> Tensor:
        """Normalised poses [..., 15, C] to embeddings [..., E]."""
        embedding: Tensor = self.encoder(poses.flatten(0, -3)).unflatten(0, poses.shape[:-2])
        return embedding

    def embed_clips(self, content: Tensor) -> Tensor:
        """The poses [B, T, 15, C] of clips to the embeddings of their moments [B, S, E]."""
        embedding: Tensor = self(content)
        return embedding if self.temporal_head is None else self.temporal_head(embedding)

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """Mean of eq. (4) over the batch; RunMonitor logs it."""
        first, second = self.encoder(batch["poses"].flatten(0, 1)).chunk(2)
        loss: Tensor = self.loss(first, second, batch["similar"])
        return loss
