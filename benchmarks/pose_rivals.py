"""People per second from decoded photographs to keypoints, HRNet-W32 256x192: our path against mmpose's own ways.

`python -m benchmarks.pose_rivals [--root ../shared/data/people] [--rounds 5]` prints a table. It needs the packages of
requirements.txt. Data: real photographs with annotated boxes. The weights are random, which changes no time, so the
precision is forced: what `auto` would choose depends on the weights in use.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from benchmarks._table import print_table
from benchmarks.people import Photograph, photographs
from extraction.estimators.hrnet import HRNet
from extraction.reading.background import ahead
from extraction.types import Crop

PEOPLE = 64
BATCH = 8


def ours(estimator: HRNet, people: list[tuple[Photograph, int]]) -> int:
    """What `extraction.pipeline` does once the boxes are there: crops in a thread, network and decoding here."""
    crops = (estimator.crop(photograph.image, photograph.boxes[box]) for photograph, box in people)
    found = 0
    for batch in _batches(ahead(crops, 2 * estimator.batch), estimator.batch):
        pixels = np.stack([crop.pixels for crop in batch])
        found += len(estimator.decode(estimator.network(pixels), batch).xy)
    return found


def _batches(crops: Iterator[Crop], size: int) -> Iterator[list[Crop]]:
    while batch := list(islice(crops, size)):
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("../shared/data/people"))
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which every rival runs once")
    options = parser.parse_args()
    from extraction.estimators.mmpose_model import shipped_config
    from extraction.estimators.mmpose_shim import stand_ins

    with stand_ins():
        from mmpose import apis
    config = str(shipped_config("w32", "coco"))
    model = apis.init_model(config, device="cpu")
    model.test_cfg["flip_test"] = False
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.pth"
        torch.save({"state_dict": model.state_dict(), "meta": {}}, weights)
        inferencer = apis.MMPoseInferencer(
            pose2d=config, pose2d_weights=str(weights), det_model="whole_image", device="cpu"
        )
    found = photographs(options.root)
    people = list(islice(cycle([(one, box) for one in found for box in range(len(one.boxes))]), PEOPLE))

    def by_inferencer() -> int:
        """One image after the other, as its documentation shows, each person's own image for a fair count."""
        images = [photograph.image[..., ::-1].copy() for photograph, _ in people[:8]]
        return sum(len(one["predictions"][0]) for image in images for one in inferencer(image, return_vis=False))

    def by_topdown(size: int, count: int) -> int:
        total = 0
        for start in range(0, count, size):
            photograph = people[start][0]
            boxes = photograph.boxes[np.arange(size) % len(photograph.boxes)]
            total += len(apis.inference_topdown(model, photograph.image[..., ::-1].copy(), boxes))
        return total

    engines = {
        "ours, OpenVINO bf16": HRNet(weights="random", precision="bf16"),
        "ours, OpenVINO fp32": HRNet(weights="random", precision="fp32"),
        "ours, PyTorch fp32": HRNet(weights="random", precision="fp32", engine="torch"),
    }
    for estimator in engines.values():
        estimator.place("cpu")
    rivals: dict[str, Callable[[], int]] = {
        name: partial(ours, estimator, people) for name, estimator in engines.items()
    }
    rivals |= {
        f"`inference_topdown`, {BATCH} boxes a call, no flip test": lambda: by_topdown(BATCH, 2 * BATCH),
        "`inference_topdown`, one box a call, no flip test": lambda: by_topdown(1, BATCH),
        "`MMPoseInferencer`, as its users call it (flip test)": by_inferencer,
    }
    rates: dict[str, list[float]] = {name: [] for name in rivals}
    for run in rivals.values():
        run()
    for _ in range(options.rounds):
        for name, run in rivals.items():
            begin = time.perf_counter()
            count = run()
            rates[name].append(count / (time.perf_counter() - begin))
    best = rates["ours, OpenVINO bf16"]
    exact = rates["ours, OpenVINO fp32"]
    print_table(
        f"HRNet-W32 256x192 (random weights, forced precision) on real photographs, medians of {options.rounds} "
        "interleaved rounds",
        ["way", "people/s", "bf16 / this", "fp32 / this"],
        [
            [name, f"{statistics.median(own):.1f}",
             *(f"{statistics.median(a / b for a, b in zip(mine, own, strict=True)):.2f}" for mine in (best, exact))]
            for name, own in rates.items()
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
