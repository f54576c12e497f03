"""Cutting people out: where pixels come from, and what turning and unusual boxes do."""

import numpy as np
import pytest

from benchmarks.people import turned, turned_box
from extraction.estimators.warp import Warp
from extraction.types import Floats, Image
from tests.extraction.annotated_people import annotated

COCO = Warp((192, 256), 1.25, udp=False)
UDP = Warp((192, 256), 1.25, udp=True)


def smooth_image(height: int, width: int) -> Image:
    """Without edges, so that a thirty-second of a pixel, which OpenCV rounds to, makes no difference."""
    y, x = np.mgrid[:height, :width]
    planes = [120 + 100 * np.sin(x / 40 + i) * np.cos(y / 30 - i) for i in range(3)]
    return np.asarray(np.stack(planes, axis=-1), np.uint8)


def looked_up(image: Image, x: float, y: float) -> Floats:
    """Bilinear look-up of one point, black outside."""
    column, row = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - column, y - row
    four = np.zeros((2, 2, 3))
    for i, j in np.ndindex(2, 2):
        if 0 <= row + i < image.shape[0] and 0 <= column + j < image.shape[1]:
            four[i, j] = image[row + i, column + j]
    top, bottom = four[:, 0] * (1 - fx) + four[:, 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, np.float32)


@pytest.mark.parametrize("warp", [COCO, UDP])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("box", [(100.0, 60.0, 180.5, 250.25), (40.0, 100.0, 300.0, 160.0), (-30.0, 50.0, 60.0, 200.0)])
def test_pixels_come_from_where_the_map_says(warp: Warp, turns: int, box: tuple[float, ...]) -> None:
    image = smooth_image(300, 400)
    crop = warp.cut(image, np.array(box, np.float32), turns)
    assert crop.pixels.shape == (256, 192, 3)
    assert crop.pixels.dtype == np.uint8
    rng = np.random.default_rng(0)
    for u, v in zip(rng.integers(0, 192, 200), rng.integers(0, 256, 200), strict=True):
        x, y = crop.to_image @ (u, v, 1)
        if min(abs(x), abs(y), abs(x - 399), abs(y - 299)) > 1:  # the image's edge is sharp
            assert np.abs(looked_up(image, x, y) - crop.pixels[v, u]).max() <= 3


@pytest.mark.parametrize(
    ("box", "left_top", "right_bottom"),
    [
        ((100, 60, 160, 260), (36.25, 35), (223.75, 285)),  # tall: height times 1.25, and three quarters of it
        ((100, 100, 300, 140), (75, -46.67), (325, 286.67)),  # wide: width times 1.25, and four thirds of it
    ],
)
def test_the_box_is_widened_to_the_shape_of_the_crop(
    box: tuple[float, ...], left_top: tuple[float, float], right_bottom: tuple[float, float]
) -> None:
    image = smooth_image(300, 400)
    plain = COCO.cut(image, np.array(box, np.float32), 0).to_image
    np.testing.assert_allclose(plain @ (0, 0, 1), left_top, atol=0.01)
    np.testing.assert_allclose(plain @ (192, 256, 1), right_bottom, atol=0.01)
    udp = UDP.cut(image, np.array(box, np.float32), 0).to_image
    np.testing.assert_allclose(udp @ (0, 0, 1), left_top, atol=0.01)
    np.testing.assert_allclose(udp @ (191, 255, 1), right_bottom, atol=0.01)


@pytest.mark.parametrize("warp", [COCO, UDP])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_who_is_turned_looks_as_if_upright(warp: Warp, turns: int) -> None:
    for person in annotated("coco"):
        upright = warp.cut(person.image, person.box, 0).pixels.astype(np.float64)
        image = turned(person.image, turns)
        # boxes are edges, turned_box turns middles of pixels: both are off by at most a pixel of the photograph
        again = warp.cut(image, turned_box(person.box, person.image, turns), turns).pixels
        assert np.abs(upright - again).mean() < 3


def test_a_box_without_extent_is_a_pixel() -> None:
    image = smooth_image(30, 40)
    crop = COCO.cut(image, np.array([10, 20, 10, 20], np.float32), 0)
    assert np.isfinite(crop.to_image).all()
    np.testing.assert_allclose(crop.to_image @ (96, 128, 1), (10, 20), atol=0.02)


def test_what_lies_outside_is_black() -> None:
    image = np.full((30, 40, 3), 255, np.uint8)
    assert not COCO.cut(image, np.array([100, 100, 130, 140], np.float32), 0).pixels.any()


def test_an_image_of_one_pixel() -> None:
    assert COCO.cut(np.full((1, 1, 3), 7, np.uint8), np.array([0, 0, 1, 1], np.float32), 0).pixels.max() == 7


@pytest.mark.parametrize("box", [(0, 0, 30, 90), (0, 0, 90, 90), (0, 0, 90, 30), (0, 0, 80, 90)])
def test_no_box_has_a_longer_side_shorter_than_said(box: tuple[float, ...]) -> None:
    crop = COCO.cut(smooth_image(100, 100), np.array(box, np.float32), 0)
    pixels_per_pixel = 1 / np.abs(crop.to_image[:, :2]).max()
    assert max(box) * pixels_per_pixel >= COCO.shortest_side() - 1e-3


def test_keypoints_of_codecs_are_spread_over_the_crop_with_udp() -> None:
    corner = np.array([[0, 0], [192, 256]], np.float32)
    np.testing.assert_array_equal(COCO.from_mmpose(corner), corner)
    np.testing.assert_array_equal(UDP.from_mmpose(corner), [[0, 0], [191, 255]])
