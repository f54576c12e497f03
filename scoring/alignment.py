"""Which pose of one clip is compared with which pose of another: by relative time, by phase, or by time warping."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from poses.batches import EmbeddedClips
from scoring.distances import SCORE_WIDTH, unit

# A block of this many distances passes through the steps below without leaving the second-level cache.
_IDENTITY_CELLS = 1 << 17
_DTW_PAIRS = 4096
_DTW_BYTES = 160 << 20
_DTW_SIDE = 64


class Aligned(NamedTuple):
    """How far apart clips are over the poses that an alignment matches.

    Shapes:
        distance: [nq, ne], mean D of eq. (5), in [0, 2].
        score: [nq, ne], mean of eq. (6) over the same poses, in (0, 100].
    """

    distance: Tensor
    score: Tensor


class Alignment(nn.Module):
    """Compares every query with every exemplar; a subclass says which poses are matched.

    A clip with an embedding that is not finite gets NaN. A pair's result does not depend on the other pairs.
    """

    name: ClassVar[str]

    def forward(self, queries: EmbeddedClips, exemplars: EmbeddedClips, u: float = SCORE_WIDTH) -> Aligned:
        """Mean distance and mean score of every pair.

        Args:
            queries: nq tracks.
            exemplars: ne tracks.
            u: width of eq. (6).

        Returns:
            Two tensors [nq, ne] in the embeddings' precision (at least float32), without gradient.
        """
        raise NotImplementedError

    def distance(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """The mean distance alone, [nq, ne]; cheaper where an alignment can do without the scores."""
        result: Aligned = self(queries, exemplars)
        return result.distance

    def label(self, scorer: str) -> str:
        """Name of a scorer with this alignment, for tables."""
        return scorer if isinstance(self, IdentityAlignment) else f"{scorer} ({self.name})"


class IdentityAlignment(Alignment):
    """Pose t of one clip against pose t of the other: equal relative times."""

    name = "identity"

    @torch.no_grad()
    def forward(self, queries: EmbeddedClips, exemplars: EmbeddedClips, u: float = SCORE_WIDTH) -> Aligned:
        """See `Alignment`."""
        return _by_time(_units(queries), _units(exemplars), u)

    @torch.no_grad()
    def distance(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """See `Alignment`; one matrix product."""
        return _distance_by_time(_units(queries), _units(exemplars))


class PhaseAlignment(Alignment):
    """Equal relative times within each annotated phase: piecewise linear in time.

    Both clips are read at T moments of a canonical time in which all P phases last equally long, each moment at the
    nearest of the clip's poses (pose t stands for the relative times from t / T to (t + 1) / T). A clip without phases
    has one. Two clips with different numbers of phases are compared by `IdentityAlignment`.
    """

    name = "phase"

    @torch.no_grad()
    def forward(self, queries: EmbeddedClips, exemplars: EmbeddedClips, u: float = SCORE_WIDTH) -> Aligned:
        """See `Alignment`."""
        shape = (len(queries), len(exemplars))
        units = _units(queries), _units(exemplars)
        result = Aligned(units[0].new_empty(shape), units[0].new_empty(shape))
        for rows, columns, first, second in _blocks_of_phases(queries, exemplars, *units):
            block = _by_time(first, second, u)
            result.distance[rows[:, None], columns] = block.distance
            result.score[rows[:, None], columns] = block.score
        return result


class DTWAlignment(Alignment):
    """Dynamic time warping on D: the path from the first two poses to the last two with the smallest sum of D.

    A step moves on by one pose in both clips, in the query, or in the exemplar; among equal sums they are preferred in
    that order, looking back from the end. Means are over the pairs of poses on the path (T to 2 T - 1 of
    them). The clips may have different numbers of poses.
    """

    name = "DTW"

    @torch.no_grad()
    def forward(self, queries: EmbeddedClips, exemplars: EmbeddedClips, u: float = SCORE_WIDTH) -> Aligned:
        """See `Alignment`."""
        first, second = _units(queries), _units(exemplars)
        broken = ~first.isfinite().all(-1).all(-1)[:, None] | ~second.isfinite().all(-1).all(-1)
        # (-a, 1) . (b, 1) = 1 - a.b: the product that computes the distances also adds them to the path sums.
        ones = first.new_ones(())
        first = torch.cat((-first, ones.expand(*first.shape[:2], 1)), 2).nan_to_num(0).transpose(0, 1)
        second = torch.cat((second, ones.expand(*second.shape[:2], 1)), 2).nan_to_num(0).flip(1).permute(1, 2, 0)
        table = _PathTable(first.shape[0], second.shape[0])
        result = Aligned(first.new_empty(broken.shape), first.new_empty(broken.shape))
        pairs = max(1, min(_DTW_PAIRS, _DTW_BYTES // (table.rows * first.element_size())))
        width = max(1, min(len(exemplars), max(_DTW_SIDE, pairs // max(1, len(queries))), pairs))
        height = max(1, min(len(queries), pairs // width))
        sums = first.new_empty(table.rows * height * width)
        for columns in torch.split(torch.arange(len(exemplars)), width):
            chunk = second[..., columns].contiguous()
            for rows in torch.split(torch.arange(len(queries)), height):
                block = table.solve(first[:, rows].contiguous(), chunk, sums, u)
                result.distance[rows[:, None], columns] = block.distance
                result.score[rows[:, None], columns] = block.score
        return Aligned(result.distance.masked_fill(broken, torch.nan), result.score.masked_fill(broken, torch.nan))


class _PathTable:
    """Layout of the sums of a T x S warping problem, anti-diagonal after anti-diagonal, for many pairs at once.

    The cells of an anti-diagonal k = t + s depend only on the two before it, and lie in consecutive rows, one row a
    query pose t, between two rows of infinity: all pairs of clips advance by one anti-diagonal in three operations on
    contiguous memory.
    """

    def __init__(self, t: int, s: int):
        self.t, self.s = t, s
        # Row of cell (t, k - t) is start[k + 2] + t. The sum before the first step, 0, stands at (-1, -1), k = -2.
        self.start = [1, 2]
        self.rows = 3
        for k in range(t + s - 1):
            low, high = self.span(k)
            self.start.append(self.rows + 1 - low)
            self.rows += high - low + 3

    def span(self, k: int) -> tuple[int, int]:
        """First and last query pose on anti-diagonal k."""
        return max(0, k - self.s + 1), min(k, self.t - 1)

    def solve(self, first: Tensor, second: Tensor, memory: Tensor, u: float) -> Aligned:
        """Means over the best paths of first [T, n, E + 1] against second [S, E + 1, m], time-reversed."""
        n, m = first.shape[1], second.shape[2]
        sums = memory[: self.rows * n * m].view(self.rows, n, m)
        sums[:3] = torch.inf
        sums[0] = 0
        for k in range(self.t + self.s - 1):
            low, high = self.span(k)
            here, before, twice = self.start[k + 2], self.start[k + 1], self.start[k]
            cells = sums[here + low : here + high + 1]
            torch.minimum(sums[before + low - 1 : before + high], sums[before + low : before + high + 1], out=cells)
            torch.minimum(cells, sums[twice + low - 1 : twice + high], out=cells)
            offset = self.s - 1 - k
            cells.baddbmm_(first[low : high + 1], second[offset + low : offset + high + 1])
            sums[here + low - 1] = torch.inf
            sums[here + high + 1] = torch.inf
        distance, score = self._trace(sums.view(self.rows, n * m), u)
        return Aligned(distance.view(n, m), score.view(n, m))

    def _trace(self, sums: Tensor, u: float) -> tuple[Tensor, Tensor]:
        """Walks all paths of sums [rows, pairs] back together, one anti-diagonal at a time.

        A path that moves on in both clips passes over an anti-diagonal; there it waits, as if it came by the exemplar.
        """
        count = self.t + self.s - 1
        along = sums.new_empty(count + 1, sums.shape[1])
        waits = torch.zeros(along.shape, dtype=torch.bool, device=sums.device)
        along[count] = sums[self.start[-1] + self.t - 1]
        pose = torch.full((1, sums.shape[1]), self.t - 1, device=sums.device)
        sum_at, wait_at = torch.split(along, 1), torch.split(waits, 1)
        for k in range(count - 1, -1, -1):
            both = sums[self.start[k] - 1 :].gather(0, pose)
            query = sums[self.start[k + 1] - 1 :].gather(0, pose)
            exemplar = sums[self.start[k + 1] :].gather(0, pose)
            by_query = torch.minimum(both, query).masked_fill_(wait_at[k + 1], torch.inf)
            torch.minimum(by_query, exemplar, out=sum_at[k])
            moved = by_query <= exemplar
            torch.logical_and(moved, both <= query, out=wait_at[k])
            pose.sub_(moved.long())
        waited = waits[1:].sum(0)
        score = along.diff(dim=0).div_(u).square_().mul_(-0.5).exp_().sum(0) - waited
        return (along[count] / (count - waited)).clamp(0, 2), 100 * score / (count - waited)


def _units(clips: EmbeddedClips) -> Tensor:
    """Unit vectors [N, T, E] of the clips' poses."""
    embedding = clips.embedding
    return unit(embedding if embedding.dtype == torch.float64 else embedding.float())


def _distance_by_time(first: Tensor, second: Tensor) -> Tensor:
    _check_times(first, second)
    return (1 - first.flatten(1) @ second.flatten(1).T / first.shape[1]).clamp_(0, 2)


def _by_time(first: Tensor, second: Tensor, u: float) -> Aligned:
    """Identity alignment of unit vectors [nq, T, E] and [ne, T, E]."""
    _check_times(first, second)
    times = first.shape[1]
    result = Aligned(first.new_empty(len(first), len(second)), first.new_empty(len(first), len(second)))
    width = max(1, min(len(second), 64))
    height = max(1, _IDENTITY_CELLS // (times * width))
    first, second = first.transpose(0, 1).contiguous(), second.permute(1, 2, 0)
    for left in range(0, result.score.shape[1], width):
        columns = slice(left, left + width)
        chunk = second[..., columns].contiguous()
        for top in range(0, result.score.shape[0], height):
            rows = slice(top, top + height)
            distance = torch.bmm(first[:, rows], chunk).neg_().add_(1).clamp_(0, 2)
            result.distance[rows, columns] = distance.mean(0)
            result.score[rows, columns] = distance.square_().mul_(-0.5 / u**2).exp_().mean(0).mul_(100)
    return result


def _check_times(first: Tensor, second: Tensor) -> None:
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"clips have {first.shape[1]} and {second.shape[1]} poses; only DTWAlignment compares such clips"
        )


def _blocks_of_phases(
    queries: EmbeddedClips, exemplars: EmbeddedClips, first: Tensor, second: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Blocks of pairs, with units to compare by time: at canonical moments where the phases are equally many."""
    (count, read), (other_count, other_read) = _canonical(queries.phases, first), _canonical(exemplars.phases, second)
    for phases in torch.unique(count).tolist():
        rows = (count == phases).nonzero()[:, 0]
        same, other = (other_count == phases).nonzero()[:, 0], (other_count != phases).nonzero()[:, 0]
        if len(same):
            yield rows, same, read[rows], other_read[same]
        if len(other):
            yield rows, other, first[rows], second[other]


def _canonical(phases: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Number of phases [N], and the units [N, T, E] at T moments of a time in which phases last equally long.

    Shapes:
        phases: [N, P + 1], padded with NaN.
    """
    n, times = units.shape[:2]
    count = phases.isfinite().sum(1) - 1
    unknown = (count < 1)[:, None]
    ends = torch.cat((phases, phases.new_full((n, 2), torch.nan)), 1)
    whole = torch.arange(ends.shape[1], device=phases.device).to(phases.dtype)
    ends, count = torch.where(unknown, whole, ends), count.clamp(min=1)
    moment = (torch.arange(times, device=phases.device) + 0.5).to(phases.dtype) / times * count[:, None]
    phase = moment.long()
    begin, end = ends.gather(1, phase), ends.gather(1, phase + 1)
    pose = ((begin + (moment - phase) * (end - begin)) * times).long().clamp(0, times - 1)
    return count, units.gather(1, pose[..., None].expand_as(units))
