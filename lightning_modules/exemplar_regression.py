"""Regression against exemplars: any source of clip features under any head (CoRe, TPT, plain regression)."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from errors import InputError, some
from lightning_modules.clip_model import ClipModel, ClipSource
from lightning_modules.heads.pair_head import PairHead
from lightning_modules.sources.feature_source import FeatureSource
from poses.batches import EmbeddedClips, ExemplarBatch
from scoring.regression import RegressionScorer
from scoring.scorers import ClipScorer


class PairedClips(ClipSource, Protocol):
    """What the module asks of the data module beside what every `ClipModel` does."""

    def training_scores(self) -> tuple[Tensor, Tensor]:
        """Relative scores and actions of the training clips."""


class ExemplarRegression(ClipModel):
    """Trains a head, and its source of features where that has weights, on pairs of a query and an exemplar.

    The data give `ExemplarBatch`es (`data.exemplar_pairs`). Clips are scored by *regression*: the mean over M exemplars
    of the training part of what the head predicts from each. Over a trained and frozen GCN-PSN (`TrainedEmbeddings`)
    this is the regression scorer of its embeddings.

    Args:
        source: from clips to the features of their windows.
        head: makes the head from the number of windows and their width.
        scorers: further scorers of the features, reported beside *regression*.
        exemplars: M.
        lr: learning rate of Adam for the head.
        slow_lr: for the source, and what else the head says trains slowly (TPT's decoder); CoRe and TPT take a tenth.

    Raises:
        InputError: a rate is not above 0, no exemplars, a scorer twice, a checkpoint of another model.
    """

    advice: ClassVar[str] = (
        "The predictions have collapsed: every clip gets the same one, and nothing can be ranked. Try another seed "
        "(--seed_everything 1), lower rates (--model.lr, --model.slow_lr), or another source."
    )

    def __init__(
        self,
        source: FeatureSource,
        head: Callable[[int, int], PairHead],
        scorers: list[ClipScorer] | None = None,
        exemplars: int = 10,
        lr: float = 1e-3,
        slow_lr: float = 1e-4,
    ) -> None:
        if not lr > 0 or not slow_lr > 0 or exemplars < 1:
            raise InputError(
                f"lr and slow_lr must be above 0, exemplars at least 1; got {lr}, {slow_lr} and {exemplars}"
            )
        made = head(source.windows, source.width)
        super().__init__([RegressionScorer(made, exemplars), *(scorers or [])])
        self.source = source
        self.takes = source.takes
        self.lr, self.slow_lr = lr, slow_lr
        self._told_few = False

    @property
    def head(self) -> PairHead:
        """The head."""
        return cast(PairHead, cast(RegressionScorer, self.scorers[0]).head)

    def setup(self, stage: str) -> None:
        """Fix what the head fixes by the training scores; `stage` is Lightning's.

        Raises:
            InputError: the data do not fit.
        """
        data = cast(PairedClips, self._data())
        if data.serves != self.takes:
            how = "leave data.features out" if data.serves == "features" else "give --data.features"
            raise InputError(
                f"the source {type(self.source).__name__} takes {self.takes}, the data serve {data.serves}; {how}, or "
                "take another source"
            )
        if stage == "fit":
            if data.exemplar_pairs is None:
                raise InputError(
                    "regression against exemplars learns from pairs of clips; give --data.exemplar_pairs '{}', or an "
                    "overlay that does (--config core.yaml)"
                )
            self.head.learn_scores(*data.training_scores())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with two rates."""
        slow = [*self.source.parameters(), *self.head.slow_parameters()]
        ids = {id(weights) for weights in slow}
        fast = [weights for weights in self.head.parameters() if id(weights) not in ids]
        trained = [weights for weights in slow if weights.requires_grad]
        groups: list[dict[str, Any]] = [{"params": fast}, {"params": trained, "lr": self.slow_lr}]
        return torch.optim.Adam([group for group in groups if group["params"]], lr=self.lr, fused=True)

    def embed_clips(self, content: Tensor) -> Tensor:
        """The features [B, W, C] of clips."""
        features: Tensor = self.source(content)
        return features

    def training_step(self, batch: ExemplarBatch, batch_idx: int) -> Tensor:
        """The head's loss on a batch of pairs."""
        query, exemplar = self.source(batch["content"].flatten(0, 1)).chunk(2)
        loss: Tensor = self.head.loss(query, exemplar, *batch["score"])
        return loss

    def has_collapsed(self, queries: EmbeddedClips) -> bool:
        """Whether all clips of an action get the same prediction, or one that is no number."""
        prediction = self.predictions[RegressionScorer.name]
        extents = []
        for action in queries.action.unique():
            own = queries.action == action
            low, high = queries.score_range[own][0]
            extents.append((prediction[own].max() - prediction[own].min()) / (high - low))
        return not bool(torch.stack(extents).max() > 1e-6) if len(queries) > 1 else False

    def evaluate_clips(self, queries: EmbeddedClips, exemplars: EmbeddedClips, source: ClipSource) -> None:
        """See `ClipModel`; keeps the attention of heads that have some."""
        super().evaluate_clips(queries, exemplars, source)
        look = getattr(self.head, "attention", None)
        if look is not None:
            features = queries.embedding.to(next(self.head.parameters()).dtype)
            self.attention = torch.cat([look(part) for part in features.split(256)]).cpu()

    def _gather(self, source: ClipSource) -> tuple[EmbeddedClips, EmbeddedClips]:
        exemplars, queries = super()._gather(source)
        self._tell_few(exemplars, source)
        return exemplars, queries

    def _tell_few(self, exemplars: EmbeddedClips, source: ClipSource) -> None:
        wanted = cast(RegressionScorer, self.scorers[0]).exemplars
        actions, counts = exemplars.action.unique(return_counts=True)
        few = actions[counts < wanted].tolist()
        if few and not self._told_few:
            self._told_few = True
            names = some([source.action_names[action] for action in few])
            rank_zero_warn(f"fewer than {wanted} exemplars of {names}: all that there are serve.")
