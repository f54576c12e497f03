"""Raw normalised coordinates as clip features."""

from torch import Tensor

from lightning_modules.sources.feature_source import WindowedPoses
from poses.skeleton import JOINTS


class Coordinates(WindowedPoses):
    """The mean pose of each window, x and y of 15 joints: nothing is learnt before the head.

    Args:
        windows, length: see `WindowedPoses`.
    """

    def __init__(self, windows: int = 20, length: int = 9) -> None:
        super().__init__(windows, length, 2 * len(JOINTS))

    def forward(self, clips: Tensor) -> Tensor:
        """Poses [B, T, 15, C] to [B, W, 30]."""
        return self.means(clips[..., :2].flatten(2))
