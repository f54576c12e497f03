"""Min-max normalisation of poses, eq. (1) and (2) of GCN-PSN, with missing joints and degenerate extents."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from errors import InputError
from poses.skeleton import BONES, JOINTS, adjacency, checked_arrays, found, joints_first, joints_last

ArrayT = TypeVar("ArrayT")

_PELVIS: Final = JOINTS.index("pelvis")
_NECK: Final = JOINTS.index("neck")

TORSOS: Final = 4.5
"""Torso lengths from 0 to 1 with `torso`: raised hands are 2.2 from the pelvis, feet less."""

_FARTHEST: Final = 7
"""Bones from a wrist to the other side's ankle, the two joints that are furthest apart."""

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
        torso: Put the pelvis at 0.5 and scale both axes by the torso, the distance from pelvis to neck: 1 is `TORSOS`
            of them. The pose then neither moves nor changes its size because one limb is stretched, but a body turned
            towards the camera changes it. Where the torso is so foreshortened that the body would leave [0, 1] (2 % of
            the poses of SPEED21), or the neck is missing, the body is made to fit, the pelvis still at 0.5; where the
            pelvis is missing, as with `keep_aspect`.

    Raises:
        InputError: `min_confidence` outside [0, 1], or both ways to scale.
    """

    min_confidence: float = 0.2
    keep_aspect: bool = False
    torso: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence is {self.min_confidence}: give a number from 0 to 1")
        if self.keep_aspect and self.torso:
            raise InputError("keep_aspect and torso are both given: choose one (torso keeps the aspect ratio too)")

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
        xp, points, present = self._present(xy, confidence)
        count = math.prod(points.shape[:-2])
        flat = xp.reshape(points, (count, len(JOINTS), 2))
        flat_present = xp.reshape(present, (count, len(JOINTS)))
        normalised = xp.empty_like(flat)
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            normalised[part] = self._normalise(xp, flat[part], flat_present[part])
        return cast(ArrayT, xp.reshape(normalised, points.shape)), cast(ArrayT, present)

    def in_graph(self, xy: ArrayT, confidence: ArrayT | None) -> tuple[ArrayT, ArrayT]:
        """The same for poses [N, 15, 2] without a step that depends on the values or on N: graphs are traced by it."""
        xp, points, present = self._present(xy, confidence)
        return cast(ArrayT, self._normalise(xp, points, present, traced=True)), cast(ArrayT, present)

    def _present(self, xy: Any, confidence: Any) -> tuple[Any, Any, Any]:
        """The array namespace, xy as floats, and where a joint is present [..., 15]."""
        xp, points, certainty = checked_arrays(xy, confidence)
        present = found(xp, points, certainty)
        return xp, points, present if certainty is None else present & ~(certainty < self.min_confidence)

    def _normalise(self, xp: Any, points: Any, present: Any, traced: bool = False) -> Any:
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
        if self.torso:
            normalised = _by_torso(xp, offset, extent, known)
        else:
            scale = xp.max(extent, axis=0, keepdims=True) if self.keep_aspect else extent
            scale = _not_zero(xp, scale)
            unused = 1 - extent / scale
            normalised = offset / scale[:, None] + unused[:, None] / 2

        if traced:
            for _ in range(_FARTHEST):
                normalised, known = _fill(xp, normalised, known, _product_around)
            return joints_last(xp, normalised, (points.shape[0],))
        (gaps,) = xp.nonzero(some & ~xp.all(known, axis=0))
        if gaps.shape[0]:
            filled, known = normalised[:, :, gaps], known[:, gaps]
            while not xp.all(known):
                filled, known = _fill(xp, filled, known)
            normalised[:, :, gaps] = filled
        return joints_last(xp, normalised, (points.shape[0],))


def _by_torso(xp: Any, offset: Any, extent: Any, known: Any) -> Any:
    """Places and scales bodies by their torsos, see `Normalisation.torso`.

    Args:
        xp: The array namespace.
        offset: [2, 15, n] from the least coordinates, finite.
        extent: [2, n] greatest offset of a known joint.
        known: [15, n] bool.

    Returns:
        [2, 15, n], known joints in [0, 1].
    """
    centre = xp.where(known[_PELVIS], offset[:, _PELVIS], extent / 2)
    reach = xp.max(xp.maximum(centre, extent - centre), axis=0)  # of the farthest joint along an axis
    # in units of the reach nothing overflows when squared
    placed = (offset - centre[:, None]) / _not_zero(xp, reach)
    square = placed[0, _NECK] ** 2 + placed[1, _NECK] ** 2
    square = xp.where(known[_PELVIS] & known[_NECK], square, xp.zeros_like(square))
    wanted = xp.where(square > 0, TORSOS * xp.sqrt(_not_zero(xp, square)), xp.zeros_like(square))
    return 0.5 + placed / xp.maximum(wanted, xp.full_like(wanted, 2))


def _not_zero(xp: Any, divisor: Any) -> Any:
    """The divisor, 1 where it is 0."""
    return xp.where(divisor > 0, divisor, xp.ones_like(divisor))


def _sum_around(xp: Any, values: Any) -> Any:
    """Sum of values [..., 15, n] over each joint's neighbours, always in the same order."""
    return xp.stack([sum(values[..., one, :] for one in near) for near in _NEIGHBOURS], axis=-2)


def _product_around(xp: Any, values: Any) -> Any:
    """The same as one step of a graph in the place of 28."""
    return xp.astype(xp.asarray(adjacency()), values.dtype) @ values


def _fill(xp: Any, planes: Any, known: Any, around: Callable[[Any, Any], Any] = _sum_around) -> tuple[Any, Any]:
    """Gives joints that are not known the mean of their known neighbours, where they have some.

    Args:
        xp: The array namespace.
        planes: [2, 15, n], finite.
        known: [15, n] bool.
        around: Sums over each joint's neighbours.

    Returns:
        [2, 15, n], and which are known now.
    """
    weights = xp.astype(known, planes.dtype)
    counts, totals = around(xp, weights), around(xp, planes * weights)
    reached = ~known & (counts > 0)
    planes = xp.where(reached, totals / xp.where(reached, counts, xp.ones_like(counts)), planes)
    return planes, known | reached
