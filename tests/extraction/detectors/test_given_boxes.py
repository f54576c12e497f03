import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InputError
from extraction.detectors.given_boxes import GivenBoxes
from extraction.types import Frame
from tests.conftest import shared_data

HEADER = "clip,frame,left,top,right,bottom,score\n"


def frames(*numbers: int) -> list[Frame]:
    return [Frame(number, math.nan, np.zeros((4, 4, 3), np.uint8)) for number in numbers]


def write(folder: Path, content: Any, name: str = "boxes.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def coco(**changes: Any) -> dict[str, Any]:
    image = {"id": 7, "file_name": "val/000000000007.jpg"}
    box = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}
    return {
        "images": [image, {"id": 8, "file_name": "val/000000000008.jpg"}],
        "categories": [{"id": 3, "name": "person"}, {"id": 4, "name": "dog"}],
        "annotations": [box, {**box, "iscrowd": 1}, {**box, "category_id": 4}, {**box, "bbox": [5, 5, 1.5, 1]}],
        **changes,
    }


def test_csv(tmp_path: Path) -> None:
    rows = "dive,3,0,1,2,3.5,0.25\ndive,3,10,10,20,30,0.5\ndive,5,-4,0,1,1,\n other dive,0,0,0,1,1,1\n"
    detector = GivenBoxes(write(tmp_path, HEADER + rows, "boxes.csv"))
    third, fourth, fifth = detector.detect("dive", frames(3, 4, 5))
    assert third.boxes.tolist() == [[10, 10, 20, 30], [0, 1, 2, 3.5]]
    assert third.score.tolist() == [0.5, 0.25]
    assert third.boxes.dtype == third.score.dtype == np.float32
    assert fourth.boxes.shape == (0, 4)
    assert fourth.score.shape == (0,)
    assert fifth.boxes.tolist() == [[-4, 0, 1, 1]]
    assert fifth.score.tolist() == [1]
    assert detector.weights.name == "given boxes: boxes.csv"
    assert detector.weights.sha256 == hashlib.sha256((tmp_path / "boxes.csv").read_bytes()).hexdigest()
    assert detector.weights.licence == "unknown"
    with pytest.raises(InputError, match="no boxes for clip 'a third'"):
        detector.detect("a third", frames(0))


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    """A byte order mark, Windows' line ends, other columns, no score."""
    text = '\ufeffclip,bottom,right,top,left,frame,note\r\n"a, b",4,3,2,1,0,x\r\n'
    (people,) = GivenBoxes(write(tmp_path, text, "boxes.csv")).detect("a, b", frames(0))
    assert people.boxes.tolist() == [[1, 2, 3, 4]]


def test_coco_annotations(tmp_path: Path) -> None:
    detector = GivenBoxes(write(tmp_path, coco()))
    for clip in ("000000000007", "val_000000000007", "coco_val_000000000007"):
        (people,) = detector.detect(clip, frames(0))
        assert people.boxes.tolist() == [[1, 2, 4, 6], [5, 5, 6.5, 6]]  # neither the crowd nor the dog
        assert people.score.tolist() == [1, 1]
    (nobody,) = detector.detect("000000000008", frames(0))
    assert nobody.boxes.shape == (0, 4)
    for clip in ("000000000009", "1000000000007", "a000000000007", "07", ""):
        with pytest.raises(InputError, match="no boxes for clip"):
            detector.detect(clip, frames(0))
    with pytest.raises(InputError, match="several frames"):
        detector.detect("000000000007", frames(0, 1))


def test_coco_results(tmp_path: Path) -> None:
    box = {"bbox": [0, 0, 1, 1], "category_id": 1}
    entries = [
        {**box, "image_id": 7, "score": 0.25},
        {**box, "image_id": 7, "score": 0.5, "bbox": [1, 1, 2, 2]},
        {**box, "image_id": 7, "category_id": 18},
        {**box, "file_name": "folder/my picture.jpg"},
    ]
    detector = GivenBoxes(write(tmp_path, entries))
    (people,) = detector.detect("a_000000000007", frames(0))
    assert people.boxes.tolist() == [[1, 1, 3, 3], [0, 0, 1, 1]]
    assert people.score.tolist() == [0.5, 0.25]
    (people,) = detector.detect("folder_my picture", frames(0))
    assert len(people.boxes) == 1


def test_images_of_the_same_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    names = {1: "x/1.jpg", 2: "y/1.jpg"}
    boxes = [{"image_id": i, "bbox": [i, i, 1, 1], "category_id": 1} for i in names]
    images = [{"id": i, "file_name": name} for i, name in names.items()]
    detector = GivenBoxes(write(tmp_path, {"images": images, "annotations": boxes}))
    (people,) = detector.detect("set_y_1", frames(0))
    assert people.boxes.tolist() == [[2, 2, 3, 3]]
    for clip in ("1", "z_1"):
        with pytest.raises(InputError, match=r"may be x/1 or y/1; give a CSV"):
            detector.detect(clip, frames(0))


def test_the_shared_photographs() -> None:
    folder = shared_data("people")
    annotations = json.loads((folder / "coco" / "test_coco.json").read_bytes())
    truth = GivenBoxes(str(folder / "coco" / "test_coco.json"))
    found = GivenBoxes(str(folder / "coco" / "test_coco_det_AP_H_56.json"))
    for image in annotations["images"]:
        clip = f"coco_{Path(image['file_name']).stem}"
        (people,) = truth.detect(clip, frames(0))
        boxes = [one["bbox"] for one in annotations["annotations"] if one["image_id"] == image["id"]]
        expected = [[left, top, left + width, top + height] for left, top, width, height in boxes]
        np.testing.assert_allclose(people.boxes, np.reshape(expected, (-1, 4)), rtol=1e-6)
        (people,) = found.detect(clip, frames(0))
        assert (np.diff(people.score) <= 0).all()
        assert len(people.score) >= len(boxes)
    art = GivenBoxes(str(folder / "humanart" / "test_humanart.json"))
    (people,) = art.detect("humanart_real_human_acrobatics_000000000590", frames(0))
    assert len(people.boxes)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "", "line 1: there is no column 'clip'"),
        ("a.csv", "clip,frame,left,top,right\na,0,0,0,1\n", "line 1: there is no column 'bottom'"),
        ("a.csv", HEADER, "holds no boxes"),
        ("a.csv", HEADER + "a,0,0,0,1,1,1\na,0,0,0,1\n", "line 3: 7 columns are needed"),
        ("a.csv", HEADER + "a,0,0,0,1,1,1,1\n", "line 2: 7 columns are needed"),
        ("a.csv", HEADER + "a,0.5,0,0,1,1,1\n", "line 2: frame is a whole number from 0, got '0.5'"),
        ("a.csv", HEADER + "a,-1,0,0,1,1,1\n", "line 2: frame is a whole number from 0, got '-1'"),
        ("a.csv", HEADER + "a,0,x,0,1,1,1\n", "line 2: left is a number of at most six digits, got 'x'"),
        ("a.csv", HEADER + "a,0,0,0,inf,1,1\n", "line 2: right is a number of at most six digits, got 'inf'"),
        ("a.csv", HEADER + "a,0,0,nan,1,1,1\n", "line 2: top is a number of at most six digits, got 'nan'"),
        ("a.csv", HEADER + "a,0,1,0,1,1,1\n", "line 2: a box has its right after its left"),
        ("a.csv", HEADER + "a,0,0,2,1,1,1\n", "line 2: a box has its right after its left"),
        ("a.csv", HEADER + "a,0,0,0,1,1,1.5\n", "line 2: score lies between 0 and 1, got 1.5"),
        ("a.csv", HEADER + 'a,0,0,0,1,1,"1\n', "line 2: unexpected end of data"),
        ("a.json", "{", "line 1: is no JSON"),
        ("a.json", "[" * 100_000, "is no JSON"),
        ("a.json", "7", "results is no list of objects"),
        ("a.json", [], "holds no boxes of people"),
        ("a.json", [1], "results is no list of objects"),
        ("a.json", coco(images=None), "images is no list of objects"),
        ("a.json", coco(categories=[{"id": 1, "name": "dog"}]), "none of its categories is named 'person'"),
        ("a.json", coco(categories=[{"id": [1], "name": "person"}]), "categories[0]: id is a number or a name"),
        ("a.json", coco(images=[{"id": 7}]), "images[0]: file_name is the name of an image, got None"),
        ("a.json", coco(images=[]), "annotations[0]: image_id 7 is not among the images"),
        ("a.json", [{"bbox": [0, 0, 1, 1]}], "results[0]: image_id is a number or a name, got None"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1]}], "results[0]: bbox is a list of left, top, width and height"),
        ("a.json", '[{"image_id": 1, "bbox": [0, 0, NaN, 1]}]', "results[0]: bbox is a number of at most six digits"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 0, 1]}], "results[0]: a box has its right after its left"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 2}], "results[0]: score lies between 0 and 1"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1, 1], "score": True}], "results[0]: score is a number"),
        ("a.json", [{"image_id": 1, "category_id": [1]}], "results[0]: category_id is a number or a name"),
    ],
)
def test_wrong_files(name: str, content: Any, complaint: str, tmp_path: Path) -> None:
    file = write(tmp_path, content, name)
    with pytest.raises(InputError) as caught:
        GivenBoxes(file)
    assert str(caught.value).startswith(file)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read \(No such file"):
        GivenBoxes(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="cannot be read"):
        GivenBoxes(str(tmp_path))
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no text in UTF-8"):
        GivenBoxes(str(tmp_path / "a.csv"))
