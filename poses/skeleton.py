"""The 15 joints and 14 bones of GCN-PSN (arXiv 2511.01194), and how other keypoint layouts become them.

Everything here takes numpy arrays and torch tensors alike, of any leading shape; floating dtypes and devices are kept,
other dtypes become float32. x grows to the right and y downwards; left and right are the person's own.

Keypoint layouts (`KEYPOINTS`), with their origin:

- coco17: COCO keypoint annotations (`categories[0]["keypoints"]` of person_keypoints_train2017.json).
- mpii16: MPII Human Pose, joint ids of the annotation file's documentation.
- halpe26: the 26 body keypoints of Halpe-FullBody (README of Fang-Haoshu/Halpe-FullBody): COCO's 17, head top, neck,
  hip, feet.
- body25: OpenPose's BODY_25 (`POSE_BODY_25_BODY_PARTS`, doc/02_output.md).
- blazepose33: MediaPipe Pose landmarks (`PoseLandmark`). Its confidence is the visibility.

One rule for every source, so that one checkpoint serves them all: the neck is the point between the shoulders, the
pelvis the point between the hips, the head the middle of the head. Where a source has such a point it is taken: MPII's
pelvis and thorax, and BODY_25's MidHip and Neck, which OpenPose defines as those very midpoints. Halpe's neck (18) is
not taken: the published Halpe-26 estimators of mmpose learn it from MPII's *upper* neck as well. The head is the mean
of the nose, the eyes and the ears; MPII has no face and gives the midpoint of upper neck and head top.
"""

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar, cast

import array_api_compat
import numpy as np
import numpy.typing as npt

from errors import InputError, quoted

ArrayT = TypeVar("ArrayT")
Source = Literal["coco17", "mpii16", "halpe26", "body25", "blazepose33"]

SKELETON: Final = "gcn-psn-15"

JOINTS: Final[tuple[str, ...]] = (
    "right_ankle", "right_knee", "right_hip", "pelvis", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "neck", "left_shoulder", "left_elbow", "left_wrist",
    "head",
)  # fmt: skip

BONES: Final[tuple[tuple[int, int], ...]] = (
    (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (7, 8), (8, 9), (9, 10), (10, 11), (11, 12), (12, 13), (10, 14),
    (3, 10),
)  # fmt: skip


def _parents() -> dict[int, int]:
    parents = {JOINTS.index("pelvis"): JOINTS.index("pelvis")}
    while len(parents) < len(JOINTS):
        for a, b in (*BONES, *(bone[::-1] for bone in BONES)):
            if a in parents and b not in parents:
                parents[b] = a
    return parents


PARENTS: Final[dict[int, int]] = _parents()
"""The joint on the way to the pelvis that each joint hangs on, in an order in which it comes first; the pelvis hangs on
itself."""


def _other_side(joint: str) -> str:
    if joint.startswith("right_"):
        return joint.replace("right_", "left_")
    return joint.replace("left_", "right_")


FLIP: Final[tuple[int, ...]] = tuple(JOINTS.index(_other_side(joint)) for joint in JOINTS)

_COCO17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
_MPII16 = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
_HALPE26 = (
    *_COCO17, "head_top", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
)  # fmt: skip
_BODY25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye",
    "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
    "right_small_toe", "right_heel",
)  # fmt: skip
_BLAZEPOSE33 = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
KEYPOINTS: Final[dict[Source, tuple[str, ...]]] = {
    "coco17": _COCO17,
    "mpii16": _MPII16,
    "halpe26": _HALPE26,
    "body25": _BODY25,
    "blazepose33": _BLAZEPOSE33,
}


# the joints whose keypoints have another name or are derived; all parents must be seen, of the face any one
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_MIDPOINTS = {"pelvis": ("left_hip", "right_hip"), "neck": ("left_shoulder", "right_shoulder"), "head": _FACE}
_PARENTS: dict[Source, dict[str, tuple[str, ...]]] = {
    "coco17": _MIDPOINTS,
    "mpii16": {"pelvis": ("pelvis",), "neck": ("thorax",), "head": ("upper_neck", "head_top")},
    "halpe26": _MIDPOINTS,
    "body25": {"pelvis": ("mid_hip",), "neck": ("neck",), "head": _FACE},
    "blazepose33": _MIDPOINTS,
}


def adjacency(self_loops: float = 0.0, edges: Sequence[tuple[int, int]] = BONES) -> npt.NDArray[np.float64]:
    """The graph of the joints, A + self_loops x I.

    Returns:
        [15, 15] symmetric; 1 where an edge (a bone) joins two joints, `self_loops` on the diagonal.
    """
    matrix: npt.NDArray[np.float64] = self_loops * np.eye(len(JOINTS))
    for a, b in edges:
        matrix[a, b] = matrix[b, a] = 1.0
    return matrix


def propagation(self_loops: float = 2.0, edges: Sequence[tuple[int, int]] = BONES) -> npt.NDArray[np.float64]:
    """The matrix of eq. (3), D^-1/2 (A + self_loops x I) D^-1/2, D the row sums of A + self_loops x I.

    The paper's C already holds the self-loops and C^ = C + I adds them again, so its literal reading is 2 loops; 1 is
    the usual graph convolution of Kipf and Welling.

    Returns:
        [15, 15] symmetric.

    Raises:
        InputError: `self_loops` is negative, or a joint has neither edge nor self-loop.
    """
    matrix = adjacency(self_loops, edges)
    degree = matrix.sum(axis=1)
    if not self_loops >= 0 or not degree.all():
        raise InputError(f"self_loops is {self_loops}: it must be at least 0, and above 0 where a joint has no edge")
    scale: npt.NDArray[np.float64] = 1 / np.sqrt(degree)
    return scale[:, None] * matrix * scale


def convert(xy: ArrayT, confidence: ArrayT | None, source: Source) -> tuple[ArrayT, ArrayT | None]:
    """Turns the keypoints of another layout into the 15 joints.

    A keypoint is seen when both coordinates are finite and its confidence is not 0 (or below). Formats that write
    (0, 0) for a missing keypoint, as OpenPose and COCO do, must come with their confidences, which are 0 there:
    coordinates alone never make (0, 0) missing, because it is a point of the image. Annotations' visibility flags do
    as confidences once brought to [0, 1].

    The head is the mean of the seen points of the face, one is enough; every other joint needs all its parents. A
    derived joint is as sure as the least sure parent that it uses; a parent of unknown confidence has no say, and if
    all are unknown, so is the joint. One hidden ear of low confidence thus lowers the head's: set the confidences of
    points that should not count to 0 first.

    Args:
        xy: [..., K, 2] pixels, K as in `KEYPOINTS[source]`.
        confidence: [..., K] in [0, 1], NaN where unknown; None if the source gives none.
        source: The layout of the keypoints.

    Returns:
        xy [..., 15, 2], NaN where missing; and confidence [..., 15], None if none was given: NaN where unknown, 0
        where missing (NaN if the confidence of all parents is unknown).

    Raises:
        InputError: Unknown source, or arrays of other shapes than the source has.
    """
    if source not in KEYPOINTS:
        raise InputError(f"unknown keypoint layout {quoted(source)}: choose one of {', '.join(KEYPOINTS)}")
    names = KEYPOINTS[source]
    try:
        xp, points, certainty = checked_arrays(xy, confidence, len(names))
    except ValueError as error:
        raise InputError(f"keypoints called {source!r}: {error}; check the layout and the order of the axes") from None
    leading = tuple(points.shape[:-2])
    seen = joints_first(xp, found(xp, points, certainty)[..., None])[0]
    planes = joints_first(xp, points)
    planes = xp.where(seen, planes, xp.zeros_like(planes))
    weights = xp.astype(seen, planes.dtype)
    if certainty is not None:
        certainty = joints_first(xp, certainty[..., None])[0]

    joints, sureness = [], []
    for joint in JOINTS:
        parents = _PARENTS[source].get(joint, (joint,))
        rows = [names.index(parent) for parent in parents]
        count = sum(weights[row] for row in rows)
        complete = count >= (1 if parents == _FACE else len(parents))
        divisor = xp.where(complete, count, xp.ones_like(count))
        # dividing first, because the sum of large float16 coordinates would overflow
        mean = sum(planes[:, row] / divisor for row in rows)
        joints.append(xp.where(complete, mean, xp.full_like(mean, math.nan)))
        if certainty is not None:
            sureness.append(_least_sure(xp, certainty, seen, rows, complete))

    converted = joints_last(xp, xp.stack(joints, axis=1), leading)
    if certainty is None:
        return cast(ArrayT, converted), None
    return cast(ArrayT, converted), cast(ArrayT, joints_last(xp, xp.stack(sureness)[None], leading)[..., 0])


def flip(xy: ArrayT, confidence: ArrayT | None, width: float | None = None) -> tuple[ArrayT, ArrayT | None]:
    """Mirrors poses left to right: x is mirrored, and left and right joints change places.

    Args:
        xy: [..., 15, 2].
        confidence: [..., 15] or None.
        width: Width of the image in pixels. Given, x becomes width - 1 - x and stays in the image; else -x.

    Returns:
        The mirrored xy and confidence, of the shapes given.

    Raises:
        ValueError: xy is not [..., 15, 2] or confidence is not [..., 15].
    """
    xp, points, certainty = checked_arrays(xy, confidence)
    order = xp.asarray(FLIP, device=array_api_compat.device(points))
    points = xp.take(points, order, axis=-2)
    x = -points[..., 0] if width is None else width - 1 - points[..., 0]
    mirrored = xp.stack([x, points[..., 1]], axis=-1)
    return cast(ArrayT, mirrored), cast(ArrayT, None if certainty is None else xp.take(certainty, order, axis=-1))


def checked_arrays(xy: Any, confidence: Any | None, joints: int = len(JOINTS)) -> tuple[Any, Any, Any | None]:
    """Keypoints as floating arrays, and what computes with them.

    Args:
        xy: [..., joints, 2].
        confidence: [..., joints] or None.
        joints: Number of joints or keypoints.

    Returns:
        The array namespace of both (the functions of the array API standard), xy and confidence.

    Raises:
        ValueError: Neither numpy nor torch, one of each, no numbers, or other shapes.
    """
    try:
        xp = array_api_compat.array_namespace(xy, confidence)
    except TypeError:
        given = " and ".join(type(one).__name__ for one in (xy, confidence) if one is not None)
        raise ValueError(
            f"poses and confidences must both be numpy arrays, or both torch tensors, not {given}"
        ) from None
    check_poses(xy.shape, 2, joints)
    if confidence is not None and tuple(confidence.shape) != tuple(xy.shape[:-1]):
        raise ValueError(f"confidences must have shape {list(xy.shape[:-1])}, not {list(confidence.shape)}")

    def floating(array: Any) -> Any:
        if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
            raise ValueError(f"poses and confidences must be real numbers, not {array.dtype}")
        return array if xp.isdtype(array.dtype, "real floating") else xp.astype(array, xp.float32)

    return xp, floating(xy), None if confidence is None else floating(confidence)


def check_poses(shape: Sequence[int], channels: int, joints: int = len(JOINTS), windows: bool = False) -> None:
    """Refuse what has not the shape of poses, [..., joints, channels]; cheap enough for every call of an encoder.

    Args:
        shape: What was given.
        channels: Numbers a joint.
        joints: Number of joints or keypoints.
        windows: Sequences of poses are asked for, [..., frames, joints, channels].

    Raises:
        ValueError: Another shape; says what to do about it.
    """
    if len(shape) > 1 + windows and shape[-2] == joints and shape[-1] == channels:
        return
    said = f"poses must have shape [..., {'frames, ' * windows}{joints}, {channels}], not {list(shape)}"
    if len(shape) > 1 and joints == len(JOINTS) != shape[-2]:
        source: Source = next((name for name, names in KEYPOINTS.items() if len(names) == shape[-2]), "coco17")
        said += (
            f": they have {shape[-2]} joints, expected the {joints} of poses.JOINTS; poses.convert(xy, confidence, "
            f"{quoted(source)}) makes them of {len(KEYPOINTS[source])} keypoints"
        )
    elif len(shape) > 1 and channels == 2 != shape[-1]:
        said += f": they have {shape[-1]} numbers a joint, expected x and y; confidences are given beside them"
    raise ValueError(said)


def found(xp: Any, points: Any, certainty: Any | None) -> Any:
    """Which keypoints were found: both coordinates finite and the confidence not 0 (or below).

    Args:
        xp: The array namespace.
        points: [..., K, 2].
        certainty: [..., K], NaN where unknown, or None.

    Returns:
        [..., K] bool.
    """
    finite = xp.isfinite(points[..., 0]) & xp.isfinite(points[..., 1])
    return finite if certainty is None else finite & ~(certainty <= 0)


def joints_first(xp: Any, array: Any) -> Any:
    """[..., K, C] as a new [C, K, N], so that what is done to each joint runs over long contiguous rows of poses."""
    count, channels = array.shape[-2:]
    flat = xp.reshape(array, (math.prod(array.shape[:-2]), count, channels))
    return xp.stack([xp.permute_dims(flat[..., channel], (1, 0)) for channel in range(channels)])


def joints_last(xp: Any, planes: Any, leading: tuple[int, ...]) -> Any:
    """The reverse of `joints_first`: [C, K, N] as a new [*leading, K, C]."""
    channels, count = planes.shape[:2]
    flat = xp.stack([xp.permute_dims(planes[channel], (1, 0)) for channel in range(channels)], axis=-1)
    return xp.reshape(flat, (*leading, count, channels))


def _least_sure(xp: Any, certainty: Any, seen: Any, rows: list[int], complete: Any) -> Any:
    """Confidence [N] of the joint whose parents are `rows` of certainty [K, N]."""
    never = xp.full_like(certainty[0], math.inf)
    known = [~xp.isnan(certainty[row]) for row in rows]
    least = never
    for row, one in zip(rows, known, strict=True):
        least = xp.minimum(least, xp.where(seen[row] & one, certainty[row], never))
    any_known = functools.reduce(operator.or_, known)
    unknown = xp.where(complete, least == never, ~any_known)
    least = xp.where(complete, least, xp.zeros_like(least))
    return xp.where(unknown, xp.full_like(least, math.nan), least)
