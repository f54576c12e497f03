"""A tiny bring-your-own dataset: a keypoint cache and a CSV with every optional column."""

import csv
import sys
from pathlib import Path

import numpy as np

from datamodules.keypoint_folder import COLUMNS
from poses.cache.keypoint_cache import Provenance, write_clip
from tests.data.bodies import body

ACTIONS = {"plié": (0.0, 10.0), "jeté": (20.0, 40.0)}  # score ranges
DANCERS = 8
FRAMES = 30


def make(folder: Path) -> Path:
    """Write `<folder>/keypoint_folder/labels.csv` and `<folder>/cache`; returns the folder of the CSV.

    Eight dancers show two actions twice; two dancers are in the test part, and one clip has no score.
    """
    root = folder / "keypoint_folder"
    root.mkdir(parents=True)
    rng = np.random.default_rng(3)
    rows = []
    for dancer in range(DANCERS):
        for action, (low, high) in ACTIONS.items():
            for take in (1, 2):
                clip = f"{action} {dancer}-{take}"
                quality = rng.uniform()
                xy, confidence = body(FRAMES, quality, rng)
                confidence[rng.random(confidence.shape) < 0.05] = np.nan  # unknown, not 0
                xy[3] = np.nan  # no person found in this frame
                write_clip(
                    folder / "cache",
                    clip,
                    xy=xy,
                    confidence=confidence,
                    frame=np.arange(100, 100 + FRAMES),
                    time=np.arange(FRAMES) / 25,
                    provenance=Provenance(source="made up for tests"),
                )
                score = "" if (dancer, take, action) == (5, 2, "jeté") else f"{low + (high - low) * quality:.2f}"
                split = "test" if dancer >= DANCERS - 2 else "train"
                rows.append((clip, action, score, f"dancer {dancer}", split, f"{1 + 0.1 * take:.1f}", "110;120"))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return root


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
