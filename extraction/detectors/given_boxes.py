"""Boxes from a file in a detector's place: ground truth, or what another program found."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from errors import InputError, quoted
from extraction.types import Frame, People, Weights

COLUMNS: Final = ("clip", "frame", "left", "top", "right", "bottom")
FORMATS: Final = "CSV with the columns clip,frame,left,top,right,bottom[,score], or COCO JSON"
COCO_PERSON: Final = 1

_Row = tuple[float, float, float, float, float]  # left, top, right, bottom, score


class GivenBoxes:
    """Gives the boxes of a file.

    Three formats, coordinates in pixels of the image:

    - CSV with the header `clip,frame,left,top,right,bottom` and, if wanted, `score` (0 to 1): the clip's name and the
      frame's number are those of the keypoint cache;
    - COCO annotations: the boxes of category "person" that are no crowd;
    - COCO results: a list of `image_id` or `file_name`, `bbox` (left, top, width, height), `category_id`, `score`;
      an `image_id` alone stands for a file's name of twelve digits, as in COCO.

    In COCO's formats an image is the clip whose name ends like the name of the image's file.

    Args:
        file: the CSV or JSON.

    Raises:
        InputError: the file cannot be read, or an entry is wrong.
    """

    def __init__(self, file: str) -> None:
        path = Path(file)
        try:
            content = path.read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); give {FORMATS}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is no text in UTF-8; give {FORMATS}") from error
        self.name = "boxes"
        self.weights = Weights(f"given boxes: {path.name}", hashlib.sha256(content).hexdigest(), "unknown")
        self._path = path
        self._clips: dict[str, dict[int, list[_Row]]] = {}
        self._images: dict[str, list[_Row]] = {}
        self._by_stem: dict[str, list[str]] = {}
        if path.suffix.lower() == ".json":
            self._images = _read_coco(path, text)
            for image in self._images:
                self._by_stem.setdefault(image.rsplit("/", 1)[-1], []).append(image)
        else:
            self._clips = _read_csv(path, text)

    def place(self, device: str) -> None:
        """See `Detector`; nothing is to be placed."""

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """See `Detector`; nobody is in a frame that the file does not name.

        Raises:
            InputError: the file says nothing of the clip, or it is not clear which image it is.
        """
        if clip_id in self._clips:
            rows = self._clips[clip_id]
            return [_people(rows.get(frame.number, [])) for frame in frames]
        image = self._image(clip_id)
        if image is None:
            raise InputError(f"no boxes for clip {clip_id!r} in {self._path}; add them, or leave the clip out")
        if len(frames) > 1:
            raise InputError(
                f"{self._path}: gives boxes of a photograph for {clip_id!r}, which has several frames; give a CSV"
            )
        return [_people(self._images[image]) for _ in frames]

    def _image(self, clip_id: str) -> str | None:
        """The image that is the clip: its name ends like the clip's, after a boundary between words."""
        ends = [clip_id[i:] for i in range(len(clip_id)) if i == 0 or clip_id[i - 1] == "_"]
        fitting = [image for end in ends for image in self._by_stem.get(end, [])]
        if len(fitting) > 1:  # several folders have images of the same name
            whole = [image for image in fitting if _ends_like(clip_id, image.replace("/", "_"))]
            if len(whole) != 1:
                raise InputError(
                    f"{self._path}: clip {clip_id!r} may be {fitting[0]} or {fitting[1]}; give a CSV, which names clips"
                )
            return whole[0]
        return fitting[0] if fitting else None


def _ends_like(one: str, other: str) -> bool:
    return f"_{one}".endswith(f"_{other}") or f"_{other}".endswith(f"_{one}")


def _people(rows: list[_Row]) -> People:
    best_first = np.array(sorted(rows, key=lambda row: -row[4]), np.float32).reshape(-1, 5)
    return People(best_first[:, :4], best_first[:, 4])


def _read_csv(path: Path, text: str) -> dict[str, dict[int, list[_Row]]]:
    clips: dict[str, dict[int, list[_Row]]] = {}
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = reader.fieldnames or []
        if missing := [name for name in COLUMNS if name not in header]:
            raise InputError(f"{path}, line 1: there is no column {missing[0]!r}; give {FORMATS}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InputError(f"{where}: {len(header)} columns are needed, as in the header")
            number = _number(row["frame"], where, "frame")
            if number != int(number) or number < 0:
                raise InputError(f"{where}: frame is a whole number from 0, got {quoted(row['frame'])}")
            sides = [_number(row[name], where, name) for name in COLUMNS[2:]]
            score = _number(row["score"], where, "score") if row.get("score") else 1.0
            clips.setdefault(row["clip"], {}).setdefault(int(number), []).append(_checked(sides, score, where))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.reader.line_num}: {error}; give {FORMATS}") from error
    if not clips:
        raise InputError(f"{path}: holds no boxes; give {FORMATS}")
    return clips


def _read_coco(path: Path, text: str) -> dict[str, list[_Row]]:
    """Boxes by the name of the image's file, without its ending."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path}{line}: is no JSON ({error}); give {FORMATS}") from error
    images: dict[str, list[_Row]] = {}
    files: dict[Any, str] = {}
    people: set[int | str] = {COCO_PERSON}
    if isinstance(content, dict):
        for i, image in enumerate(_list(content, "images", path)):
            where = f"{path}, images[{i}]"
            files[_id(image, "id", where)] = _stem(image.get("file_name"), where)
        images = {file: [] for file in files.values()}
        if "categories" in content:
            people = {
                _id(category, "id", f"{path}, categories[{i}]")
                for i, category in enumerate(_list(content, "categories", path))
                if str(category.get("name")).strip().lower() == "person"
            }
            if not people:
                raise InputError(f"{path}: none of its categories is named 'person'; give boxes of people")
        entries, part = _list(content, "annotations", path), "annotations"
    else:
        entries, part = _list({"results": content}, "results", path), "results"
    for i, entry in enumerate(entries):
        where = f"{path}, {part}[{i}]"
        if entry.get("iscrowd") or _id({"category_id": COCO_PERSON, **entry}, "category_id", where) not in people:
            continue
        sides = entry.get("bbox")
        if not isinstance(sides, list) or len(sides) != 4:
            raise InputError(f"{where}: bbox is a list of left, top, width and height, got {quoted(sides)}")
        left, top, width, height = (_number(side, where, "bbox") for side in sides)
        score = _number(entry["score"], where, "score") if "score" in entry else 1.0
        file = _file(entry, files, part, where)
        images.setdefault(file, []).append(_checked([left, top, left + width, top + height], score, where))
    if not images:
        raise InputError(f"{path}: holds no boxes of people; give {FORMATS}")
    return images


def _file(entry: dict[str, Any], files: dict[Any, str], part: str, where: str) -> str:
    if part == "results" and "file_name" in entry:
        return _stem(entry["file_name"], where)
    number = _id(entry, "image_id", where)
    if part == "results":
        return f"{number:012d}" if isinstance(number, int) else _stem(number, where)
    if number not in files:
        raise InputError(f"{where}: image_id {quoted(number)} is not among the images")
    return files[number]


def _stem(name: Any, where: str) -> str:
    if not isinstance(name, str) or not PurePosixPath(name.replace("\\", "/")).name:
        raise InputError(f"{where}: file_name is the name of an image, got {quoted(name)}")
    return str(PurePosixPath(name.replace("\\", "/")).with_suffix(""))


def _list(content: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(f"{path}: {name} is no list of objects; give {FORMATS}")
    return found


def _id(entry: dict[str, Any], name: str, where: str) -> int | str:
    found = entry.get(name)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise InputError(f"{where}: {name} is a number or a name, got {quoted(found)}")
    return found


def _number(value: Any, where: str, name: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) < 1e6:
        raise InputError(f"{where}: {name} is a number of at most six digits, got {quoted(value)}")
    return number


def _checked(sides: Sequence[float], score: float, where: str) -> _Row:
    left, top, right, bottom = sides
    if not (left < right and top < bottom):
        raise InputError(f"{where}: a box has its right after its left and its bottom below its top, got {sides}")
    if not 0 <= score <= 1:
        raise InputError(f"{where}: score lies between 0 and 1, got {score}")
    return left, top, right, bottom, score
