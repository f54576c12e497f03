"""The 15 joints and 14 bones of GCN-PSN (arXiv 2511.01194), their graph, and the keypoint layouts of other tools.

Left and right are the person's own. Keypoint layouts (`KEYPOINTS`), with their origin:

- coco17: COCO keypoint annotations (`categories[0]["keypoints"]` of person_keypoints_train2017.json).
- mpii16: MPII Human Pose, joint ids of the annotation file's documentation.
- halpe26: the 26 body keypoints of Halpe-FullBody (README of Fang-Haoshu/Halpe-FullBody): COCO's 17, head top, neck,
  hip, feet.
- body25: OpenPose's BODY_25 (`POSE_BODY_25_BODY_PARTS`, doc/02_output.md).
- blazepose33: MediaPipe Pose landmarks (`PoseLandmark`). Its confidence is the visibility.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

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
        ValueError: `self_loops` is negative, or a joint has neither edge nor self-loop.
    """
    matrix = adjacency(self_loops, edges)
    degree = matrix.sum(axis=1)
    if not self_loops >= 0 or not degree.all():
        raise ValueError(f"self_loops is {self_loops}: it must be at least 0, and above 0 where a joint has no edge")
    scale: npt.NDArray[np.float64] = 1 / np.sqrt(degree)
    return scale[:, None] * matrix * scale
