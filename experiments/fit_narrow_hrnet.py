"""Fits a narrow HRNet to the people annotated in a few photographs, to have weights whose right answers are known.

`python -m experiments.fit_narrow_hrnet --root ../shared/data/people --output data/narrow_hrnet` takes about a minute on
two cores and writes an mmpose config and weights for it; it says how far from the annotated joints they are. The
network knows these people by heart and nobody else: it is for tests and timings of what lies around a network.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from errors import InputError
from extraction.engines.torch_engine import TorchEngine
from extraction.estimators.hrnet import HRNet
from extraction.estimators.mmpose_model import RANDOM, Config, build, shipped_config
from extraction.types import Crop, Floats, Image
from files import write_atomically

CONFIG = "narrow_hrnet.py"
WEIGHTS = "narrow_hrnet.pth"

CHANNELS = 32  # of the finest branch, as in HRNet-W32: fewer cannot carry 17 heatmaps
STEPS = 160
RATE = 5e-3
SEED = 0


@dataclass(frozen=True)
class Person:
    """Someone annotated.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        box: [4], left, top, right, bottom.
        xy: [17, 2] pixels, COCO's order.
        seen: [17], whether the joint is annotated.
    """

    image: Image
    box: Floats
    xy: Floats
    seen: npt.NDArray[np.bool_]


def people(root: Path) -> list[Person]:
    """Everybody with annotated joints in `coco/test_coco.json` and its photographs.

    Raises:
        InputError: they are not there.
    """
    folder = root / "coco"
    try:
        index = json.loads((folder / "test_coco.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'test_coco.json'}: cannot be read ({error}); check --root") from error
    images: dict[int, Image] = {}
    for entry in index["images"]:
        image = cv2.imread(str(folder / Path(entry["file_name"]).name))
        if image is None:
            raise InputError(f"{folder / entry['file_name']}: no such photograph; check --root")
        images[entry["id"]] = np.ascontiguousarray(image[..., ::-1], np.uint8)
    found = []
    for entry in index["annotations"]:
        if not entry["num_keypoints"]:
            continue
        x, y, w, h = entry["bbox"]
        joints = np.array(entry["keypoints"], np.float32).reshape(17, 3)
        box = np.array([x, y, x + w, y + h], np.float32)
        found.append(Person(images[entry["image_id"]], box, joints[:, :2], joints[:, 2] > 0))
    return found


def write_config(path: Path, channels: int) -> None:
    """Write mmpose's own config of HRNet-W32 for COCO with fewer channels, blocks and modules."""
    config = Config.fromfile(shipped_config("w32", "coco"))
    config.model.backbone.init_cfg = None
    config.model.head.in_channels = channels
    extra = config.model.backbone.extra
    extra.stage1.num_blocks, extra.stage1.num_channels = (1,), (16,)
    for stage, branches in ((extra.stage2, 2), (extra.stage3, 3), (extra.stage4, 4)):
        stage.num_modules = 1
        stage.num_blocks = (1,) * branches
        stage.num_channels = tuple(channels * 2**i for i in range(branches))
    write(path, config.pretty_text.encode())


def errors(estimator: HRNet, everybody: Sequence[Person]) -> Floats:
    """How far the joints that the whole path finds lie from the annotated ones, as shares of the box's longer side."""
    found = []
    for start in range(0, len(everybody), estimator.batch):
        some = everybody[start : start + estimator.batch]
        crops = [estimator.crop(person.image, person.box) for person in some]
        xy = estimator.decode(estimator.network(np.stack([crop.pixels for crop in crops])), crops).xy
        for person, where in zip(some, xy, strict=True):
            longer = float((person.box[2:] - person.box[:2]).max())
            found.append(np.linalg.norm(where - person.xy, axis=1)[person.seen] / longer)
    return np.asarray(np.concatenate(found), np.float32)


def fit(network: nn.Module, pixels: Tensor, heatmaps: Tensor, seen: Tensor, steps: int) -> None:
    """Train a network on one batch by Adam, until it knows it by heart.

    Args:
        network: from crops uint8 [B, h, w, 3] to heatmaps [B, K, H, W].
        pixels: [B, h, w, 3] uint8.
        heatmaps: [B, K, H, W], what it should say.
        seen: [B, K] bool, which of them count.
        steps: of the optimiser, each with all crops.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps, pct_start=0.1)
    network.train()
    fast = "bf16" in TorchEngine.precisions(pixels.device)
    for _ in range(steps):
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=fast):
            said: Tensor = network(pixels).float()
        # few cells of a heatmap are not 0: without a weight the network would learn those first
        loss = ((said - heatmaps)[seen] ** 2 * (1 + 20 * heatmaps[seen])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()


def targets(crops: Sequence[Crop], everybody: Sequence[Person], size: tuple[int, int], stride: int) -> Tensor:
    """Heatmaps [B, K, H, W]: at each joint a Gaussian of two cells, as HRNet is trained with."""
    width, height = size[0] // stride, size[1] // stride
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    maps = []
    for crop, person in zip(crops, everybody, strict=True):
        to_crop = cv2.invertAffineTransform(crop.to_image)
        cells = torch.from_numpy((person.xy @ to_crop[:, :2].T + to_crop[:, 2]) / stride)
        distance = (x - cells[:, 0, None, None]) ** 2 + (y - cells[:, 1, None, None]) ** 2
        maps.append(torch.exp(-distance / (2 * 2.0**2)))
    return torch.stack(maps).float()


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, or say why not."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({os.strerror(error.errno or 0)}); choose another --output"
        ) from error


def make(root: Path, output: Path, steps: int = STEPS) -> Floats:
    """Fit a narrow HRNet; write its config and weights.

    Args:
        root: folder of the annotated photographs.
        output: folder to write to, made if it is not there.
        steps: of the optimiser.

    Returns:
        What `errors` says of it.
    """
    everybody = people(root)
    output.mkdir(parents=True, exist_ok=True)
    config, weights = output / CONFIG, output / WEIGHTS
    write_config(config, CHANNELS)
    model = build(config, RANDOM, flip_test=False)
    crops = [model.warp.cut(person.image, person.box, 0) for person in everybody]
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
    seen = torch.from_numpy(np.stack([person.seen for person in everybody]))
    torch.manual_seed(SEED)
    fit(model.network, pixels, targets(crops, everybody, model.warp.size, stride=4), seen, steps)
    buffer = io.BytesIO()
    torch.save({"state_dict": model.state_dict()}, buffer)
    write(weights, buffer.getvalue())
    estimator = HRNet(config=str(config), weights=str(weights), precision="fp32", engine="torch")
    estimator.place("cpu")
    return errors(estimator, everybody)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write, and say how well it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with coco/test_coco.json and its photographs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the config and the weights")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        found = make(options.root, options.output)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{options.output / CONFIG} and {WEIGHTS}: {len(found)} joints, off by {100 * found.mean():.2f} % of the box's "
        f"longer side in the mean, {100 * np.percentile(found, 95):.2f} % at the 95th percentile; "
        f"{time.perf_counter() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
