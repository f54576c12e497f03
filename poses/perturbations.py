"""What may be wrong with keypoints, in known amounts: how much of it does a model bear?

A perturbation changes the keypoints of one clip as an estimator gave them, in pixels, before they are normalised. Its
draws come from a generator of the clip's own, and are the same at every level: curves over levels do not jump for the
sake of other draws. The moments at which a clip is sampled are perturbed each by itself, also those that show the same
frame, so that how many frames a clip has does not matter.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from errors import InputError
from poses.normalisation import Normalisation
from poses.skeleton import FLIP, JOINTS
from poses.tracks import SampledKeypoints

Floats = npt.NDArray[Any]

PAIRS: Final = [(joint, other) for joint, other in enumerate(FLIP) if JOINTS[joint].startswith("left_")]
"""Left and right joints of one kind."""

PELVIS: Final = JOINTS.index("pelvis")
NECK: Final = JOINTS.index("neck")

TORSO_OF_EXTENT: Final = 0.37
"""Torso length as a share of a pose's longer extent: median of the 19 people of `benchmarks.estimator_noise`."""


@dataclass(frozen=True)
class Perturbation:
    """Changes the keypoints of a clip.

    Attributes:
        level: how much of it, at least 0; 0 changes nothing.
        name, unit: for tables and figures.

    Raises:
        InputError: the level is out of range.
    """

    level: float

    name: ClassVar[str]
    unit: ClassVar[str]
    most: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.level <= self.most:
            raise InputError(f"{self.name}: the level is {self.level}, give a number from 0 to {self.most:g}")

    def __call__(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """The perturbed keypoints; those given are left as they are.

        Args:
            xy: [K, T, 15, 2] pixels of the clip's K tracks at T moments, NaN where missing.
            confidence: [K, T, 15], NaN where unknown, 0 where missing.
            generator: the clip's own, fresh.
        """
        return (xy, confidence) if self.level == 0 else self.change(xy, confidence, generator)

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """As `__call__`, with a level above 0."""
        raise NotImplementedError


@dataclass(frozen=True)
class JointNoise(Perturbation):
    """Every coordinate is off by a normal error; the level is its standard deviation in % of the pose's torso."""

    name: ClassVar[str] = "joint noise"
    unit: ClassVar[str] = "% of the torso"

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`."""
        size = self.level / 100 * torso_lengths(xy)[..., None, None]
        return (xy + size * generator.standard_normal(xy.shape)).astype(xy.dtype), confidence


@dataclass(frozen=True)
class DroppedJoints(Perturbation):
    """Joints are missing, the level is how many of every pose; which ones is drawn for each pose.

    A joint that is missing already may be among them.
    """

    name: ClassVar[str] = "dropped joints"
    unit: ClassVar[str] = "of 15 joints"
    most: ClassVar[float] = len(JOINTS) - 1

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`."""
        place = generator.random(confidence.shape).argsort(axis=-1).argsort(axis=-1)
        return _without(xy, confidence, place < round(self.level))


@dataclass(frozen=True)
class Rotation(Perturbation):
    """The body is turned clockwise in the picture by the level, in degrees: a tilted camera."""

    name: ClassVar[str] = "rotation"
    unit: ClassVar[str] = "degrees"

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`; about the middle of the pose, though nothing depends on that after normalisation."""
        angle = math.radians(self.level)
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])  # y points down
        low, high = _bounds(xy)
        middle = ((low + high) / 2)[..., None, :]
        return ((xy - middle) @ turn + middle).astype(xy.dtype), confidence


@dataclass(frozen=True)
class Mirror(Perturbation):
    """Some clips show the mirrored body: x is mirrored, and left and right joints change places.

    That is what an estimator says of a mirrored picture, or of a left-hander in place of a right-hander. The level is
    the share of the clips, in %: where all are mirrored, a mere shift of all predictions would not show in the ranks.
    A clip mirrored at one level is so at every higher one.
    """

    name: ClassVar[str] = "mirrored body"
    unit: ClassVar[str] = "% of the clips"
    most: ClassVar[float] = 100

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`."""
        if 100 * generator.random() >= self.level:
            return xy, confidence
        return _mirrored(xy)[..., FLIP, :], confidence[..., FLIP]


@dataclass(frozen=True)
class OppositeView(Mirror):
    """Some clips are seen from the opposite side: x is mirrored, joints keep their names.

    It is what flipping x without exchanging the joints' names amounts to, and no mirrored body: the parallel projection
    of the same body for a camera behind it. The level is the share of the clips, in %.
    """

    name: ClassVar[str] = "seen from the opposite side"

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`."""
        return (xy, confidence) if 100 * generator.random() >= self.level else (_mirrored(xy), confidence)


# Printed by `python -m benchmarks.estimator_noise`: BlazePose (full) on the annotated boxes of 17 people in photographs
# of COCO (12) and MPII (5); a joint is missing under a confidence of 0.2. So few people give orders of magnitude. Left
# out: bodies upside down. Of two acrobats in Human-Art one got no answer, the other one that is wrong throughout.
MEASURED: Final = {
    "ankle": (0.081, 2 / 27),
    "knee": (0.093, 2 / 34),
    "hip": (0.119, 0 / 34),
    "pelvis": (0.089, 0 / 17),
    "wrist": (0.055, 4 / 30),
    "elbow": (0.074, 3 / 32),
    "shoulder": (0.061, 0 / 34),
    "neck": (0.042, 0 / 17),
    "head": (0.061, 0 / 16),
}
"""By kind of joint: median error in torso lengths of those found, and the share of those missing."""

SWAPPED: Final = 1 / 92
"""Share of the pairs of left and right joints that were taken for each other."""

LARGEST: Final = 0.79
"""Largest error of a joint, in torso lengths."""


@dataclass(frozen=True)
class EstimatorNoise(Perturbation):
    """The joints come from another estimator: off, missing and exchanged as measured; the level multiplies all three.

    A joint is off in a random direction by m sqrt(u / (1 - u)), u uniform and m the median of its kind: a t
    distribution with two degrees of freedom, which fits what was measured from the 10th to the 95th percentile. At
    level 1 no error is larger than the largest measured. Joints and moments err each by themselves; of how errors in a
    video hang together, photographs say nothing.
    """

    name: ClassVar[str] = "another estimator"
    unit: ClassVar[str] = "times BlazePose's errors"

    def change(self, xy: Floats, confidence: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """See `Perturbation`."""
        median, missing = np.array([MEASURED[joint_kind(joint)] for joint in JOINTS]).T
        odds, direction, luck = generator.random((3, *confidence.shape))
        swaps = generator.random((*confidence.shape[:-1], len(PAIRS))) < self.level * SWAPPED
        error = np.minimum(median * np.sqrt(odds / (1 - odds)), LARGEST)
        length = self.level * error * torso_lengths(xy)[..., None]
        angle = 2 * np.pi * direction
        moved = (xy + length[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)).astype(xy.dtype)
        xy, confidence = _without(moved, confidence, luck < self.level * missing)
        named = np.broadcast_to(np.arange(len(JOINTS)), confidence.shape).copy()
        for i, (left, right) in enumerate(PAIRS):
            named[..., [left, right]] = np.where(swaps[..., i, None], [right, left], [left, right])
        return np.take_along_axis(xy, named[..., None], axis=-2), np.take_along_axis(confidence, named, axis=-1)


LEVELS: Final[dict[type[Perturbation], tuple[float, ...]]] = {
    JointNoise: (0, 2, 5, 10, 20),
    DroppedJoints: (0, 1, 2, 4, 7),
    Rotation: (0, 5, 15, 30, 90),
    Mirror: (0, 25, 50, 100),
    OppositeView: (0, 25, 50, 100),
    EstimatorNoise: (0, 0.5, 1, 2, 4),
}


def curves() -> list[list[Perturbation]]:
    """What a robustness table holds: a list for each kind of perturbation, with increasing levels from 0."""
    return [[kind(float(level)) for level in levels] for kind, levels in LEVELS.items()]


def generator_of(clip_id: str, seed: int) -> np.random.Generator:
    """The draws of one clip: they depend on its name and the seed alone."""
    return np.random.default_rng([seed, *hashlib.sha256(clip_id.encode()).digest()])


def perturbed_poses(
    keypoints: SampledKeypoints, perturbation: Perturbation, normalisation: Normalisation, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Normalised poses [K, T, 15, 2] of perturbed clips.

    A pose that has no joint left shows the pose of the moment before (before the first one: the first), and if no
    moment of a track has a joint, 0.5 throughout.
    """
    xy, confidence = keypoints.xy.copy(), keypoints.confidence.copy()
    bounds = np.searchsorted(keypoints.clip, np.arange(len(keypoints.clip_ids) + 1))
    for clip_id, begin, end in zip(keypoints.clip_ids, bounds, bounds[1:], strict=False):
        part = slice(begin, end)
        generator = generator_of(clip_id, seed)
        xy[part], confidence[part] = perturbation(keypoints.xy[part], keypoints.confidence[part], generator)
    poses, present = normalisation(xy, confidence)
    seen = present.any(axis=-1)
    moments = np.arange(seen.shape[1])
    shown = np.maximum.accumulate(np.where(seen, moments, -1), axis=1)
    shown = np.where(shown < 0, seen.argmax(axis=1)[:, None], shown)
    held: npt.NDArray[np.float32] = np.take_along_axis(poses, shown[..., None, None], axis=1).astype(np.float32)
    return held


def torso_lengths(xy: Floats) -> Floats:
    """Distances [..., T] of pelvis and neck in poses [..., T, 15, 2].

    Where one of them is missing: the median of the track's other poses, or else a share of the pose's longer extent.
    """
    own = np.linalg.norm(xy[..., NECK, :] - xy[..., PELVIS, :], axis=-1)
    low, high = _bounds(xy)
    by_extent = TORSO_OF_EXTENT * (high - low).max(axis=-1)
    known = np.isfinite(own)
    median = np.full((*own.shape[:-1], 1), np.nan)
    some = known.any(axis=-1)
    median[some, 0] = np.nanmedian(own[some], axis=-1)
    lengths: Floats = np.where(known, own, np.where(np.isfinite(median), median, by_extent))
    return lengths


def joint_kind(joint: str) -> str:
    """The joint without its side: "knee" of "left_knee"."""
    return joint.removeprefix("left_").removeprefix("right_")


def _bounds(xy: Floats) -> tuple[Floats, Floats]:
    """Least and largest coordinates [..., 2] of poses [..., 15, 2], NaN of a pose without a joint."""
    known = np.isfinite(xy)
    low, high = np.where(known, xy, np.inf).min(axis=-2), np.where(known, xy, -np.inf).max(axis=-2)
    some = known.any(axis=-2)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def _mirrored(xy: Floats) -> Floats:
    mirrored: Floats = xy * np.array([-1, 1], xy.dtype)
    return mirrored


def _without(xy: Floats, confidence: Floats, missing: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The keypoints without those that are missing [..., 15]."""
    gone = np.where(missing, np.array(0, confidence.dtype), confidence)
    return np.where(missing[..., None], np.array(np.nan, xy.dtype), xy), gone
