"""What every model that scores clips shares: embedding, gathering, scoring and judging them."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

import torch
from lightning import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from errors import InputError
from lightning_modules.collector import ClipCollector
from poses.batches import ClipBatch, EmbeddedClips, Kind
from run_folder.history import BEST_RHO, COLLAPSED, RHO, SPREAD, rho_of
from run_folder.layout import CONFIG
from scoring.distances import is_collapsed, spread
from scoring.evaluation import Evaluation, Headline, clip_table, evaluate
from scoring.scorers import ClipScorer


class ClipSource(Protocol):
    """What the module asks of the data module beside its batches."""

    @property
    def headline(self) -> Headline:
        """Which rho is the result."""

    @property
    def synthetic(self) -> bool:
        """Whether the poses are made up."""

    @property
    def action_names(self) -> Sequence[str]:
        """By action index."""

    @property
    def covariate_names(self) -> Sequence[str]:
        """One for each column of `covariates`."""

    @property
    def serves(self) -> Kind:
        """What the clips consist of."""

    @property
    def exemplar_pairs(self) -> object:
        """Which pairs of clips train; None if pairs of poses do."""


class ClipModel(LightningModule):
    """Embeds clips and scores them by exemplars; a subclass says how clips are embedded and how that is trained.

    Validation, test and prediction get two data loaders: exemplars, then the clips to score.

    Args:
        scorers: from embedded clips to scores; the first stands for the model (checkpoints are chosen by it), the
            others are reported beside it. Their options are chosen on the validation part and kept in the checkpoint.

    Attributes:
        takes: what clips must consist of.
        advice: what to say when it has collapsed.

    Raises:
        InputError: no scorer, or one twice.
    """

    takes: Kind = "poses"
    advice: ClassVar[str]

    def __init__(self, scorers: Sequence[ClipScorer]) -> None:
        super().__init__()
        names = [scorer.name for scorer in scorers]
        if not names or len(set(names)) < len(names):
            raise InputError(f"scorers: give at least one, and none twice; got {names}")
        self.scorers = nn.ModuleList(scorers)
        self.exemplars, self.queries = ClipCollector(), ClipCollector()
        self.best_spearman: Tensor
        self.register_buffer("best_spearman", torch.tensor(-torch.inf, dtype=torch.float64))
        self.evaluation: Evaluation | None = None
        self.scored: EmbeddedClips | None = None  # the tracks behind `evaluation` and `predictions`
        self.predictions: dict[str, Tensor] = {}  # by scorer, a number a track of `scored`
        self.attention: Tensor | None = None  # [tracks, layers, parts, windows] of `scored`, from models that have some
        self.collapsed = False  # whether the last evaluation's clips were all alike to it
        self._told_collapse = False

    def embed_clips(self, content: Tensor) -> Tensor:
        """The poses [B, T, 15, C] or features [B, W, C] of clips to the embeddings of their moments [B, S, E]."""
        raise NotImplementedError

    # Validation, test and prediction: embed, gather, score ---------------------------------------------------------

    def validation_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Embed a batch of exemplars (loader 0) or of clips to score (loader 1)."""
        self.predict_step(batch, batch_idx, dataloader_idx)

    test_step = validation_step

    def predict_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """As `validation_step`; gives the embeddings [B, S, E]."""
        collector = self.queries if dataloader_idx else self.exemplars
        embedding = self.embed_clips(batch.content)
        collector.update(batch, embedding)
        return embedding

    def on_validation_epoch_end(self) -> None:
        """Choose the scorers' options on the validation part, log how well they rank it."""
        exemplars, queries = self._gather(self._data())
        fitting = self.trainer.state.fn == "fit"
        metrics = self.validate_clips(queries, exemplars, self._data().headline, fitting)
        self.log(RHO, metrics.pop(RHO), prog_bar=True, sync_dist=True)
        self.log_dict(metrics, sync_dist=True)
        if not fitting:
            self.evaluate_clips(queries, exemplars, self._data())

    def validate_clips(
        self, queries: EmbeddedClips, exemplars: EmbeddedClips, headline: Headline, fitting: bool
    ) -> dict[str, float]:
        """What a validation logs: how well every scorer ranks the queries, and whether the embeddings have collapsed.

        Args:
            queries: the validation part.
            exemplars: the training part without it.
            headline: which rho.
            fitting: whether scorers choose their options here, and the best rho so far is kept.
        """

        def quality(prediction: Tensor) -> float:
            return clip_table(queries, {"": prediction}).rho("", headline)

        self._score(queries, exemplars, quality if fitting else None)
        rhos = {rho_of(name): quality(prediction) for name, prediction in self.predictions.items()}
        metrics = {RHO: rhos[rho_of(self._scorers()[0].name)], **rhos}
        if fitting:
            self.best_spearman.fill_(max(self.best_spearman.item(), metrics[RHO]))
            metrics[BEST_RHO] = self.best_spearman.item()
        return metrics | {COLLAPSED: float(self.collapsed), SPREAD: float(spread(queries.embedding))}

    def on_test_epoch_end(self) -> None:
        """Score the test part with the options chosen on validation."""
        self.test_clips(self._data())

    def test_clips(self, source: ClipSource) -> tuple[EmbeddedClips, EmbeddedClips]:
        """Score and judge the clips that `test_step` has embedded; returns the exemplars and them."""
        exemplars, queries = self._gather(source)
        self._score(queries, exemplars)
        self.evaluate_clips(queries, exemplars, source)
        return exemplars, queries

    def on_predict_epoch_end(self) -> None:
        """Score the clips to predict."""
        exemplars, queries = self._gather(self._data())
        self._score(queries, exemplars)

    def evaluate_clips(self, queries: EmbeddedClips, exemplars: EmbeddedClips, source: ClipSource) -> None:
        """Judge `predictions`: sets `evaluation`.

        Args:
            queries: the clips that were scored.
            exemplars: those that they were scored by.
            source: where they come from.
        """
        self.evaluation = evaluate(
            queries,
            exemplars,
            self.predictions,
            headline=source.headline,
            action_names=source.action_names,
            covariate_names=source.covariate_names,
            calibrated={scorer.name: scorer.calibrated for scorer in self._scorers()},
            synthetic=source.synthetic,
        )

    def _gather(self, source: ClipSource) -> tuple[EmbeddedClips, EmbeddedClips]:
        return self.exemplars.gather(), self.queries.gather()

    def _score(
        self, queries: EmbeddedClips, exemplars: EmbeddedClips, quality: Callable[[Tensor], float] | None = None
    ) -> None:
        """Set `predictions`, `scored` and `collapsed`; with `quality` every scorer chooses its options by it first."""
        self.scored = queries
        for scorer in self._scorers():
            self.predictions[scorer.name] = (
                scorer(queries, exemplars) if quality is None else scorer.choose(queries, exemplars, quality)
            )
        self.collapsed = self.has_collapsed(queries)
        if self.collapsed and not self._told_collapse:
            self._told_collapse = True
            rank_zero_warn(self.advice)

    def has_collapsed(self, queries: EmbeddedClips) -> bool:
        """Whether nothing that the model says of these clips, whose predictions are there, depends on them."""
        return is_collapsed(queries.embedding)

    def _scorers(self) -> list[ClipScorer]:
        return [cast(ClipScorer, scorer) for scorer in self.scorers]

    def _data(self) -> ClipSource:
        return cast(ClipSource, self.trainer.datamodule)  # type: ignore[attr-defined]  # set by Trainer, not declared

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another model in one line.

        Raises:
            InputError: names or shapes of the weights differ.
        """
        mine, theirs = self.state_dict(), checkpoint["state_dict"]
        for name in sorted(mine.keys() | theirs.keys()):
            shapes = [tuple(state[name].shape) if name in state else "absent" for state in (theirs, mine)]
            if shapes[0] != shapes[1]:
                raise InputError(
                    f"the checkpoint is of another model: {name} is {shapes[0]} there and {shapes[1]} in this config; "
                    f"use the {CONFIG} in the checkpoint's run folder"
                )
