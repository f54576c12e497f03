"""I3D windows per second: PyTorch against OpenVINO in fp32 and in the processor's fast precision, and their drift.

`python -m benchmarks.video_features` needs requirements-pose.txt. Weights are random, which changes no time; windows
are 16 frames of 224x224, made of noise that moves.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks._table import print_table
from extraction.engines import Precision
from extraction.engines.openvino_engine import OpenVINOEngine
from extraction.features.i3d import I3D, SIDE
from extraction.types import Floats, Image

LENGTH = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video_features", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--windows", type=int, default=4, help="windows a round (%(default)s)")
    options = parser.parse_args(arguments)
    windows = moving_noise(options.windows)
    ways: dict[str, Callable[[Image], Floats]] = {"PyTorch fp32": placed("torch", "fp32")}
    for precision in reversed(OpenVINOEngine.precisions()):
        ways[f"OpenVINO {precision}"] = placed("openvino", precision)
    features = {name: way(windows) for name, way in ways.items()}  # the first call warms up, too
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(windows)
            seconds[name].append(time.perf_counter() - begun)
    rate = {name: len(windows) / statistics.median(times) for name, times in seconds.items()}
    rival, exact = next(iter(ways)), next(iter(features.values()))
    rows = [
        [name, f"{rate[name]:.2f}", f"{rate[name] / rate[rival]:.2f}", f"{100 * drift(exact, features[name]):.3f} %"]
        for name in ways
    ]
    print_table("I3D on windows of 16 frames of 224x224", ["way", "windows/s", f"/ {rival}", "features move by"], rows)
    return 0


def placed(engine: str, precision: Precision) -> Callable[[Image], Floats]:
    """The network of an extractor with random weights."""
    extractor = I3D("random", precision=precision, engine=engine)  # type: ignore[arg-type]
    extractor.place("cpu")
    return extractor.network


def moving_noise(count: int) -> Image:
    """Windows uint8 [count, 16, 224, 224, 3]."""
    wide = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE + 4 * LENGTH, 3), dtype=np.uint8)
    return np.stack([wide[:, :, 4 * i : 4 * i + SIDE] for i in range(LENGTH)], 1)


def drift(exact: Floats, other: Floats) -> float:
    """The largest distance between features of a window, as a share of their length."""
    return float((np.linalg.norm(other - exact, axis=1) / np.linalg.norm(exact, axis=1)).max())


if __name__ == "__main__":
    sys.exit(main())
