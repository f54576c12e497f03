"""What every dataset shares: from labels and a keypoint cache to batches of pairs and of clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from datamodules.labels import ClipLabel, hold_out
from datamodules.sampling.rules import ExemplarRule, PairRule
from errors import InputError, quoted, some
from extraction.reading.media import ClipMedia
from poses.batches import Kind, TrackFacts, codes, names_of, relative, score_ranges
from poses.normalisation import Normalisation

if TYPE_CHECKING:  # what reads caches and draws batches is imported where it does so: a command line needs none of it
    from datamodules.clip_content import ClipContent, PoseContent
    from datamodules.sampling.exemplars import ExemplarLoader
    from datamodules.sampling.loaders import ClipLoader
    from datamodules.sampling.pairs import PairLoader
    from poses.tracks import SampledKeypoints


class PoseDataModule(LightningDataModule):
    """Base of all datasets: a subclass says where its keypoint cache is and what its labels are.

    Training gives `PairBatch`es, or `ExemplarBatch`es where `exemplar_pairs` says so; validation, test and prediction
    give two loaders of `ClipBatch`es: the exemplars (always from the training part) and the clips to score. `val` is
    split off the training part, by group where groups exist; at test time the whole training part serves as exemplars.

    Args:
        cache: folder of the keypoint cache (docs/keypoint-cache.md).
        frames_per_clip: relative times T at which a clip is sampled to be scored.
        batch_size: pairs a process and training batch.
        pairs: which pairs train.
        normalisation: eq. (1) and (2) and what counts as a missing joint.
        val_share: share of the training part held out for validation, in (0, 1).
        split_seed: seed of that split; not the seed of training, so that runs with several seeds share it.
        seed: seed of the stream of pairs; the command line sets it to `seed_everything`.
        exemplar_pairs: train on pairs of whole clips, for regression against exemplars, instead of pairs of poses.
        features: folder of a feature cache (docs/clip-features.md), which takes the place of the keypoint cache.

    Raises:
        InputError: labels and cache do not fit together, or nothing can be learnt from them.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "fisher"
    """The number that stands for a result: the Fisher mean of rho over actions, or the rho of all clips together."""
    synthetic: ClassVar[bool] = False
    """Whether the poses are made up; then every table and picture says so."""
    how_to_get: ClassVar[str] = ""
    """For error messages: where the data is to be had, where to put it ({root}, {cache}), which command comes next."""

    def __init__(
        self,
        cache: str,
        frames_per_clip: int = 20,
        batch_size: int = 64,
        pairs: PairRule = PairRule(),  # noqa: B008  (frozen)
        normalisation: Normalisation = Normalisation(),  # noqa: B008  (frozen)
        val_share: float = 0.2,
        split_seed: int = 0,
        seed: int = 0,
        exemplar_pairs: ExemplarRule | None = None,
        features: str | None = None,
    ) -> None:
        super().__init__()
        if frames_per_clip < 1 or batch_size < 1:
            raise InputError(
                f"frames_per_clip and batch_size must be at least 1, got {frames_per_clip} and {batch_size}"
            )
        self.cache = Path(cache)
        self.batch_size = batch_size
        self.pairs = pairs
        self.normalisation = normalisation
        self.val_share = val_share
        self.split_seed = split_seed
        self.seed = seed
        self.exemplar_pairs = exemplar_pairs
        self.rejected: list[tuple[str, str]] = []
        self.content: ClipContent
        if features is None:
            from datamodules.clip_content import PoseContent

            self.content = PoseContent(self.cache, self.how_to_get, normalisation, frames_per_clip)
        else:
            from datamodules.feature_content import FeatureContent

            self.content = FeatureContent(Path(features))

    # What a dataset says ------------------------------------------------------------------------------------------

    def labels(self) -> Sequence[ClipLabel]:
        """Every labelled clip of the dataset, and those to predict."""
        raise NotImplementedError

    def known_extra(self, clip_id: str) -> bool:
        """Whether the cache may hold this clip though no label names it."""
        return False

    def media(self) -> Sequence[ClipMedia]:
        """The photographs and videos that keypoints to extract from (see `extraction.reading.media.MediaSource`)."""
        raise InputError(f"{type(self).__name__} has no photographs or videos; its keypoints come with it")

    def cached_clips(self) -> list[str]:
        """Ids of the clips of the cache in use, sorted.

        Raises:
            InputError: there is no such cache.
        """
        content = self.content
        if not content.folder.is_dir():
            how = self.with_folders(content.how_to_get)
            raise InputError(f"{content.folder}: no {content.name} cache there. {how}".strip())
        return content.listed()

    def with_folders(self, advice: str) -> str:
        """Such as `how_to_get`, with the folders in use in the places of {root} and {cache}."""
        return advice.format_map(vars(self))

    @property
    def serves(self) -> Kind:
        """What the clips consist of."""
        return self.content.kind

    @property
    def poses(self) -> "PoseContent":
        """The clips' poses.

        Raises:
            InputError: they are features.
        """
        from datamodules.clip_content import PoseContent

        if isinstance(self.content, PoseContent):
            return self.content
        raise InputError(f"data.features: {self.content.folder} holds clip features, and poses are asked for")

    # What Lightning and the model ask for -------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read labels and poses; `stage` is Lightning's."""
        labels = self._checked_labels()
        train = [label for label in labels if label.part == "train"]
        if not train:
            raise InputError("no clip with a score is in the training part; label some for training")
        held = hold_out(train, self.val_share, self.split_seed)
        parts: dict[str, Sequence[ClipLabel]] = {
            "train": [label for label in train if label.clip_id not in held],
            "val": [label for label in train if label.clip_id in held],
        }
        if stage in ("test", "predict"):
            parts["query"] = [label for label in labels if label.part == stage]
            if not parts["query"] and stage == "predict":
                rank_zero_info("No clip is without a score: predicting the test part.")
                parts["query"] = [label for label in labels if label.part == "test"]
            if not parts["query"]:
                raise InputError(f"{self.content.folder}: the labels name no clip of the {stage} part")
        self.clips = [label for part in parts.values() for label in part]
        self.part = np.repeat(list(parts), [len(part) for part in parts.values()])
        self._check_learnable(parts)
        self.content.read(self.clips)
        self.facts = self._facts()
        if stage == "fit":
            self.train_dataloader()  # complains before anything is written

    def train_dataloader(self) -> "PairLoader | ExemplarLoader":
        """Batches of pairs of the training part without `val`."""
        if self.exemplar_pairs is None:
            return self.pair_loader()
        from datamodules.sampling.exemplars import ExemplarLoader, ExemplarSampler

        return ExemplarLoader(
            self.content,
            self.content.clip,
            relative(self.facts.score, self.facts.score_range),
            ExemplarSampler(self.action[: self._training], self.exemplar_pairs, self.seed),
            self.batch_size,
            *self._process(),
        )

    def pair_loader(self) -> "PairLoader":
        """Batches of pairs of poses.

        Raises:
            InputError: none can be drawn, or the clips are features.
        """
        from datamodules.sampling.pairs import PairLoader, PairSampler

        count = self._training
        sampler = PairSampler(self.action[:count], self._scores()[:count], self.pairs, self.seed)
        return PairLoader(self.poses.tracks, sampler, self.batch_size, *self._process())

    def training_scores(self) -> tuple[Tensor, Tensor]:
        """Relative scores [n] and actions [n] of the training clips without `val`, as `ExemplarBatch` has them."""
        count = self._training
        score = relative(torch.from_numpy(self._scores()[:count]), torch.from_numpy(self.score_range[:count]))
        return score, torch.from_numpy(self.action[:count])

    def val_dataloader(self) -> "list[ClipLoader]":
        """Exemplars (train without val), then val."""
        return [self._loader("train"), self._loader("val")]

    def test_dataloader(self) -> "list[ClipLoader]":
        """Exemplars (train with val), then test."""
        return [self._loader("train", "val"), self._loader("query")]

    def predict_dataloader(self) -> "list[ClipLoader]":
        """Exemplars (train with val), then the clips to predict."""
        return self.test_dataloader()

    def keypoints(self) -> "SampledKeypoints":
        """The keypoints of the clips to test or predict as they were extracted, at the moments that are shown of them.

        Raises:
            InputError: the clips are features.
        """
        chosen = np.flatnonzero(self.part == "query")
        return self.poses.keypoints([self.clips[index].clip_id for index in chosen])

    # How ----------------------------------------------------------------------------------------------------------

    def _checked_labels(self) -> list[ClipLabel]:
        content = self.content
        labels = list(self.labels())
        ids = [label.clip_id for label in labels]
        if len(set(ids)) < len(ids):
            double = next(name for name in ids if ids.count(name) > 1)
            raise InputError(f"clip {quoted(double)} is labelled twice; every clip has one label")
        for label in labels:
            if label.part != "predict" and not np.isfinite(label.score):
                raise InputError(
                    f"clip {label.clip_id!r} of the {label.part} part has the score {label.score}; give it a finite "
                    "score or leave it to be predicted"
                )
        cached = set(self.cached_clips())
        if missing := [name for name in ids if name not in cached]:
            how = self.with_folders(content.how_to_get)
            raise InputError(
                f"{content.folder}: no {content.name}s of {some(missing)} that the labels name; extract them (see "
                f"{content.format}) or take them out of the labels. {how}".strip()
            )
        if extra := sorted(name for name in cached.difference(ids) if not self.known_extra(name)):
            raise InputError(
                f"{content.folder}: holds {some(extra)} that no label names; label them (without a score, to predict "
                "them) or take them out of the cache"
            )
        return labels

    def _check_learnable(self, parts: dict[str, Sequence[ClipLabel]]) -> None:
        scores = {label.score for label in parts["train"]}
        if len(scores) < 2:
            raise InputError(
                f"all {len(parts['train'])} training clips have the score {scores.pop() if scores else 'none'}; "
                "nothing can be ranked: give clips of different quality"
            )
        known = {label.action for label in parts["train"]}
        for name in ("val", "query"):
            strangers = [label for label in parts.get(name, []) if label.action not in known]
            if strangers:
                rank_zero_warn(
                    f"{len(strangers)} of the {len(parts[name])} clips to score have an action without a training clip "
                    f"({some(sorted({label.action for label in strangers}))}): they are compared with all training "
                    "clips."
                )

    def _facts(self) -> TrackFacts:
        """What is known of every track."""
        clips, track = self.clips, self.content.clip
        self.action, self.action_names = codes([label.action for label in clips])
        self.covariate_names = sorted({name for label in clips for name in label.covariates})
        covariates = [codes([label.covariates.get(name) for label in clips])[0] for name in self.covariate_names]
        bounds = self.content.phases(clips)
        phases = np.full((len(bounds), max(map(len, bounds))), np.nan)
        for i, row in enumerate(bounds):
            phases[i, : len(row)] = row
        self.score_range = self._score_ranges()
        known = {
            "clip": track,
            "track": np.arange(len(track)),
            "action": self.action[track],
            "group": codes([label.group for label in clips])[0][track],
            "score_range": self.score_range[track],
            "phases": phases,
            "covariates": np.array(covariates, dtype=np.int64).reshape(-1, len(clips)).T[track],
        }
        for name in names_of(TrackFacts):
            if name not in known:
                known[name] = np.array([getattr(label, name) for label in clips], dtype=np.float64)[track]
        return TrackFacts(**{name: torch.from_numpy(column) for name, column in known.items()})

    def _score_ranges(self) -> NDArray[np.float64]:
        """For each clip the range [n, 2] of the training scores (`val` among them) that its score is relative to.

        That of its action where the headline is "fisher" and the action's scores differ, else that of all.
        """
        official = self.part != "query"
        action = self.action if self.headline == "fisher" else np.zeros_like(self.action)
        return score_ranges(self._scores()[official], action[official], action)

    @property
    def _training(self) -> int:
        """How many training clips there are without `val`; they come first."""
        return int((self.part == "train").sum())

    def _scores(self) -> NDArray[np.float64]:
        return np.array([label.score for label in self.clips], dtype=np.float64)

    def _loader(self, *parts: str) -> "ClipLoader":
        from datamodules.sampling.loaders import ClipLoader

        chosen = np.flatnonzero(np.isin(self.part, parts)[self.content.clip])
        return ClipLoader(self.content, self.facts, chosen, *self._process())

    def _process(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
