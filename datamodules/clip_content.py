"""What the clips of a data module consist of: the part that differs between poses and features, and that for poses."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.labels import ClipLabel, phase_times
from datamodules.sampling.loaders import Content
from poses.batches import Kind
from poses.cache.keypoint_cache import list_clips, read_cache
from poses.normalisation import Normalisation
from poses.tracks import SampledKeypoints, Tracks, build_tracks, sample_keypoints


class ClipContent(Content, Protocol):
    """How clips are listed, read and sampled, and what a batch of them holds.

    Attributes:
        kind: what `ClipBatch.content` is.
        name: what the cache holds a clip, in the singular, for messages.
        format: the page that describes the cache.
        folder: the cache.
        how_to_get: for messages: where it is to be had, or how it is made.
        clip: [K] int64, for each track read the index of its clip, never decreasing.
    """

    kind: ClassVar[Kind]
    name: ClassVar[str]
    format: ClassVar[str]
    folder: Path
    how_to_get: str
    clip: NDArray[np.int64]

    def listed(self) -> list[str]:
        """Ids of the clips of the cache, sorted."""
        ...

    def read(self, clips: Sequence[ClipLabel]) -> None:
        """Read these clips in the place of those that were read before."""
        ...

    def phases(self, clips: Sequence[ClipLabel]) -> list[list[float]]:
        """For each track the relative times [0, ..., 1] at which its phases begin, and the end."""
        ...


class PoseContent:
    """Normalised poses of a keypoint cache, at T relative times; see `ClipContent`.

    Args:
        folder: the cache.
        how_to_get: for messages.
        normalisation: of poses.
        moments: T.
    """

    kind: ClassVar[Kind] = "poses"
    name: ClassVar[str] = "keypoint"
    format: ClassVar[str] = "docs/keypoint-cache.md"

    def __init__(self, folder: Path, how_to_get: str, normalisation: Normalisation, moments: int) -> None:
        self.folder = folder
        self.how_to_get = how_to_get
        self.normalisation = normalisation
        self.moments = moments

    def listed(self) -> list[str]:
        """See `ClipContent`."""
        return list_clips(self.folder)

    def read(self, clips: Sequence[ClipLabel]) -> None:
        """See `ClipContent`."""
        table = read_cache(self.folder, [label.clip_id for label in clips])
        self.tracks: Tracks = build_tracks(table, self.normalisation)
        self.clip = self.tracks.clip
        self._poses = torch.from_numpy(self.tracks.poses)
        self._rows = torch.from_numpy(self.tracks.moments(self.moments))

    def phases(self, clips: Sequence[ClipLabel]) -> list[list[float]]:
        """See `ClipContent`."""
        bounds = zip(self.clip, self.tracks.start, self.tracks.start[1:], strict=False)
        return [phase_times(clips[clip], self.tracks.frame[begin:end]) for clip, begin, end in bounds]

    def __getitem__(self, track: Tensor, /) -> Tensor:
        """See `Content`."""
        return self._poses[self._rows[track]]

    def keypoints(self, clip_ids: Sequence[str]) -> SampledKeypoints:
        """What is shown of clips before it is normalised; read anew, so that training does not carry pixels along."""
        return sample_keypoints(read_cache(self.folder, clip_ids), self.normalisation, self.moments)
