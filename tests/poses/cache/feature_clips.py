"""Made-up clips that the tests of the feature cache write, damage and compare."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from extraction.types import Floats
from poses.cache.feature_cache import FeatureProvenance, write_features

PROVENANCE = FeatureProvenance("test", "I3D (weights.pt)", "0" * 64, "MIT", '{"windows": {}}', "fingerprint")


def numbers(windows: int = 3, width: int = 4, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 1e3, (windows, width)).astype(np.float32)


def write(root: Path, clip_id: str = "clip", seed: int = 0, **changes: Any) -> Path:
    return write_features(root, clip_id, numbers(seed=seed), replace(PROVENANCE, **changes))


def spoiled(row: int, value: float) -> Floats:
    features = numbers()
    features[row, 2] = value
    return features
