"""A tiny made-up SPEED21 in the real format, with the oddities of the real files."""

import sys
from pathlib import Path

import numpy as np

from poses.skeleton import JOINTS
from tests.data.bodies import body

CLIMBERS, DATES = 6, ("2018-07-28", "2019-04-12", "2019-10-19", "2020-11-21", "2020-11-28")
# MPII's sixteen from the project's fifteen; upper neck and head top lie around the middle of the head
MPII = [
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "neck",
    "head", "head",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
]  # fmt: skip


def make(folder: Path) -> Path:
    """Write `<folder>/speed21` (30 runs of 6 climbers at 5 events) and return it.

    As in the real files: frames without a pose in the middle and at the end, a run that starts after it ends, one whose
    first frame is 3, negative coordinates, three frame rates, no newline at the end of `metadata.txt`.
    """
    root = folder / "speed21"
    (root / "skeletons").mkdir(parents=True)
    rng = np.random.default_rng(21)
    rows: list[str] = []
    for date in DATES:
        for climber in range(1, CLIMBERS + 1):
            number = len(rows)
            quality = rng.uniform()
            fps = (25, 25, 30, 50)[number % 4]
            seconds = round(9.5 - 3.5 * quality, 2)
            frames = round(seconds * fps)
            run = f"{climber}_{date}_1"
            start, end = 100.5, round(100.5 + seconds, 2)
            if number == 7:
                start, end = end, start
            url = "https://www.youtube.com/watch?v=made-up"
            side = "lr"[number % 2]
            rows.append(f"{run};{climber};{date};1;{url};{start};{end};{seconds};{frames};1;{side};{fps}")
            _write(root / "skeletons" / f"{run}.data", number, frames, quality, rng)
    (root / "metadata.txt").write_text("\n".join(rows), encoding="ascii")
    return root


def _write(path: Path, number: int, frames: int, quality: float, rng: np.random.Generator) -> None:
    xy, _ = body(frames, quality, rng)
    points = xy[:, [JOINTS.index(name) for name in MPII]]
    points[:, 9] += (0, -20)
    if number == 4:
        points[5] -= 700
    missing = {3, 4} if number % 6 == 2 else set(range(frames - 12, frames)) if number % 6 == 5 else set()
    lines = [
        f"{i + 1}#" + ("NULL" if i in missing else ";".join(f"{x:.1f},{y:.1f}" for x, y in pose))
        for i, pose in enumerate(points)
    ]
    path.write_text("\n".join(lines[2:] if number == 9 else lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
