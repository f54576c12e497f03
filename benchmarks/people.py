"""Photographs with the boxes that people drew around the people in them, for the benchmarks of the pose pipeline."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keypoints.photographs import read_image
from keypoints.types import Floats, Image


class Photograph(NamedTuple):
    """A photograph, and the boxes [N, 4] (left, top, right, bottom) of its people."""

    path: Path
    image: Image
    boxes: Floats


def photographs(root: Path) -> list[Photograph]:
    """The photographs of `root`/coco, each with its annotated people (who have at least one annotated joint)."""
    content = json.loads((root / "coco" / "test_coco.json").read_text())
    found = []
    for entry in content["images"]:
        boxes = [
            (x, y, x + w, y + h)
            for one in content["annotations"]
            for x, y, w, h in [one["bbox"]]
            if one["image_id"] == entry["id"] and one["num_keypoints"] > 0 and not one["iscrowd"]
        ]
        path = root / "coco" / entry["file_name"]
        found.append(Photograph(path, read_image(path), np.array(boxes, np.float32)))
    return found
