"""A moving stick body for fixtures: just enough that poses differ between frames and with the hidden quality."""

import numpy as np
from numpy.typing import NDArray

from poses.skeleton import JOINTS

UPRIGHT = {  # metres, x to the right and y downwards, facing the camera
    "right_ankle": (-0.12, 0.90),
    "right_knee": (-0.12, 0.45),
    "right_hip": (-0.12, 0.00),
    "pelvis": (0.00, 0.00),
    "left_hip": (0.12, 0.00),
    "left_knee": (0.12, 0.45),
    "left_ankle": (0.12, 0.90),
    "right_wrist": (-0.30, 0.00),
    "right_elbow": (-0.25, -0.25),
    "right_shoulder": (-0.20, -0.50),
    "neck": (0.00, -0.52),
    "left_shoulder": (0.20, -0.50),
    "left_elbow": (0.25, -0.25),
    "left_wrist": (0.30, 0.00),
    "head": (0.00, -0.70),
}


def body(frames: int, quality: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels [frames, 15, 2] and confidences [frames, 15] of a body that turns once and bends the less the better.

    Args:
        frames: number of frames.
        quality: in [0, 1]; a lower one bends the knees, lets the arms hang crooked and shakes.
        rng: source of the noise.
    """
    upright = np.array([UPRIGHT[name] for name in JOINTS])
    phase = np.linspace(0, 1, frames)
    fault = 1 - quality
    xy = np.repeat(upright[None], frames, axis=0)
    xy[:, [JOINTS.index("right_knee"), JOINTS.index("left_knee")], 0] += 0.4 * fault * np.sin(np.pi * phase)[:, None]
    xy[:, [JOINTS.index("right_wrist"), JOINTS.index("left_wrist")], 1] -= 0.8 * quality * phase[:, None]
    xy += rng.normal(scale=0.01 + 0.02 * fault, size=xy.shape)
    angle = 2 * np.pi * phase
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)
    pixels = 200 * np.einsum("fij,fkj->fki", turn, xy) + np.array([640.0, 360.0])
    confidence = rng.uniform(0.5, 1.0, size=(frames, len(JOINTS)))
    return pixels.astype(np.float32), confidence.astype(np.float32)
