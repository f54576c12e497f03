import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from feedback.performance_picture import Stretch, WorstMoment, performance_figure
from feedback.pose_picture import Person
from poses.skeleton import BONES
from tests.data.bodies import body


def moment(at: float, score: float, *words: str) -> WorstMoment:
    xy, _ = body(2, 0.5, np.random.default_rng(0))
    bones = np.linspace(0, 90, len(BONES))
    return WorstMoment(
        at, f"at {at:.2f} s", score, words, bones, Person(None, xy[0], "reference"), Person(None, xy[1], "attempt")
    )


def page(moments: list[WorstMoment], repetitions: list[Stretch], frames: int = 50, notes: int = 1) -> Figure:
    time = np.arange(frames) / 25
    score = 90 - 40 * np.sin(time)
    missing = np.zeros(frames, bool)
    missing[10:14] = missing[frames - 1 :] = True
    score[missing] = np.nan
    text = ["a note of some length, which says what must be known " * 4] * notes
    return performance_figure("a title", text, ["a warning"], time, score, missing, "seconds", moments, repetitions)


def words(figure: Figure) -> list[str]:
    return [artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text) and artist.get_text()]


def outside(figure: Figure) -> list[str]:
    """Words that reach out of the page; ticks beyond the ends of an axis, which are not drawn, do not count."""
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    wrong = []
    for artist in figure.findobj(Text):
        if isinstance(artist, Text) and any(map(str.isalpha, artist.get_text())):
            box = artist.get_window_extent()
            if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
                wrong.append(artist.get_text())
    return wrong


def test_everything_is_on_the_page() -> None:
    moments = [
        moment(0.2, 40, "left knee: 30 degrees more bent"),
        moment(1.0, 55),
        moment(1.8, 60, *["long " * 20] * 3),
    ]
    figure = page(moments, [Stretch(0.1, 0.9, 71.25), Stretch(1.1, 1.9, 55.5)], notes=4)
    said = words(figure)
    assert {"a title", "! a warning", "no pose", "attempt 1\n71.2", "attempt 2\n55.5", "1", "2", "3"} <= set(said)
    assert {"1   at 0.20 s, score 40.0", "2   at 1.00 s, score 55.0"} <= set(said)
    assert any(text.strip() == "left knee: 30 degrees more bent" for text in said)
    assert any(text.strip() == "no single angle stands out" for text in said)
    assert not outside(figure)
    assert figure.get_figwidth() * figure.dpi == 1400


def test_missing_stretches_are_shaded_where_they_are() -> None:
    figure = page([], [])
    assert "No moment differs enough to be shown." in words(figure)
    axes = next(axes for axes in figure.findobj(Axes) if isinstance(axes, Axes))
    shaded = sorted((patch.get_x(), patch.get_width()) for patch in axes.patches if isinstance(patch, Rectangle))
    assert np.allclose(shaded, [(0.38, 0.16), (1.94, 0.04)])  # frames 10 to 13 and 49 of 25 a second


def test_many_repetitions_have_short_labels() -> None:
    many = [Stretch(0.15 * n, 0.15 * n + 0.1, 50.0 + n) for n in range(13)]
    said = words(page([moment(0.2, 40)], many))
    assert "13\n62" in said
    assert not any(text.startswith("attempt 1") for text in said)


def test_one_frame_has_a_page() -> None:
    one = performance_figure("one", [], [], np.zeros(1), np.array([80.0]), np.zeros(1, bool), "seconds", [], [])
    assert not outside(one)
