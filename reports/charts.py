"""Figures of a report that are drawn as SVG: numbers of runs, never those of single clips. About 4 inches wide.

Text and axes take the colour of the page they stand on (`INK` becomes `currentColor`), so that they can be read on
light and on dark pages; the other colours are told apart on both, and by markers and line styles where there are
several.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from drawing.pictures import rendered, shorten

INK: Final = "#010203"
"""Stands for the colour of the page's text until the SVG is written."""

COLOURS: Final = ("#0072B2", "#D55E00", "#008F68", "#B5609B", "#7A7A7A", "#A0762A")
"""After Okabe and Ito, darkened or lightened to a contrast of 3 : 1 with white and with a dark page."""

WIDTH: Final = 4.0
_STYLES: Final = ("-", "--", "-.", ":")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_RC: Final[Any] = {"svg.fonttype": "none", "text.parse_math": False, "font.size": 9}


@dataclass(frozen=True)
class Bar:
    """A rho with its interval.

    Attributes:
        name: what it is of.
        rho: None where undefined.
        ends: of the interval.
        kind: "measured", "trivial", "published" or "human".
    """

    name: str
    rho: float | None
    ends: tuple[float, float] | None
    kind: str


def svg(figure: Figure, name: str) -> str:
    """A figure as text of an SVG whose ids start with `name`; the same figure gives the same text.

    Text stays text. It has a viewBox and no size of its own, no background, and `currentColor` for `INK`.
    """
    no_formulas(figure)
    options = {"transparent": True, "metadata": {"Date": None, "Creator": None}}
    text = rendered(figure, "svg", {**_RC, "svg.hashsalt": name}, **options).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    text = f'<svg viewBox="{box[1]}" xmlns="http://www.w3.org/2000/svg">{text[text.index(">") + 1 :]}'
    text = text.replace("xlink:href", "href").replace(INK, "currentColor")
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)


def interval_figure(bars: Sequence[Bar], what: str) -> Figure:
    """Rhos with their intervals, one below the other; `what` is said below the axis."""
    figure, axes = _figure(0.9 + 0.37 * len(bars))
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    values = [value for bar in bars for value in (bar.rho, *(bar.ends or ())) if value is not None]
    low = min([0.0, *values])
    axes.set(xlim=(low - 0.03, max([1.0, *values]) + 0.02), ylim=(len(bars) - 0.35, -0.75))
    colours = {"measured": COLOURS[0], "trivial": COLOURS[4], "published": COLOURS[1], "human": COLOURS[3]}
    for place, bar in enumerate(bars):
        colour = colours[bar.kind]
        across = axes.get_yaxis_transform()
        weight = "bold" if bar.kind == "measured" else "normal"
        text: dict[str, Any] = {"transform": across, "va": "bottom", "fontsize": 9, "color": INK, "fontweight": weight}
        axes.text(0, place - 0.12, shorten(bar.name, 44), ha="left", **text)
        axes.text(1, place - 0.12, "-" if bar.rho is None else f"{bar.rho:.2f}", ha="right", **text)
        # pieces of the line at 0, beside the names and not through them
        axes.plot((0, 0), (place - 0.02, place + 0.22), color=INK, alpha=0.5, linewidth=1)
        if bar.ends and bar.rho is not None:
            axes.plot(bar.ends, (place + 0.1,) * 2, color=colour, linewidth=2)
        if bar.rho is not None:
            marker = "o" if bar.kind == "measured" else "s" if bar.kind == "trivial" else "D"
            axes.plot(bar.rho, place + 0.1, marker, color=colour, markersize=5.5)
    axes.set_xlabel(what, fontsize=9, color=INK)
    return figure


def learning_figure(runs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]]) -> Figure:
    """Loss above and rho on the validation part below, by epoch: all runs thin, their mean thick."""
    figure, (upper, lower) = _figures(2, 3.6)
    for axes, own, name, colour in (
        (upper, [loss for loss, _ in runs], "training loss", COLOURS[1]),
        (lower, [rho for _, rho in runs], "validation rho", COLOURS[0]),
    ):
        for values in own:
            epochs = sorted(values)
            axes.plot(epochs, [values[epoch] for epoch in epochs], color=colour, linewidth=0.9, alpha=0.65)
        everything = sorted({epoch for values in own for epoch in values})
        means = [float(np.mean([values[epoch] for values in own if epoch in values])) for epoch in everything]
        axes.plot(everything, means, color=colour, linewidth=2.2, marker="o" if len(everything) < 8 else "")
        axes.set_ylabel(name, fontsize=9, color=INK)
        axes.locator_params(nbins=5)
    lower.set_xlabel("epoch", fontsize=9, color=INK)
    lower.locator_params(axis="x", integer=True)
    upper.sharex(lower)
    upper.tick_params(labelbottom=False)
    return figure


def value_figure(name: str, dots: Mapping[str, Sequence[tuple[float, float]]], log: bool) -> Figure:
    """Rho against the value of an option, a series a part: every seed a dot, means joined by a line.

    Args:
        name: of the option.
        dots: (value, rho) of every seed, by what the series is called.
        log: whether the values' axis is logarithmic.
    """
    figure, axes = _figure(3.1)
    for place, (series, points) in enumerate(dots.items()):
        colour, marker = COLOURS[place], _MARKERS[place]
        axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=4.5, alpha=0.6)
        by_value: dict[float, list[float]] = {}
        for value, rho in points:
            by_value.setdefault(value, []).append(rho)
        values = sorted(by_value)
        means = [float(np.mean(by_value[value])) for value in values]
        axes.plot(values, means, _STYLES[place], color=colour, linewidth=2, marker=marker, markersize=4.5, label=series)
    _scale(axes, "x", sorted({value for points in dots.values() for value, _ in points}), log)
    _name_axes(axes, name, "rho")
    _legend(figure, axes)
    return figure


def map_figure(names: tuple[str, str], points: Sequence[tuple[float, float, float]], logs: tuple[bool, bool]) -> Figure:
    """Rho over two options: a heat map where the values make a grid, else a dot a trial.

    Args:
        names: of the two options.
        points: (first value, second value, rho).
        logs: which of the axes is logarithmic, of dots.
    """
    figure, axes = _figure(3.1)
    cells: dict[tuple[float, float], list[float]] = {}
    for first, second, rho in points:
        cells.setdefault((first, second), []).append(rho)
    columns, rows = (sorted({cell[axis] for cell in cells}) for axis in (0, 1))
    if len(cells) * 2 > len(columns) * len(rows) and len(columns) <= 12:
        grid = np.full((len(rows), len(columns)), np.nan)
        for (first, second), rhos in cells.items():
            grid[rows.index(second), columns.index(first)] = np.mean(rhos)
        shown: Any = axes.pcolormesh(grid, cmap="cividis", edgecolors=INK, linewidth=0.3)
        middle = (float(np.nanmin(grid)) + float(np.nanmax(grid))) / 2
        for row, column in zip(*np.nonzero(np.isfinite(grid)), strict=True):
            value = float(grid[row, column])
            colour = "#000000" if value > middle else "#ffffff"
            text = f"{value:.2f}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9, color=colour)
        axes.set_xticks(np.arange(len(columns)) + 0.5, [f"{value:g}" for value in columns])
        axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{value:g}" for value in rows])
    else:
        x, y = ([cell[axis] for cell in cells] for axis in (0, 1))
        colours = [float(np.mean(rhos)) for rhos in cells.values()]
        shown = axes.scatter(x, y, c=colours, cmap="cividis", s=46, edgecolors=INK, linewidths=0.8)
        _scale(axes, "x", columns, logs[0])
        _scale(axes, "y", rows, logs[1])
    bar = figure.colorbar(shown, ax=axes)
    bar.ax.tick_params(labelsize=9, colors=INK)
    bar.outline.set_edgecolor(INK)
    bar.set_label("rho", fontsize=9, color=INK)
    _name_axes(axes, *names)
    return figure


def robustness_figure(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], unit: str) -> Figure:
    """Rho against the level of a perturbation, a line a variant."""
    figure, axes = _figure(3.0 + 0.18 * len(lines))
    for place, (name, (levels, rhos)) in enumerate(lines.items()):
        line, colour, marker = (kinds[place % len(kinds)] for kinds in (_STYLES, COLOURS, _MARKERS))
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "linewidth": 1.8}
        axes.plot(levels, rhos, line, label=shorten(name, 44), **look)
    axes.axhline(0, color=INK, alpha=0.35, linewidth=1)
    _name_axes(axes, unit, "rho")
    _legend(figure, axes)
    return figure


def no_formulas(figure: Figure) -> None:
    """Take dollar signs in names for what they are."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)


def wants_log(values: Sequence[float]) -> bool:
    """Whether values are spread over a factor of three or more, all above 0."""
    return min(values) > 0 and max(values) >= 3 * min(values)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure, (axes,) = _figures(1, height)
    return figure, axes


def _figures(count: int, height: float) -> tuple[Figure, list[Axes]]:
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        grid = list(figure.subplots(count, 1, squeeze=False).flat)
    for axes in grid:
        axes.patch.set_visible(False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.tick_params(labelsize=9, colors=INK, which="both")
    return figure, grid


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)


def _scale(axes: Axes, which: Literal["x", "y"], values: Sequence[float], log: bool) -> None:
    """Scale an axis and put ticks at a few values: at those that occur where their labels have room."""
    if log:
        axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    places = [math.log(value) for value in values] if log else list(values)
    chosen: list[int] = []
    for index, place in enumerate(places):
        if not chosen or place - places[chosen[-1]] >= (places[-1] - places[0]) / 5:
            chosen.append(index)
    axis.set_major_locator(FixedLocator([values[index] for index in chosen]))
    axis.set_major_formatter(FixedFormatter([f"{values[index]:.3g}" for index in chosen]))
    axis.set_minor_locator(NullLocator())


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", frameon=False, fontsize=9, labelcolor=INK)
