import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from commands.skeleton import run
from drawing.stick_figures import SIDE_COLOURS, bone_side, draw_pose, side, skeleton_figure
from errors import InputError
from poses.skeleton import BONES, JOINTS
from tests.conftest import REPO


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


POSE = np.random.default_rng(0).normal(size=(15, 2))


def test_sides() -> None:
    assert [side(joint) for joint in ("right_hip", "left_wrist", "head")] == ["right", "left", "middle"]
    sides = [bone_side(bone) for bone in BONES]
    assert [sides.count(one) for one in ("right", "left", "middle")] == [6, 6, 2]


def test_draws_bones_and_joints_with_y_downwards(axes: Axes) -> None:
    draw_pose(axes, POSE)
    draw_pose(axes, POSE)
    assert len(axes.lines) == 2 * (len(BONES) + len(JOINTS))
    assert axes.yaxis_inverted()
    assert axes.get_aspect() == 1
    assert {to_rgb(line.get_color()) for line in axes.lines} == {to_rgb(colour) for colour in SIDE_COLOURS.values()}


def test_missing_joints(axes: Axes) -> None:
    xy = POSE.copy()
    xy[JOINTS.index("head")] = np.nan
    draw_pose(axes, xy)
    assert len(axes.lines) == 13 + 14


def test_nothing_to_draw(axes: Axes) -> None:
    draw_pose(axes, np.full((15, 2), np.nan))
    assert not axes.lines


def test_colours_and_style(axes: Axes) -> None:
    draw_pose(axes, POSE, colours={"middle": "#000000"}, alpha=0.3)
    assert {to_rgb(line.get_color()) for line in axes.lines} == {
        to_rgb(colour) for colour in (SIDE_COLOURS["right"], SIDE_COLOURS["left"], "#000000")
    }
    assert {line.get_alpha() for line in axes.lines} == {0.3}


def test_other_shapes_are_refused(axes: Axes) -> None:
    with pytest.raises(ValueError, match=r"\[15, 2\]"):
        draw_pose(axes, POSE[:14])


def test_labels_of_the_figure_do_not_overlap() -> None:
    figure = skeleton_figure()
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    left, right = figure.axes
    assert {text.get_text() for text in left.texts} >= {joint.replace("_", " ") for joint in JOINTS}
    assert [text.get_text() for text in right.texts] == [str(number) for number in range(len(BONES))]
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in [*axes.texts, axes.title]]
        boxes += [patch.get_window_extent() for text in axes.texts if (patch := text.get_bbox_patch())]
        for box in boxes:
            assert figure.bbox.fully_containsx(box.x0)
            assert figure.bbox.fully_containsx(box.x1)
        names = [text for text in axes.texts if not text.get_text().isdigit()]
        for one, other in itertools.combinations(axes.texts, 2):
            assert not one.get_window_extent().overlaps(other.get_window_extent()), (one, other)
        for name in names:
            for dot in axes.texts:
                if dot not in names:
                    around = dot.get_window_extent().padded(4)
                    assert not name.get_window_extent().overlaps(around), (name, dot)


@pytest.mark.parametrize(
    ("name", "magic"),
    [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml"), ("c.pdf", b"%PDF"), ("new/folder/d.png", b"\x89PNG")],
)
def test_command_writes_the_same_picture_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, magic: bytes
) -> None:
    path = tmp_path / name
    written = []
    for _ in range(2):
        assert run(["skeleton", "--output", str(path)]) == 0
        written.append(path.read_bytes())
    assert written[0].startswith(magic)
    assert written[0] == written[1]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert str(path) in capsys.readouterr().out


def test_committed_picture_is_there_and_light() -> None:
    picture = REPO / "docs" / "skeleton.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 100_000


def test_wrong_outputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.png"):
        run(["skeleton", "--output", str(tmp_path / "picture.gif")])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        run(["skeleton", "--output", str(tmp_path / "file" / "picture.png")])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        run(["skeleton", "--output", str(tmp_path / "folder.png")])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.png"]


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys\nfrom drawing.stick_figures import skeleton_figure\nskeleton_figure()\n"
        "assert not {'matplotlib.pyplot', 'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)
