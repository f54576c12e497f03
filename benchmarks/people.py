"""Photographs of people whose joints and boxes people have annotated, and what turns them."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from extraction.reading.photographs import read_image
from extraction.types import Floats, Image
from poses.skeleton import KEYPOINTS

Points = npt.NDArray[np.float64]

MIN_JOINTS = 6
HUMANART = "HumanArt/images/"  # what its files' names begin with; they lie in the folder that holds the annotations


class Photograph(NamedTuple):
    """A photograph, and the boxes [N, 4] (left, top, right, bottom) of its people."""

    path: Path
    image: Image
    boxes: Floats


class Person(NamedTuple):
    """`box` [4], `joints` [J, 2] pixels of the joints seen, and their names in the layout that annotated them."""

    path: Path
    image: Image
    box: Floats
    joints: Points
    names: list[str]

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return float((self.box[2:] - self.box[:2]).max())


def photographs(root: Path) -> list[Photograph]:
    """The photographs of `root`/coco, each with its annotated people."""
    people: dict[Path, list[Person]] = {}
    for person in annotated(root, "coco"):
        people.setdefault(person.path, []).append(person)
    return [Photograph(path, who[0].image, np.stack([one.box for one in who])) for path, who in people.items()]


def annotated(root: Path, source: str) -> list[Person]:
    """The people in the photographs of `root`/`source`.

    Args:
        root: the folder of the three sources.
        source: "mpii" (5 people, whose boxes are a tenth larger than their joints), "coco" (12 with at least 6 joints)
            or "humanart" (2 acrobats).
    """
    return _mpii(root / source) if source == "mpii" else _coco(root / source)


def turned(image: Image, turns: int) -> Image:
    """The image turned clockwise by quarter turns."""
    result: Image = np.ascontiguousarray(np.rot90(image, -turns))
    return result


def turned_points(xy: Points | Floats, image: Image, turns: int) -> Points:
    """Where points [..., 2] of the image are once it has been turned clockwise."""
    height, width = image.shape[:2]
    for _ in range(turns):
        xy = np.stack([height - 1 - xy[..., 1], xy[..., 0]], axis=-1)
        height, width = width, height
    return xy.astype(np.float64)


def turned_box(box: Floats, image: Image, turns: int) -> Floats:
    """Where a box [4] of the image is once it has been turned clockwise."""
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
        path = folder / one["image"]
        people.append(Person(path, read_image(path), box, joints, _names(KEYPOINTS["mpii16"], seen)))
    return people


def _coco(folder: Path) -> list[Person]:
    data = json.loads((folder / f"test_{folder.name}.json").read_text())
    paths = {image["id"]: folder / image["file_name"].removeprefix(HUMANART) for image in data["images"]}
    images = {number: read_image(path) for number, path in paths.items() if path.is_file()}
    people = []
    for one in data["annotations"]:
        keypoints = np.array(one["keypoints"], np.float64).reshape(-1, 3)
        seen = keypoints[:, 2] > 0
        number = one["image_id"]
        if number in images and seen.sum() >= MIN_JOINTS:
            left, top, width, height = one["bbox"]
            box = np.array([left, top, left + width, top + height], np.float32)
            names = _names(KEYPOINTS["coco17"], seen)
            people.append(Person(paths[number], images[number], box, keypoints[seen, :2], names))
    return people


def _names(names: tuple[str, ...], seen: npt.NDArray[np.bool_]) -> list[str]:
    return [name for name, one in zip(names, seen, strict=True) if one]
