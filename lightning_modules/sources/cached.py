"""Clip features from a cache, such as those of a video network."""

from typing import ClassVar

from torch import Tensor

from errors import InputError
from lightning_modules.sources.feature_source import FeatureSource
from poses.batches import Kind


class CachedFeatures(FeatureSource):
    """Passes the features of a cache (docs/clip-features.md) on as they are.

    Args:
        windows: W, as in the cache.
        width: C, as in the cache: 1,024 of I3D and S3D, 768 of MViT.

    Raises:
        InputError: W or C below 1.
    """

    takes: ClassVar[Kind] = "features"

    def __init__(self, windows: int = 10, width: int = 1024) -> None:
        if windows < 1 or width < 1:
            raise InputError(f"source: windows and width must be at least 1, got {windows} and {width}")
        super().__init__(windows, width)

    def forward(self, clips: Tensor) -> Tensor:
        """See `FeatureSource`.

        Raises:
            InputError: the cache has other windows or another width.
        """
        found = tuple(clips.shape[1:])
        if found != (self.windows, self.width):
            raise InputError(
                f"the clip features have {found[0]} windows of {found[1]} numbers, the model expects {self.windows} of "
                f"{self.width}; give --model.source.windows {found[0]} --model.source.width {found[1]}"
            )
        return clips
