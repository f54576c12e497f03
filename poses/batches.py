"""The batches that data modules hand to the model, and clips once their poses are embedded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Self, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Kind = Literal["poses", "features"]
"""What clips consist of."""


class PairBatch(TypedDict):
    """Pairs of poses for the contrastive loss.

    Shapes:
        poses: [2, B, 15, C] float, normalised to [0, 1]; poses[0] and poses[1] are the two members.
        similar: [B] float, Y of eq. (4): 1 for similar, 0 for dissimilar, between if graded.
    """

    poses: Tensor
    similar: Tensor


@dataclass(eq=False)
class ClipFacts:
    """What is known about n clips.

    Shapes:
        clip: [n] int64, index of the clip in the data module.
        action: [n] int64, index of the action.
        score: [n] float64, expert score; NaN where unknown.
        difficulty: [n] float64, degree of difficulty; NaN where there is none.
        group: [n] int64, athlete or event; -1 where unknown.
    """

    clip: Tensor
    action: Tensor
    score: Tensor
    difficulty: Tensor
    group: Tensor


@dataclass(eq=False)
class TrackFacts(ClipFacts):
    """What is known about N tracks (one person in one clip each) and their clips.

    The one list of these fields: batches, what collectors gather of them, and tables of clips have those that stand
    here, and the data module takes a new one from the labels' attribute of that name (a number) unless it says how the
    field is made. They are not frozen because Lightning moves a batch field by field.

    Shapes:
        track: [N] int64, index of the track in the data module; tells copies apart from different tracks. The tracks of
            a clip with several performers share `clip`.
        score_range: [N, 2] float64, lowest and highest training score that the clip's score is relative to.
        phases: [N, P + 1] float64, relative times in [0, 1] at which phases begin, first 0 and last 1, padded with NaN.
        covariates: [N, V] int64, what is known without looking at the poses (one column a covariate); -1 where unknown.
    """

    track: Tensor
    score_range: Tensor
    phases: Tensor
    covariates: Tensor

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, index: Tensor) -> Self:
        """Tracks picked by a mask [N] or by indices, in that order."""
        return type(self)(**{name: getattr(self, name)[index] for name in names_of(type(self))})


def names_of(kind: type[ClipFacts]) -> tuple[str, ...]:
    """Names of the fields of a kind."""
    return tuple(field.name for field in fields(kind))


@dataclass(eq=False)
class ClipBatch(TrackFacts):
    """B tracks and what they consist of.

    Shapes:
        content: [B, T, 15, C] float, normalised poses at the data module's `frames_per_clip` relative times, or
            [B, W, C] float, clip features of W windows.
    """

    content: Tensor

    @property
    def poses(self) -> Tensor:
        """The content if it is poses, else none, [B, 0, 15, 2]."""
        return self.content if self.content.ndim == 4 else self.content.new_zeros(len(self), 0, 15, 2)


class ExemplarBatch(TypedDict):
    """Pairs of clips of one action for regression against exemplars; the first index is 0 for queries, 1 for exemplars.

    Shapes:
        content: [2, B, T, 15, C] or [2, B, W, C], as in `ClipBatch`.
        score: [2, B] float64, relative to the range of the action's training scores: 0 the lowest, 1 the highest.
    """

    content: Tensor
    score: Tensor


def relative(score: Tensor, score_range: Tensor) -> Tensor:
    """Scores [N] relative to their ranges [N, 2]: 0 the lowest, 1 the highest training score."""
    low, high = score_range.unbind(1)
    return (score - low) / (high - low)


def codes(values: Sequence[str | None]) -> tuple[NDArray[np.int64], list[str]]:
    """Index of each value among the sorted distinct ones (-1 for None), and those."""
    names = sorted({value for value in values if value is not None})
    index = {name: i for i, name in enumerate(names)}
    return np.array([-1 if value is None else index[value] for value in values], dtype=np.int64), names


def score_ranges(
    score: NDArray[np.float64], action: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """For each of n wanted actions the range [n, 2] that scores are relative to.

    That of the training scores of the action where they differ, else that of all.

    Shapes:
        score, action: [m], of the training clips.
        wanted: [n].
    """
    ranges = np.tile([score.min(), score.max()], (len(wanted), 1))
    for one in np.unique(action):
        own = score[action == one]
        if own.min() < own.max():
            ranges[wanted == one] = own.min(), own.max()
    return ranges


@dataclass(eq=False)
class EmbeddedClips(TrackFacts):
    """N tracks with the embeddings of T moments.

    Shapes:
        embedding: [N, T, E] float, as the encoder gave it (not of unit length), the temporal head made it, or the clip
            features of T windows.
        poses: [N, P, 15, C] float, the normalised poses behind it; P is 0 where the data are features.
    """

    embedding: Tensor
    poses: Tensor

    @property
    def middle_poses(self) -> Tensor:
        """The pose in the middle of each of T equal shares of the clip, [N, T, 15, C]."""
        moments, count = self.embedding.shape[1], self.poses.shape[1]
        return self.poses[:, (2 * torch.arange(moments, device=self.poses.device) + 1) * count // (2 * moments)]

    @property
    def mean_poses(self) -> Tensor:
        """The mean of the normalised poses in each of T equal shares of the clip, [N, T, 15, C]; needs T poses."""
        return torch.stack([share.mean(1) for share in self.poses.tensor_split(self.embedding.shape[1], dim=1)], 1)

    @property
    def relative_score(self) -> Tensor:
        """See `relative`."""
        return relative(self.score, self.score_range)

    def with_embedding(self, embedding: Tensor) -> "EmbeddedClips":
        """The same tracks with another embedding [N, T, E]."""
        return replace(self, embedding=embedding)

    def by_action(self, exemplars: "EmbeddedClips") -> list[tuple[Tensor, Tensor]]:
        """Indices (queries, exemplars) to compare, one entry an action.

        Queries whose action no exemplar has are compared with every exemplar.
        """
        everything = torch.arange(len(exemplars), device=exemplars.action.device)
        pairs = []
        for action in self.action.unique().tolist():
            known = (exemplars.action == action).nonzero()[:, 0]
            pairs.append(((self.action == action).nonzero()[:, 0], known if len(known) else everything))
        return pairs


def first_of_each(index: Tensor) -> Tensor:
    """Position at which each distinct value of `index` [N] first occurs, in the order of the values."""
    values, inverse = torch.unique(index, return_inverse=True)
    position = torch.arange(len(index), device=index.device)
    return position.new_full((len(values),), len(index)).scatter_reduce_(0, inverse, position, "amin")


def mean_of_each(values: Tensor, index: Tensor) -> Tensor:
    """Mean of `values` [N] over each distinct value of `index` [N], in the order of the values."""
    distinct, inverse, count = torch.unique(index, return_inverse=True, return_counts=True)
    total: Tensor = values.new_zeros(len(distinct)).index_add_(0, inverse, values)
    mean: Tensor = total / count
    return mean
