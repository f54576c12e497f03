"""Min-max normalisation of poses, eq. (1) and (2) of GCN-PSN, with missing joints and degenerate extents."""

import math
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from datamodules.skeleton import BONES, JOINTS, checked_arrays, found, joints_first, joints_last
from errors import InputError

ArrayT = TypeVar("ArrayT")

_NEIGHBOURS: Final = [[sum(bone) - joint for bone in BONES if joint in bone] for joint in range(len(JOINTS))]

# so many poses at once that the temporaries stay in the processor's cache: twice as fast as all at once
_CHUNK: Final = 8192


@dataclass(frozen=True)
class Normalisation:
    """Brings the joints of each pose to [0, 1] per axis: (x - min) / (max - min) over its 15 joints (eq. 1, 2).

    What the paper leaves open: an axis without extent gives 0.5. A missing joint is left out of min and max and takes
    the mean of its present neighbours on the skeleton, all such joints at once, repeated outward until none is left.
    What was stored at a missing joint never matters.

    A joint is missing when a coordinate is NaN or infinite, or its confidence is 0 or under `min_confidence`. An
    unknown confidence (NaN) counts as 1.

    Attributes:
        min_confidence: Least confidence of a joint that is used, in [0, 1].
        keep_aspect: Scale both axes by the larger extent, and centre the shorter axis at 0.5. Eq. (1) and (2) scale
            each axis by its own extent, which discards the aspect ratio.

    Raises:
        InputError: `min_confidence` outside [0, 1].
    """

    min_confidence: float = 0.2
    keep_aspect: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence is {self.min_confidence}: give a number from 0 to 1")

    def __call__(self, xy: ArrayT, confidence: ArrayT | None) -> tuple[ArrayT, ArrayT]:
        """Normalises numpy arrays or torch tensors; the input is left as it is.

        Args:
            xy: [..., 15, 2] in any unit, NaN where missing. Dtypes that are not floating become float32.
            confidence: [..., 15] in [0, 1], NaN where unknown, or None if all are unknown.

        Returns:
            xy [..., 15, 2] in [0, 1], and present [..., 15] bool, False where the joint was missing. A pose with no
            joint present is 0.5 throughout: exclude it (`present.any(-1)` is False).

        Raises:
            ValueError: Other shapes.
        """
        xp, points, certainty = checked_arrays(xy, confidence, len(JOINTS))
        present = found(xp, points, certainty)
        if certainty is not None:
            present = present & ~(certainty < self.min_confidence)

        count = math.prod(points.shape[:-2])
        flat = xp.reshape(points, (count, len(JOINTS), 2))
        flat_present = xp.reshape(present, (count, len(JOINTS)))
        normalised = xp.empty_like(flat)
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            normalised[part] = self._normalise(xp, flat[part], flat_present[part])
        return cast(ArrayT, xp.reshape(normalised, points.shape)), cast(ArrayT, present)

    def _normalise(self, xp: Any, points: Any, present: Any) -> Any:
        """[n, 15, 2] in [0, 1] from points [n, 15, 2] and present [n, 15]."""
        planes = joints_first(xp, points)
        known = joints_first(xp, present[..., None])[0]
        some = xp.any(known, axis=0)
        zero = xp.zeros_like(planes[:, 0])
        lowest = xp.where(some, xp.min(xp.where(known, planes, xp.full_like(planes, math.inf)), axis=1), zero)
        highest = xp.where(some, xp.max(xp.where(known, planes, xp.full_like(planes, -math.inf)), axis=1), zero)

        # halves, because the difference of two very large coordinates would overflow
        offset = xp.where(known, planes, lowest[:, None]) / 2 - lowest[:, None] / 2
        extent = highest / 2 - lowest / 2
        scale = xp.max(extent, axis=0, keepdims=True) if self.keep_aspect else extent
        scale = xp.where(scale > 0, scale, xp.ones_like(scale))
        unused = 1 - extent / scale
        normalised = offset / scale[:, None] + unused[:, None] / 2

        (gaps,) = xp.nonzero(some & ~xp.all(known, axis=0))
        if gaps.shape[0]:
            normalised[:, :, gaps] = _fill(xp, normalised[:, :, gaps], known[:, gaps])
        return joints_last(xp, normalised, (points.shape[0],))


def _fill(xp: Any, planes: Any, known: Any) -> Any:
    """Gives joints that are not known the mean of their known neighbours, outward until all are.

    Args:
        xp: The array namespace.
        planes: [2, 15, n], finite.
        known: [15, n] bool, at least one True in each column.

    Returns:
        [2, 15, n].
    """
    while not xp.all(known):
        weights = xp.astype(known, planes.dtype)
        values = planes * weights
        counts = xp.stack([sum(weights[one] for one in near) for near in _NEIGHBOURS])
        totals = xp.stack([sum(values[:, one] for one in near) for near in _NEIGHBOURS], axis=1)
        reached = ~known & (counts > 0)
        planes = xp.where(reached, totals / xp.where(reached, counts, xp.ones_like(counts)), planes)
        known = known | reached
    return planes
