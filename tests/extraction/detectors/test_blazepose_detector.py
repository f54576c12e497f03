import math

import numpy as np
import pytest

from benchmarks.people import Person, turned, turned_box
from errors import InputError
from extraction.detectors import blazepose_detector
from extraction.detectors.blazepose_detector import BlazePoseDetector
from extraction.types import Floats, Frame, Image, People
from extraction.weights.blazepose_weights import blazepose_file
from tests.extraction.annotated_people import annotated

SOURCES = ("mpii", "coco")


@pytest.fixture(scope="module")
def detector() -> BlazePoseDetector:
    try:
        blazepose_file("detector")
    except InputError as error:
        pytest.skip(str(error))
    return BlazePoseDetector()


def people_in(detector: BlazePoseDetector, image: Image) -> People:
    (found,) = detector.detect("clip", [Frame(0, math.nan, image)])
    return found


def photographs() -> dict[str, list[Person]]:
    files: dict[str, list[Person]] = {}
    for source in SOURCES:
        for person in annotated(source):
            files.setdefault(person.path.name, []).append(person)
    return files


# Slow versions, after the definitions of MediaPipe's calculators -----------------------------------------------------


def slow_anchors() -> list[tuple[float, float]]:
    """Layers of equal stride share a grid; each layer has two anchors (its scale, and one up to the next layer's)."""
    strides = [8, 16, 32, 32, 32]
    middles, layer = [], 0
    while layer < len(strides):
        same = sum(stride == strides[layer] for stride in strides[layer:])
        cells = math.ceil(224 / strides[layer])
        for y in range(cells):
            for x in range(cells):
                middles += [((x + 0.5) / cells * 224, (y + 0.5) / cells * 224)] * (2 * same)
        layer += same
    return middles


def slow_decode(row: list[float], anchor: tuple[float, float]) -> list[list[float]]:
    x, y, width, height = row[0] + anchor[0], row[1] + anchor[1], row[2], row[3]
    corners = [[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]]
    return corners + [[row[4 + 2 * k] + anchor[0], row[5 + 2 * k] + anchor[1]] for k in range(4)]


def slow_overlap(one: list[list[float]], other: list[list[float]]) -> float:
    width = min(one[1][0], other[1][0]) - max(one[0][0], other[0][0])
    height = min(one[1][1], other[1][1]) - max(one[0][1], other[0][1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[1][0] - box[0][0]) * (box[1][1] - box[0][1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def slow_merge(rows: list[tuple[float, list[list[float]]]]) -> list[tuple[float, list[list[float]]]]:
    left = sorted(rows, key=lambda row: -row[0])
    merged = []
    while left:
        same = [row for row in left if slow_overlap(row[1], left[0][1]) > 0.3]
        total = sum(score for score, _ in same)
        mean = [[sum(score * p[i][axis] for score, p in same) / total for axis in (0, 1)] for i in range(6)]
        merged.append((left[0][0], mean))
        left = [row for row in left if row not in same]
    return merged


def slow_people(raw: Floats, logits: Floats, min_score: float) -> list[tuple[float, list[list[float]]]]:
    rows = []
    for row, logit, anchor in zip(raw.tolist(), logits.tolist(), slow_anchors(), strict=True):
        if (score := 1 / (1 + math.exp(-logit))) >= min_score:
            rows.append((score, slow_decode(row, anchor)))
    return slow_merge(rows)


# ---------------------------------------------------------------------------------------------------------------------


def test_anchors() -> None:
    assert blazepose_detector.anchors().shape == (2254, 2)
    np.testing.assert_allclose(blazepose_detector.anchors(), slow_anchors(), rtol=1e-6)


def test_decoding_and_merging_equal_slow_versions() -> None:
    rng = np.random.default_rng(0)
    anchors = blazepose_detector.anchors()
    chosen = rng.choice(len(anchors), 60, replace=False)
    raw = rng.normal(0, 20, (60, 12)).astype(np.float32)
    raw[:, 2:4] = rng.uniform(20, 90, (60, 2))
    score = rng.uniform(0.5, 1, 60).astype(np.float32)
    points = blazepose_detector.decode(raw, anchors[chosen])
    slow = [slow_decode(row, tuple(anchor)) for row, anchor in zip(raw.tolist(), anchors[chosen].tolist(), strict=True)]
    np.testing.assert_allclose(points, slow, atol=1e-4)
    merged, sureness = blazepose_detector.merge(points, score)
    expected = slow_merge(list(zip(score.tolist(), slow, strict=True)))
    assert 5 < len(expected) < 50  # some are merged, some are not
    np.testing.assert_allclose(sureness, [one[0] for one in expected], atol=1e-6)
    np.testing.assert_allclose(merged, [one[1] for one in expected], atol=1e-3)


def test_boxes_without_extent_do_not_hang_it() -> None:
    points = np.zeros((3, 6, 2), np.float32)
    merged, sureness = blazepose_detector.merge(points, np.array([0.9, 0.8, 0.7], np.float32))
    assert len(merged) == len(sureness) == 3


def test_photographs_equal_the_slow_version(detector: BlazePoseDetector) -> None:
    """Without close-ups, which MediaPipe does not have."""
    plain = BlazePoseDetector(close_ups=False)
    for people in photographs().values():
        image = people[0].image
        height, width = image.shape[:2]
        (square,) = blazepose_detector.views(height, width, False)
        raw, logits = plain._network(blazepose_detector.cut(image, square)[None])
        expected = slow_people(raw[0], logits[0, :, 0], 0.5)
        found = people_in(plain, image)
        assert found.roi is not None
        assert len(found.boxes) == len(expected)
        np.testing.assert_allclose(found.score, [score for score, _ in expected], atol=1e-5)
        for roi, (_, points) in zip(found.roi, expected, strict=True):
            (x, y), (top_x, top_y) = points[2], points[3]
            scale = max(height, width) / 224
            assert roi[0] == pytest.approx((x - 112) * scale + width / 2, abs=0.01)
            assert roi[1] == pytest.approx((y - 112) * scale + height / 2, abs=0.01)
            assert roi[2] == pytest.approx(2.5 * scale * math.dist((x, y), (top_x, top_y)), rel=1e-4)
            # MediaPipe's definition: 90 degrees less the direction of the vector, y upwards
            turn = math.pi / 2 - math.atan2(-(top_y - y), top_x - x)
            assert math.remainder(roi[3] - turn, 2 * math.pi) == pytest.approx(0, abs=1e-4)


def found_of_annotated(detector: BlazePoseDetector, people: list[Person], turns: int) -> int:
    """How many of the annotated have a found box of their own that overlaps by more than 0.3."""
    image = people[0].image
    found = people_in(detector, turned(image, turns))
    assert found.roi is not None
    assert found.boxes.shape == found.roi.shape == (len(found.score), 4)
    assert (np.diff(found.score) <= 0).all()
    free = list(range(len(found.boxes)))
    for person in people:
        box = turned_box(person.box, image, turns).reshape(2, 2)
        shares = [float(blazepose_detector.overlap(found.boxes[i].reshape(1, 2, 2), box)[0]) for i in free]
        if shares and max(shares) > 0.3:
            match = free.pop(int(np.argmax(shares)))
            if len(people) == 1:
                rotation = float(found.roi[match, 3]) - turns * math.pi / 2
                assert abs(math.remainder(rotation, 2 * math.pi)) < math.radians(45)
    return len(found.boxes) - len(free)


@pytest.mark.parametrize(("turns", "at_least"), [(0, 12), (1, 9), (2, 9), (3, 10)])
def test_annotated_people_are_found_however_the_photograph_is_turned(
    detector: BlazePoseDetector, turns: int, at_least: int
) -> None:
    """Of 17 people in 9 photographs 13 upright and 10, 10 and 11 turned; MediaPipe's single look finds 8."""
    counts = [found_of_annotated(detector, people, turns) for people in photographs().values()]
    assert len(counts) == 9
    assert min(counts) >= 1
    assert sum(counts) >= at_least
    if turns == 0:
        plain = BlazePoseDetector(close_ups=False)
        assert sum(found_of_annotated(plain, people, 0) for people in photographs().values()) < sum(counts)


# Close-ups ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "close"),
    [
        (100, 100, []),
        (100, 150, [(0, 0), (50, 0)]),
        (90, 160, [(0, 0), (35, 0), (70, 0)]),
        (160, 90, [(0, 0), (0, 35), (0, 70)]),
        (1, 1000, [(i * 999 / 6, 0) for i in range(7)]),
    ],
)
def test_views(height: int, width: int, close: list[tuple[float, float]]) -> None:
    side = max(height, width)
    whole = ((width - side) / 2, (height - side) / 2, side)
    expected = [whole, *((left, top, min(height, width)) for left, top in close)]
    np.testing.assert_allclose(blazepose_detector.views(height, width, True), expected, rtol=1e-6)
    np.testing.assert_allclose(blazepose_detector.views(height, width, False), [whole])


def test_one_person_in_two_views_is_one_person() -> None:
    roi = np.array([[100, 100, 80, 0], [105, 100, 120, 1], [300, 100, 80, 0], [100, 107, 80, 3]], np.float32)
    np.testing.assert_array_equal(blazepose_detector.distinct(roi), [0, 2, 3])
    assert len(blazepose_detector.distinct(np.zeros((0, 4), np.float32))) == 0


def test_a_frame_is_judged_alone(detector: BlazePoseDetector) -> None:
    image = annotated("mpii")[0].image
    grey = np.full_like(image, 128)
    first, nobody, second = detector.detect("clip", [Frame(i, 0.0, one) for i, one in enumerate((image, grey, image))])
    alone = people_in(detector, image)
    assert nobody.boxes.shape == (0, 4)
    assert nobody.score.shape == (0,)
    assert nobody.roi is not None
    assert nobody.roi.shape == (0, 4)
    for found in (first, second):
        assert found.roi is not None
        assert alone.roi is not None
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.score, alone.score)
        np.testing.assert_array_equal(found.roi, alone.roi)
    assert detector.detect("clip", []) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (3000, 2)])
def test_sizes_out_of_the_ordinary(detector: BlazePoseDetector, size: tuple[int, int]) -> None:
    assert len(people_in(detector, np.zeros((*size, 3), np.uint8)).boxes) == 0


def test_a_square_around_the_image_keeps_the_shape_of_things() -> None:
    image = np.full((100, 400, 3), 255, np.uint8)
    square = blazepose_detector.cut(image, blazepose_detector.views(100, 400, False)[0])
    assert square.shape == (224, 224, 3)
    assert square[85:139].min() == 255  # 56 of the 224 rows, in the middle
    assert square[:83].max() == square[141:].max() == 0


@pytest.mark.parametrize("min_score", [0.0, 1.0, -1.0, math.nan])
def test_a_score_out_of_range_is_refused(min_score: float) -> None:
    with pytest.raises(InputError, match="min_score must lie between 0 and 1"):
        BlazePoseDetector(min_score)


def test_a_higher_score_finds_fewer(detector: BlazePoseDetector) -> None:
    image = next(person.image for person in annotated("coco") if person.path.name == "000000197388.jpg")
    assert len(people_in(detector, image).score) > len(people_in(BlazePoseDetector(min_score=0.74), image).score)
