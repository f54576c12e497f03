"""Made-up people for tests of comparisons: standing bodies, turned and bent as asked."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from extraction.reading.media import ClipMedia
from feedback.explanations import PARTS, turned
from feedback.subjects import Subject
from poses.cache.keypoint_cache import Provenance, write_clip
from poses.skeleton import JOINTS

# facing the camera, arms a little out, legs a little apart
STANDING = {
    "right_ankle": (-14, 170), "right_knee": (-12, 85), "right_hip": (-10, 0), "pelvis": (0, 0), "left_hip": (10, 0),
    "left_knee": (12, 85), "left_ankle": (14, 170), "right_wrist": (-52, 8), "right_elbow": (-44, -44),
    "right_shoulder": (-36, -100), "neck": (0, -100), "left_shoulder": (36, -100), "left_elbow": (44, -44),
    "left_wrist": (52, 8), "head": (0, -138),
}  # fmt: skip


def pose(**degrees: float) -> npt.NDArray[np.float32]:
    """[15, 2] pixels; `left_knee=34` turns that part by 34 degrees clockwise as seen."""
    body = torch.tensor([STANDING[name] for name in JOINTS], dtype=torch.float32)
    turn = torch.zeros(1, 1, len(PARTS))
    for name, value in degrees.items():
        turn[0, 0, [part.name for part in PARTS].index(name.replace("_", " "))] = value
    return (turned(body[None], turn)[0, 0] + torch.tensor([300.0, 250.0])).numpy()


def subject(
    name: str, xy: npt.NDArray[np.float32], missing: tuple[str, ...] = (), media: ClipMedia | None = None
) -> Subject:
    """Somebody in one picture; joints named are not seen."""
    xy = np.array(xy, np.float32, copy=True)
    confidence = np.ones(len(JOINTS), np.float32)
    for joint in missing:
        xy[JOINTS.index(joint)], confidence[JOINTS.index(joint)] = np.nan, 0
    return Subject(name, xy[None], confidence[None], np.zeros(1, np.int32), np.full(1, np.nan), media)


def write(folder: Path, name: str, *people: npt.NDArray[np.float32], frames: int = 1) -> Path:
    """A clip of a keypoint cache with people who hold still."""
    xy = np.repeat(np.stack(people), frames, axis=0)
    return write_clip(
        folder, name,
        xy=xy,
        confidence=np.isfinite(xy).all(-1).astype(np.float32),
        frame=np.tile(np.arange(frames), len(people)),
        person=np.repeat(np.arange(len(people)), frames),
        provenance=Provenance(source="test"),
    )  # fmt: skip
