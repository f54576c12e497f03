"""How a clip is cut into windows of frames."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from errors import InputError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """A clip is brought to a fixed number of frames, evenly spaced, and cut into windows of equal length.

    The default is that of CoRe (Yu et al., Group-aware Contrastive Regression for Action Quality Assessment, ICCV
    2021). TPT (Bai et al., Action Quality Assessment with Temporal Parsing Transformer, ECCV 2022) takes 20 windows of
    8 frames that start at 0, 5, ..., 95.

    Attributes:
        frames: to how many a clip is resampled: each is the clip's frame that is nearest in time. Frames are left out
            of a longer clip, and taken twice or more often from a shorter one.
        length: of a window, in resampled frames.
        starts: first resampled frame of every window, rising.

    Raises:
        InputError: less than one frame, or a window that does not lie inside.
    """

    frames: int = 103
    length: int = 16
    starts: tuple[int, ...] = (0, 10, 20, 30, 40, 50, 60, 70, 80, 86)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise InputError(f"windows: a clip has at least 1 frame, got frames {self.frames}")
        if not 1 <= self.length <= self.frames:
            raise InputError(
                f"windows: a window has 1 to {self.frames} frames, as many as the clip, got length {self.length}"
            )
        if not self.starts:
            raise InputError("windows: no starts; give the first frame of every window")
        last = self.frames - self.length
        if outside := [start for start in self.starts if not 0 <= start <= last]:
            raise InputError(
                f"windows: a window of {self.length} of {self.frames} frames starts between 0 and {last}, "
                f"got {outside[0]}"
            )
        if falling := [after for before, after in pairwise(self.starts) if after <= before]:
            raise InputError(f"windows: starts must rise, {falling[0]} comes after one as large or larger")

    def resampled(self, frame_count: int) -> Indices:
        """Which frames of a clip of so many make the resampled clip: [frames], from 0.

        Raises:
            InputError: the clip has no frames.
        """
        if frame_count < 1:
            raise InputError(f"a clip of {frame_count} frames cannot be cut into windows; it needs 1 at least")
        frames: Indices = np.rint(np.linspace(0, frame_count - 1, self.frames)).astype(np.int64)
        return frames

    def of(self, frame_count: int) -> Indices:
        """Which frames of a clip of so many lie in the windows: [W, L], from 0; raises as `resampled`."""
        windows: Indices = self.resampled(frame_count)[np.add.outer(self.starts, np.arange(self.length))]
        return windows
