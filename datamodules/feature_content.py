"""Clip features in the place of poses (docs/clip-features.md)."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from datamodules.labels import ClipLabel
from poses.batches import Kind
from poses.cache.feature_cache import list_features, read_features


class FeatureContent:
    """Features of a feature cache, one track a clip; see `datamodules.clip_content.ClipContent`.

    Args:
        folder: the cache.
    """

    kind: ClassVar[Kind] = "features"
    name: ClassVar[str] = "feature"
    format: ClassVar[str] = "docs/clip-features.md"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.how_to_get = "How to make them: python run.py features --help"

    def listed(self) -> list[str]:
        """See `ClipContent`."""
        return list_features(self.folder)

    def read(self, clips: Sequence[ClipLabel]) -> None:
        """See `ClipContent`."""
        self.clip = np.arange(len(clips))
        self._features = torch.from_numpy(read_features(self.folder, [label.clip_id for label in clips]).features)

    def phases(self, clips: Sequence[ClipLabel]) -> list[list[float]]:
        """See `ClipContent`; where phases begin is known in frames, which features do not have."""
        return [[0.0, 1.0]] * len(clips)

    def __getitem__(self, track: Tensor, /) -> Tensor:
        """See `Content`."""
        return self._features[track]
