"""The batches that data modules hand to the model, and clips once their poses are embedded."""

from dataclasses import dataclass, fields, replace
from typing import TypedDict

import torch
from torch import Tensor


class PairBatch(TypedDict):
    """Pairs of poses for the contrastive loss.

    Shapes:
        poses: [2, B, 15, C] float, normalised to [0, 1]; poses[0] and poses[1] are the two members.
        similar: [B] float, Y of eq. (4): 1 for similar, 0 for dissimilar, between if graded.
    """

    poses: Tensor
    similar: Tensor


class ClipBatch(TypedDict):
    """Tracks (one person in one clip each) sampled at T relative times, with what is known about their clips.

    Shapes:
        poses: [B, T, 15, C] float, normalised; T is the data module's `frames_per_clip`, 0 where it serves features.
        features: [B, W, C] float, clip features of W windows; W is 0 where the data module serves poses.
        track: [B] int64, index of the track in the data module; tells copies apart from different tracks.
        clip: [B] int64, index of the clip: the tracks of a clip with several performers share it.
        action: [B] int64, index of the action.
        score: [B] float64, expert score; NaN where unknown.
        score_range: [B, 2] float64, lowest and highest training score that the clip's score is relative to.
        difficulty: [B] float64, degree of difficulty; NaN where there is none.
        group: [B] int64, athlete or event; -1 where unknown.
        phases: [B, P + 1] float64, relative times in [0, 1] at which phases begin, first 0 and last 1, padded with NaN.
        covariates: [B, V] int64, what is known without looking at the poses (one column a covariate); -1 where unknown.
    """

    poses: Tensor
    features: Tensor
    track: Tensor
    clip: Tensor
    action: Tensor
    score: Tensor
    score_range: Tensor
    difficulty: Tensor
    group: Tensor
    phases: Tensor
    covariates: Tensor


class ExemplarBatch(TypedDict):
    """Pairs of clips of one action for regression against exemplars; the first index is 0 for queries, 1 for exemplars.

    Shapes:
        poses: [2, B, T, 15, C] and features: [2, B, W, C], as in `ClipBatch`.
        score: [2, B] float64, relative to the range of the action's training scores: 0 the lowest, 1 the highest.
    """

    poses: Tensor
    features: Tensor
    score: Tensor


def relative(score: Tensor, score_range: Tensor) -> Tensor:
    """Scores [N] relative to their ranges [N, 2]: 0 the lowest, 1 the highest training score."""
    low, high = score_range.unbind(1)
    return (score - low) / (high - low)


@dataclass(frozen=True)
class EmbeddedClips:
    """N tracks with the embeddings of T moments; the other fields are those of `ClipBatch`.

    Shapes:
        embedding: [N, T, E] float, as the encoder gave it (not of unit length), the temporal head made it, or the clip
            features of T windows.
        poses: [N, P, 15, C] float, the normalised poses behind it; P is 0 where the data are features.
    """

    embedding: Tensor
    poses: Tensor
    track: Tensor
    clip: Tensor
    action: Tensor
    score: Tensor
    score_range: Tensor
    difficulty: Tensor
    group: Tensor
    phases: Tensor
    covariates: Tensor

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, index: Tensor) -> "EmbeddedClips":
        """Tracks picked by a mask [N] or by indices, in that order."""
        return EmbeddedClips(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

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
