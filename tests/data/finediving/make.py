"""A tiny FineDiving in the real format: the four pickles as numpy 1 wrote them, and a matching keypoint cache."""

import pickle
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datamodules.finediving import COARSE, FINE, SPLITS
from poses.cache.keypoint_cache import Provenance, write_clip
from tests.data.bodies import body

COMPETITIONS = (
    "01",
    "FINAWorldCup2021_Men3m_final_r1",
    "FINAWorldCup2021_Men3m_final_r2",
    "Tokyo2020_Women10m_final_r1",
)
DIVES = {  # dive number: difficulty, labels of its steps
    "407c": (3.2, (5, 33, 36)),
    "107b": (3.1, (1, 27, 36)),
    "5253b": (3.2, (2, 12, 27, 36)),
    "5152b": (2.9, (1, 27, 11, 27, 36)),
}
DIVES_EACH = 9  # a competition
TEST_EVERY = 3


def make(folder: Path) -> Path:
    """Write `<folder>/finediving` and `<folder>/cache` (36 dives, every third one in test); returns the first."""
    rng = np.random.default_rng(11)
    fine: dict[tuple[str, int], list[Any]] = {}
    coarse: dict[tuple[str, int], dict[str, Any]] = {}
    for competition in COMPETITIONS:
        start = 31
        for index in range(DIVES_EACH):
            key = (competition, index)
            action = list(DIVES)[index % len(DIVES)]
            difficulty, steps = DIVES[action]
            frames = int(rng.integers(63, 80))
            bounds = np.sort(rng.choice(np.arange(3, frames - 3), size=len(steps) - 1, replace=False))
            labels = np.repeat(np.array(steps), np.diff([0, *bounds, frames]))
            quality = float(rng.uniform())
            marks = [float(np.round(2 * np.clip(10 * quality + rng.normal(scale=0.4), 0, 10)) / 2) for _ in range(7)]
            score = round(sum(sorted(marks)[2:-2]) * difficulty, 2)
            fine[key] = [action, score, difficulty, start + bounds, labels]
            coarse[key] = {
                "action_type": action,
                "start_frame": start,
                "end_frame": start + frames - 1,
                "dive_score": score,
                "difficulty": difficulty,
                "judge_scores": marks,
            }
            xy, confidence = body(frames, quality, rng)
            write_clip(
                folder / "cache",
                f"{competition}_{index}",
                xy=xy,
                confidence=confidence,
                frame=np.arange(start, start + frames),
                provenance=Provenance(source="made up for tests"),
            )
            start += frames + 200
    keys = list(fine)
    write(folder / "finediving", fine, coarse, [k for i, k in enumerate(keys) if i % TEST_EVERY], keys[::TEST_EVERY])
    return folder / "finediving"


def write(root: Path, fine: object, coarse: object, train: object, test: object) -> None:
    """Write the four pickles as the dataset has them."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in ((FINE, fine), (COARSE, coarse), (SPLITS["train"], train), (SPLITS["test"], test)):
        # numpy 2 calls the module numpy._core; the real files name numpy.core (protocol 2 ends names with newlines)
        raw = pickle.dumps(content, protocol=2).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        (root / name).write_bytes(raw)


def make_frames(root: Path, competition: str, index: int, numbers: Iterable[int]) -> Path:
    """Write frames of a dive as the dataset has them, named by their number in the competition's video."""
    folder = root / competition / str(index)
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("RGB", (32, 24)).save(folder / f"{number:05d}.jpg")
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
