"""Where a model looks for the parts of a clip: its attention over the clip's time."""

import textwrap
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawing.stick_figures import INK

MOST_CLIPS: Final = 1000
"""Clips whose centres are shown, evenly picked."""

_DOT: Final = "#0072B2"
_CENTRE: Final = "#D55E00"
_MEDIAN: Final[Any] = {
    "marker": "D", "markersize": 5, "color": _CENTRE, "markeredgecolor": "white", "linestyle": "none", "zorder": 3,
}  # fmt: skip


def attention_centres(attention: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Mean relative time [...] of attention maps [..., W], in percent: window w is at (w + 1/2) / W of the clip."""
    windows = attention.shape[-1]
    centres: npt.NDArray[np.float64] = attention.astype(np.float64) @ (100 * (np.arange(windows) + 0.5) / windows)
    return centres


def attention_figure(attention: npt.NDArray[np.floating[Any]], title: str) -> Figure:
    """A column a layer, the last one the widest: mean attention above, and below where each clip's attention lies.

    Args:
        attention: [n, layers, K, W], which sums to one over the windows.
        title: what the clips are, and of which model.

    Raises:
        ValueError: another shape, or nothing in it.
    """
    if attention.ndim != 4 or not attention.size:
        raise ValueError(f"attention must have shape [n, layers, K, W] without a 0, not {list(attention.shape)}")
    clips, layers, parts, _ = attention.shape
    share = 100 * attention.mean(0, dtype=np.float64)  # [layers, K, W]
    centres = attention_centres(attention)
    size = (7.2 + 3.4 * (layers - 1), min(3.0 + 0.75 * parts, 16))
    figure = Figure(figsize=size, dpi=110, facecolor="white", layout="constrained")
    figure.suptitle(textwrap.fill(title, int(10 * size[0])), fontsize=12.5, color=INK)
    columns = [1.0] * (layers - 1) + [1.8]
    upper, lower = figure.subplots(2, layers, sharex=True, sharey=True, squeeze=False, width_ratios=columns)
    for layer in range(layers):
        shown = _draw_map(upper[layer], share[layer], centres[:, layer], float(share.max()))
        _draw_centres(lower[layer], centres[:, layer])
        which = f", layer {layer + 1} of {layers}" if layers > 1 else ""
        upper[layer].set_title(f"mean attention{which}", fontsize=10.5, color=INK)
        lower[layer].set_title(f"centres, {'one clip' if clips == 1 else f'{clips} clips'}", fontsize=10.5, color=INK)
        lower[layer].set_xlabel("time in the clip (%)", fontsize=9.5, color=INK)
    for axes in (upper[0], lower[0]):
        axes.set(xlim=(0, 100), ylim=(parts + 0.5, 0.5), yticks=np.arange(parts) + 1)
        axes.set_ylabel("part", fontsize=9.5, color=INK)
    for axes in (*upper, *lower):
        axes.tick_params(labelsize=8.5, colors=INK)
    bar = figure.colorbar(shown, ax=upper[-1], pad=0.015)
    bar.ax.tick_params(labelsize=8.5, colors=INK)
    bar.set_label("% in a window", fontsize=9.5, color=INK)
    handles = lower[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9.5, labelcolor=INK)
    return figure


def _draw_map(axes: Axes, share: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], most: float) -> Any:
    parts, windows = share.shape
    edges = np.linspace(0, 100, windows + 1)
    shown = axes.pcolormesh(edges, np.arange(parts + 1) + 0.5, share, cmap="Blues", vmin=0, vmax=most)
    axes.plot(np.median(centres, 0), np.arange(parts) + 1, **_MEDIAN)
    return shown


def _draw_centres(axes: Axes, centres: npt.NDArray[np.float64]) -> None:
    """A row a part: a dot a clip, spread in height so that they can be told apart, and their quartiles."""
    clips, parts = centres.shape
    own = np.linspace(0, clips - 1, min(clips, MOST_CLIPS)).round().astype(int)
    height = 0.5 * ((np.arange(len(own)) * 0.6180339887 + 0.5) % 1 - 0.5)  # even, and the same in every picture
    rows = np.arange(parts) + 1
    axes.plot(
        centres[own].ravel(), (rows + height[:, None]).ravel(), "o", markersize=2.5, markeredgewidth=0, color=_DOT,
        alpha=max(0.25, min(1.0, 20 / len(own))),
    )  # fmt: skip
    low, median, high = np.quantile(centres, (0.25, 0.5, 0.75), axis=0)
    axes.hlines(rows, low, high, color=_CENTRE, linewidth=2.5, zorder=2.5, label="middle half of the clips")
    axes.plot(median, rows, **_MEDIAN, label="median centre")
    axes.plot([], [], "o", markersize=4, markeredgewidth=0, color=_DOT, label="centre of a clip's attention")
    axes.spines[["top", "right"]].set_visible(False)
