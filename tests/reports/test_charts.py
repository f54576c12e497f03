"""Figures of a report: what their SVG holds, and what does not leak into it."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from drawing.pictures import shorten
from reports.charts import (
    COLOURS,
    INK,
    Bar,
    interval_figure,
    learning_figure,
    map_figure,
    robustness_figure,
    svg,
    value_figure,
    wants_log,
)
from reports.clip_charts import pair_png, scatter_png
from run_folder.results import Pair

NAMES = ("$x$ & <b>y</b>", "跑", "a name that is so long that it cannot stand in a figure of four inches")


def figures() -> dict[str, Figure]:
    bars = [
        Bar(name, rho, ends, kind)
        for name, rho, ends, kind in zip(
            (*NAMES, "ridge"),
            (0.5, -0.2, None, 0.9),
            ((0.3, 0.7), (-0.4, 0.1), None, None),
            ("measured", "measured", "trivial", "human"),
            strict=True,
        )
    ]
    dots = {"validation part": [(1e-4, 0.5), (1e-4, 0.6), (1e-3, 0.4)], "test part": [(1e-4, 0.5), (1e-3, 0.3)]}
    return {
        "bars": interval_figure(bars, "rho"),
        "learning": learning_figure([({0: 1.0, 1: 0.5}, {0: 0.2, 1: 0.3}), ({0: 0.9}, {})]),
        "value": value_figure("learning rate", dots, True),
        "grid": map_figure(
            ("margin", "lr"), [(m, lr, m + lr) for m in (0.5, 1.0) for lr in (0.1, 0.2)], (False, False)
        ),
        "dots": map_figure(("margin", "lr"), [(0.1 * i, 10.0**-i, i / 9) for i in range(1, 9)], (False, True)),
        "robustness": robustness_figure({name: ([0.0, 5.0], [0.5, 0.4]) for name in NAMES}, "noise (%)"),
    }


@pytest.mark.parametrize("name", list(figures()))
def test_an_svg_takes_its_colours_from_the_page(name: str) -> None:
    text = svg(figures()[name], name)
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert {"width", "height"}.isdisjoint(root.attrib)
    assert INK not in text
    assert "currentColor" in text
    assert not re.search(r"<(metadata|script|style>.*@import|image)", text) or name == "grid" or name == "dots"
    words = [element for element in root.iter() if element.tag.endswith("}text")]
    assert len(words) > 5
    identifiers = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(identifiers) == len(set(identifiers))
    assert all(identifier.startswith(f"{name}-") for identifier in identifiers)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used <= set(identifiers)
    assert text == svg(figures()[name], name)


def test_names_are_text_and_no_formulas() -> None:
    words = " ".join(ET.fromstring(svg(figures()["robustness"], "x")).itertext())
    assert NAMES[0] in words
    assert NAMES[1] in words
    assert NAMES[2] not in words
    assert shorten(NAMES[2], 44) in words


def luminance(colour: str) -> float:
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_stand_out_on_light_and_on_dark() -> None:
    for colour in COLOURS:
        assert contrast(colour, "#f5f6f8") >= 3
        assert contrast(colour, "#1e2127") >= 3
    assert len(set(COLOURS)) == len(COLOURS)


def test_numbers_in_a_heat_map_can_be_read_on_their_cells() -> None:
    points = [(float(m), float(lr), m * 3 + lr) for m, lr in itertools.product(range(4), range(3))]
    figure = map_figure(("margin", "lr"), points, (False, False))
    axes = figure.axes[0]
    cells = axes.collections[0]
    figure.draw_without_rendering()
    faces = np.asarray(cells.get_facecolor())
    assert len(axes.texts) == 12
    for text in axes.texts:
        x, y = text.get_position()
        face = faces[int(y) * 4 + int(x)]
        assert contrast(str(text.get_color()), to_hex(face)) >= 4
        assert text.get_text() == f"{int(x) * 3 + int(y):.2f}"


def test_repeated_cells_are_averaged_and_missing_ones_are_empty() -> None:
    points = [(0.0, 0.0, 0.2), (0.0, 0.0, 0.4), (1.0, 0.0, 0.5), (0.0, 1.0, 0.6)]
    texts = {
        text.get_position(): text.get_text() for text in map_figure(("a", "b"), points, (False, False)).axes[0].texts
    }
    assert texts == {(0.5, 0.5): "0.30", (1.5, 0.5): "0.50", (0.5, 1.5): "0.60"}


def test_ticks_stand_at_values_that_have_room() -> None:
    def ticks(values: list[float], log: bool) -> list[float]:
        axes = value_figure("x", {"test part": [(value, 0.5) for value in values]}, log).axes[0]
        return [float(tick) for tick in axes.get_xticks()]

    assert ticks([1e-4, 1e-3, 1e-2], True) == [1e-4, 1e-3, 1e-2]
    assert ticks([1e-4, 1.1e-4, 1e-3], True) == [1e-4, 1e-3]
    assert ticks([0.1, 0.7, 0.72, 1.35], False) == [0.1, 0.7, 1.35]
    assert ticks([0.5], False) == [0.5]
    assert [wants_log(values) for values in ([1e-4, 1e-3], [0.5, 1.35], [0.0, 1.0])] == [True, False, False]


def test_means_go_through_the_values_in_order() -> None:
    dots = {"test part": [(1.0, 0.4), (0.5, 0.1), (1.0, 0.6)]}
    line = value_figure("x", dots, False).axes[0].lines[-1]
    assert np.allclose(np.asarray(line.get_xydata()), [[0.5, 0.1], [1.0, 0.5]])


def test_the_mean_of_runs_is_over_those_that_are_alive() -> None:
    figure = learning_figure([({0: 1.0, 1: 0.5}, {0: 0.2, 1: 0.4}), ({0: 0.0}, {0: 0.4})])
    upper, lower = figure.axes
    assert np.allclose(np.asarray(upper.lines[-1].get_xydata()), [[0, 0.5], [1, 0.5]])
    assert np.allclose(np.asarray(lower.lines[-1].get_xydata()), [[0, 0.3], [1, 0.4]])
    assert len(upper.lines) == 3


def test_pictures_of_clips_and_poses() -> None:
    pose: list[list[float | None]] = [[0.1 * joint, 0.2] for joint in range(15)]
    pair: Pair = {
        "level": "low", "score": 12.34, "above": 0.5, "clips": ["a", "b"], "actions": ["$x", "run"],
        "times": [0.1, 0.9], "poses": [pose, [[None, None], *pose[1:]]],
    }  # fmt: skip
    for picture in (
        pair_png(pair),
        scatter_png([1, 2], [2, 1], ("a", "b"), True),
        scatter_png([], [], ("a", "b"), True),
    ):
        assert picture.startswith(b"\x89PNG")
    assert pair_png(pair) == pair_png(pair)
