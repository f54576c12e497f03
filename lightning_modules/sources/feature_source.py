"""What every source of clip features has in common, how poses are cut into windows, and features from a cache."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from errors import InputError
from poses.batches import Kind


class FeatureSource(nn.Module):
    """From a clip to the features of its windows.

    Args:
        windows: W.
        width: C, features a window.

    Attributes:
        takes: what clips must consist of.

    Shapes:
        poses [B, T, 15, C] or features [B, W, C] in, features [B, W, C] out.
    """

    takes: ClassVar[Kind] = "poses"

    def __init__(self, windows: int, width: int) -> None:
        super().__init__()
        self.windows = windows
        self.width = width

    def forward(self, clips: Tensor) -> Tensor:
        """See the class."""
        raise NotImplementedError


class WindowedPoses(FeatureSource):
    """A source that looks at W windows of L poses, spread evenly from the clip's beginning to its end.

    Windows overlap or leave poses out as L and the number of poses (the data module's `frames_per_clip`) have it. Poses
    are indexed by relative time alone, so that nothing is told of how long a clip is.

    Args:
        windows: W.
        length: L.
        width: C, features a window.

    Raises:
        InputError: no windows, or windows without poses.
    """

    def __init__(self, windows: int, length: int, width: int) -> None:
        if windows < 1 or length < 1:
            raise InputError(f"source: windows and length must be at least 1, got {windows} and {length}")
        super().__init__(windows, width)
        self.length = length

    def starts(self, poses: Tensor) -> Tensor:
        """The first pose of each window, [W] int64, for clips [B, T, ...].

        Raises:
            InputError: a clip has fewer poses than a window.
        """
        last = poses.shape[1] - self.length
        if last < 0:
            raise InputError(
                f"source: windows of {self.length} poses do not fit into {poses.shape[1]} poses a clip; give a smaller "
                f"--model.source.length, or --data.frames_per_clip {self.length} or more"
            )
        step = max(self.windows - 1, 1)
        return (torch.arange(self.windows, device=poses.device) * last + step // 2) // step

    def cut(self, poses: Tensor) -> Tensor:
        """The windows [B, W, L, ...] of clips [B, T, ...]."""
        return poses[:, self.starts(poses)[:, None] + torch.arange(self.length, device=poses.device)]

    def means(self, features: Tensor) -> Tensor:
        """The mean over each window [B, W, C] of what is known of each pose [B, T, C]."""
        starts, index = self.starts(features), torch.arange(features.shape[1], device=features.device)
        inside = (index >= starts[:, None]) & (index < starts[:, None] + self.length)
        return inside.to(features.dtype) @ features / self.length


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
