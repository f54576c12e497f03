"""A tiny AQA-7 in the real format: `Split_4` lists (MATLAB v5) and a keypoint cache of moving, made-up bodies."""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from datamodules.aqa7 import SCORE_RANGES, SPORTS, clip_id
from poses.cache.keypoint_cache import Provenance, write_clip
from tests.data.bodies import body

TRAIN, TEST = 8, 4
FRAMES = 24


def make(folder: Path) -> Path:
    """Write `<folder>/aqa7` and `<folder>/cache` (six sports, 8 + 4 clips each, one unlisted); returns `<folder>/aqa7`.

    Synchronised divers are two persons in a clip. One diving clip and one trampoline clip are in the cache only.
    """
    rng = np.random.default_rng(7)
    cache = folder / "cache"
    rows = []
    for sport, name in SPORTS.items():
        low, high = SCORE_RANGES[sport]
        for number, clip in enumerate(rng.permutation(np.arange(1, 40))[: TRAIN + TEST]):
            quality = rng.uniform()
            rows.append((number < TRAIN, sport, clip, round(low + (high - low) * quality, 2)))
            _write(cache, clip_id(name, int(clip)), quality, persons=2 if name.startswith("sync") else 1, rng=rng)
    _write(cache, "diving_099", 0.5, persons=1, rng=rng)
    _write(cache, "trampoline_001", 0.5, persons=1, rng=rng)
    lists = folder / "aqa7" / "Split_4"
    lists.mkdir(parents=True)
    for part, wanted in (("train", True), ("test", False)):
        table = np.array([row[1:] for row in rows if row[0] is wanted], dtype=np.float64)
        savemat(lists / f"split_4_{part}_list.mat", {f"consolidated_{part}_list": table}, format="5")
    return folder / "aqa7"


def make_frames(root: Path, sport: str, clip: int, numbers: Iterable[int] = range(1, 4)) -> Path:
    """Write the frames of a clip as the dataset has them, `<root>/diving-out/021/img_00001.jpg`; returns the folder."""
    folder = root / f"{sport}-out" / f"{clip:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("RGB", (32, 24), (number, 0, 0)).save(folder / f"img_{number:05d}.jpg")
    return folder


def make_video(root: Path, sport: str, clip: int, frames: int = 3) -> Path:
    """Write the video of a clip as the dataset has it, `<root>/Actions/diving/021.avi`; returns its path."""
    from tests.extraction.media_files import write_video  # PyAV is not where only training is tested

    path = root / "Actions" / sport / f"{clip:03d}.avi"
    return write_video(path, [np.zeros((24, 32, 3), np.uint8)] * frames)


def _write(cache: Path, name: str, quality: float, *, persons: int, rng: np.random.Generator) -> None:
    poses = [body(FRAMES, quality, rng) for _ in range(persons)]
    write_clip(
        cache,
        name,
        xy=np.concatenate([xy for xy, _ in poses]),
        confidence=np.concatenate([confidence for _, confidence in poses]),
        frame=np.tile(np.arange(1, FRAMES + 1), persons),
        person=np.repeat(np.arange(persons), FRAMES),
        provenance=Provenance(source="made up for tests"),
    )


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
