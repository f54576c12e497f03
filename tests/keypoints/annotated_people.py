"""The annotated people in the photographs, and what turns them."""

import functools
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from datamodules.skeleton import KEYPOINTS
from keypoints.types import Floats, Image
from tests.conftest import shared_data

Points = npt.NDArray[np.float64]


class Person(NamedTuple):
    """`box` [4], `joints` [J, 2] pixels of the joints seen, and their names in the layout that annotated them."""

    file: str
    image: Image
    box: Floats
    joints: Points
    names: list[str]

    @property
    def size(self) -> float:
        return float((self.box[2:] - self.box[:2]).max())


@functools.cache
def annotated(source: str) -> tuple[Person, ...]:
    """The people of "mpii" (5, a box a tenth larger than their joints) or "coco" (12, with at least 6 joints)."""
    folder = shared_data("people") / source
    return tuple(_mpii(folder) if source == "mpii" else _coco(folder))


def turned(image: Image, turns: int) -> Image:
    """The image turned clockwise by quarter turns."""
    return np.ascontiguousarray(np.rot90(image, -turns))


def turned_points(xy: npt.NDArray[np.floating], image: Image, turns: int) -> Points:
    """Where points [..., 2] of the image are once it has been turned clockwise."""
    height, width = image.shape[:2]
    for _ in range(turns):
        xy = np.stack([height - 1 - xy[..., 1], xy[..., 0]], axis=-1)
        height, width = width, height
    return xy.astype(np.float64)


def turned_box(box: Floats, image: Image, turns: int) -> Floats:
    corners = turned_points(box.reshape(2, 2), image, turns)
    around: Floats = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)
    return around


def _mpii(folder: Path) -> list[Person]:
    people = []
    for one in json.loads((folder / "test_mpii.json").read_text()):
        seen = np.array(one["joints_vis"]) > 0
        joints = np.array(one["joints"])[seen]
        edge = 0.1 * (joints.max(axis=0) - joints.min(axis=0)).max()
        box = np.concatenate([joints.min(axis=0) - edge, joints.max(axis=0) + edge]).astype(np.float32)
        people.append(_person(folder / one["image"], box, joints, seen, KEYPOINTS["mpii16"]))
    return people


def _coco(folder: Path) -> list[Person]:
    data = json.loads((folder / "test_coco.json").read_text())
    files = {image["id"]: image["file_name"] for image in data["images"]}
    people = []
    for one in data["annotations"]:
        keypoints = np.array(one["keypoints"], np.float64).reshape(-1, 3)
        seen = keypoints[:, 2] > 0
        if seen.sum() >= 6:
            left, top, width, height = one["bbox"]
            box = np.array([left, top, left + width, top + height], np.float32)
            file = folder / files[one["image_id"]]
            people.append(_person(file, box, keypoints[seen, :2], seen, KEYPOINTS["coco17"]))
    return people


def _person(file: Path, box: Floats, joints: Points, seen: npt.NDArray[np.bool_], names: tuple[str, ...]) -> Person:
    image = cv2.imread(str(file))
    assert image is not None, file
    return Person(
        file.name,
        np.ascontiguousarray(image[..., ::-1], np.uint8),
        box,
        joints,
        [name for name, one in zip(names, seen, strict=True) if one],
    )
