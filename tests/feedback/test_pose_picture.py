from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image as Pillow

from drawing.pictures import save_figure
from errors import InputError
from feedback.pose_picture import (
    SIDE,
    UNKNOWN,
    WIDTH,
    Mark,
    Person,
    bone_colours,
    comparison_figure,
    cut_out,
    person_picture,
)
from tests.feedback.people import pose


def lightness(colour: str) -> float:
    """CIE L* of a colour."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in to_rgb(colour)]
    y = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_colours_darken_with_the_difference() -> None:
    values = [lightness(colour) for colour in bone_colours(np.linspace(0, 60, 14))]
    assert (np.diff(values) < -1.5).all()
    assert values[0] > 75
    assert values[-1] < 35
    colours = bone_colours(np.array([np.nan, 60, 75, 180, *[0.0] * 10]))
    assert colours[0] == UNKNOWN
    assert len(set(colours[1:4])) == 1


@pytest.mark.parametrize("scale", [0.2, 1.0, 9.0])
@pytest.mark.parametrize("shift", [0.0, -250.0])
def test_the_joints_lie_where_they_did_in_the_picture(scale: float, shift: float) -> None:
    xy = (pose().astype(np.float64) + np.array([shift, 0.0])) * scale
    image = np.full((int(500 * scale), int(600 * scale), 3), 40, np.uint8)
    inside = (xy > 8 * scale).all(1) & (xy < np.array(image.shape[1::-1]) - 8 * scale).all(1)
    assert inside.any()
    for point in xy[inside]:  # a bright spot at every joint
        low, high = np.round(point - 4 * scale).astype(int), np.round(point + 4 * scale).astype(int) + 1
        image[low[1] : high[1], low[0] : high[0]] = 255
    cut, moved = cut_out(Person(image, xy, ""), 400)
    assert cut.shape == (400, 400, 3)
    assert (moved >= 30).all()
    assert (moved <= 370).all()
    for x, y in moved[inside].round().astype(int):
        assert cut[y, x].min() > 200
    if shift:
        assert (cut[200, 5] == 238).all()  # beyond the picture's edge


def test_far_off_joints_do_not_make_a_huge_picture() -> None:
    xy = pose()
    xy[0] = 1e8
    cut, _ = cut_out(Person(np.zeros((100, 100, 3), np.uint8), xy, ""), 300)
    assert cut.shape == (300, 300, 3)


def test_the_skeleton_is_drawn_in_the_colours_of_the_differences() -> None:
    bones = np.zeros(14)
    bones[5] = 60.0  # left shank
    drawn = person_picture(Person(None, pose(), ""), bones, [])
    worst = np.array([round(255 * one) for one in to_rgb(bone_colours(bones)[5])])
    rows, columns = np.nonzero((np.abs(drawn.astype(int) - worst) < 4).all(-1))
    assert len(rows) > 300
    _, xy = cut_out(Person(None, pose(), ""), SIDE)
    assert xy[6, 0] - 15 < columns.min() < columns.max() < xy[6, 0] + 15
    assert xy[5, 1] - 12 < rows.min() < rows.max() < xy[6, 1] + 12


def test_the_page_is_as_wide_as_promised_whatever_it_says(tmp_path: Path) -> None:
    marks = [Mark(5, "left knee: 34 degrees more bent"), Mark(9, "right arm: raised"), Mark(5, "again")]
    image = np.full((480, 640, 3), 90, np.uint8)
    for number, (shown, warned) in enumerate((([], []), (marks, ["a $warning$ " * 40, "b"]))):
        figure = comparison_figure(
            "Score 91.9 of 100", ["long $name$ " * 20, "a"][number:], Person(image, pose(), "Reference: 動画"),
            Person(None, pose(), "x"), np.full(14, np.nan), shown, warned,
        )  # fmt: skip
        save_figure(figure, tmp_path / f"{number}.png")
        with Pillow.open(tmp_path / f"{number}.png") as picture:
            assert picture.width == WIDTH
            assert picture.getpixel((2, 2))[:3] == (255, 255, 255)  # type: ignore[index]
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.texts]
        for i, one in enumerate(boxes):
            assert one.x0 >= 0
            assert one.x1 <= WIDTH
            assert one.y0 >= 0
            assert not any(one.overlaps(other) for other in boxes[:i]), figure.texts[i].get_text()
    with pytest.raises(InputError, match=r"\.png"):
        save_figure(figure, tmp_path / "x.bmp")
