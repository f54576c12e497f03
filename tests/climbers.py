"""Real poses of SPEED21, for tests; they skip where the data is absent."""

import numpy as np
from numpy.typing import NDArray

from poses.skeleton import convert
from tests.conftest import shared_data


def climbers(clips: int = 8, every: int = 20) -> NDArray[np.float32]:
    """Poses [N, 15, 2] in pixels: every so many frames of the first clips."""
    paths = sorted((shared_data("speed21") / "skeletons").glob("*.data"))[:clips]
    frames = [line.split("#")[1] for path in paths for line in path.read_text().splitlines()[::every]]
    poses = [[pair.split(",") for pair in frame.strip(";").split(";")] for frame in frames if "NULL" not in frame]
    joints, _ = convert(np.array(poses, dtype=np.float32), None, "mpii16")
    return joints
