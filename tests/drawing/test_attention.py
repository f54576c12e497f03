from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drawing.attention import MOST_CLIPS, attention_centres, attention_figure
from drawing.pictures import save_figure
from tests.drawing.test_evaluation_figure import assert_legible, words


def make(clips: int, layers: int = 2, parts: int = 5, windows: int = 20) -> NDArray[np.float32]:
    attention = np.random.default_rng(0).random((clips, layers, parts, windows)) ** 3 + 1e-6
    shares: NDArray[np.float32] = (attention / attention.sum(-1, keepdims=True)).astype(np.float32)
    return shares


def panels(figure: Figure, start: str) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title().startswith(start)]


def across(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), np.float64)


def test_centres_by_hand() -> None:
    attention = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25], [0, 0.5, 0, 0.5]])
    assert attention_centres(attention).tolist() == [12.5, 87.5, 50, 62.5]
    assert attention_centres(np.ones((3, 1), np.float32)).tolist() == [50, 50, 50]


def test_what_is_drawn_are_means_and_quartiles() -> None:
    attention = make(9, parts=3, windows=6)
    figure = attention_figure(attention, "a title")
    for layer, (above, below) in enumerate(zip(panels(figure, "mean"), panels(figure, "centres"), strict=True)):
        (mesh,) = (one for one in above.collections if isinstance(one, QuadMesh))
        shown = np.asarray(mesh.get_array()).reshape(3, 6)
        (quartiles,) = (one for one in below.collections if isinstance(one, LineCollection))
        for part in range(3):
            centres = []
            for clip in range(9):
                row = attention[clip, layer, part].tolist()
                centres.append(sum(share * (window + 0.5) / 6 * 100 for window, share in enumerate(row)))
            for window in range(6):
                mean = sum(float(attention[clip, layer, part, window]) for clip in range(9)) / 9
                assert shown[part, window] == pytest.approx(100 * mean)
            (first, _), (last, _) = quartiles.get_segments()[part]
            ordered = sorted(centres)
            assert (first, last) == pytest.approx((ordered[2], ordered[6]))
            medians = [across(line) for line in (*above.lines, *below.lines) if line.get_marker() == "D"]
            assert [row[part] for row in medians] == pytest.approx([ordered[4]] * 2)
            (dots,) = (line for line in below.lines if line.get_marker() == "o" and len(across(line)))
            rows = np.round(np.asarray(dots.get_ydata())) == part + 1
            assert across(dots)[rows] == pytest.approx(centres)


def test_layers_share_colours_and_the_last_is_the_widest() -> None:
    figure = attention_figure(make(20, layers=3), "a title")
    figure.draw_without_rendering()
    above = panels(figure, "mean attention")
    assert [axes.get_title() for axes in above] == [f"mean attention, layer {layer} of 3" for layer in (1, 2, 3)]
    limits = {mesh.get_clim() for axes in above for mesh in axes.collections}
    assert len(limits) == 1
    widths = [axes.get_position().width for axes in above]
    assert widths[2] > 1.5 * widths[1] == pytest.approx(1.5 * widths[0])


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 1, 1), (73, 2, 5, 20), (40, 1, 5, 10), (5, 4, 12, 103)])
def test_legible(shape: tuple[int, int, int, int]) -> None:
    clips = shape[0]
    figure = attention_figure(make(*shape), f"TPT on SPEED21: {'a title that goes on and on, ' * 8}fold 1")
    assert_legible(figure)
    said = words(figure)
    assert (f"centres, {clips} clips" if clips > 1 else "centres, one clip") in said
    assert "median centre" in said


def test_of_many_clips_some_dots_are_drawn() -> None:
    figure = attention_figure(make(3 * MOST_CLIPS, layers=1, parts=2, windows=3), "a title")
    (below,) = panels(figure, "centres")
    assert below.get_title() == f"centres, {3 * MOST_CLIPS} clips"
    assert sorted(len(across(line)) for line in below.lines) == [0, 2, 2 * MOST_CLIPS]


def test_the_same_attention_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_figure(attention_figure(make(30), "a title"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.05


@pytest.mark.parametrize("shape", [(2, 5, 20), (0, 2, 5, 20), (3, 0, 5, 20), (3, 2, 5, 0), ()])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must have shape \[n, layers, K, W\] without a 0, not \["):
        attention_figure(np.ones(shape), "a title")
