"""Figures of a report that show single clips or poses: PNG, so that the dataset cannot be read out of them."""

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from drawing.attention import attention_figure
from drawing.pictures import rendered, shorten
from drawing.stick_figures import INK, draw_pose
from reports.charts import COLOURS, WIDTH, no_formulas
from run_folder.results import Pair

_DPI: Final = 200
_SHADES: Final = 64  # colours of a picture: enough for a few and their edges, in a quarter of the bytes


def scatter_png(true: npt.ArrayLike, predicted: npt.ArrayLike, labels: tuple[str, str], same_scale: bool) -> bytes:
    """Predictions against true scores, a dot a clip; with `same_scale` the line of perfect predictions too."""
    figure, axes = _figure(3.2)
    x, y = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    if same_scale and len(x):
        ends = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot(ends, ends, color="#B0B0B0", linewidth=1.2, zorder=1)
    size = 24 if len(x) <= 80 else 12
    axes.scatter(x, y, s=size, color=COLOURS[0], alpha=0.6, edgecolors="white", linewidths=0.3, zorder=2)
    axes.set_xlabel(labels[0], fontsize=9, color=INK)
    axes.set_ylabel(labels[1], fontsize=9, color=INK)
    axes.locator_params(nbins=5)
    return _png(figure)


def pair_png(pair: Pair) -> bytes:
    """Two poses side by side, with their score; `pair` as in test/pairs.json."""
    figure, axes = _figure(2.5)
    axes.set_axis_off()
    text: dict[str, Any] = {"ha": "center", "va": "top", "color": INK}
    for place, (pose, action, time) in enumerate(zip(pair["poses"], pair["actions"], pair["times"], strict=True)):
        left = 1.5 * place
        xy = np.array([[np.nan if value is None else value for value in joint] for joint in pose], dtype=np.float64)
        draw_pose(axes, xy + np.array([left, 0]), line_width=2.4, joint_size=4.5)
        said = f"{shorten(action, 24)}\nat {100 * time:.0f} % of the clip"
        axes.text(left + 0.5, 1.08, said, fontsize=9, **text)
    axes.text(1.25, -0.3, f"score {pair['score']:.1f}", fontsize=11, fontweight="bold", **text)
    axes.set(xlim=(-0.25, 2.75), ylim=(1.5, -0.32))
    return _png(figure)


def attention_png(attention: npt.NDArray[np.floating[Any]], title: str) -> bytes:
    """See `drawing.attention.attention_figure`."""
    return _png(attention_figure(attention, title), shades=256)  # a scale of blues, and orange dots in it


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), dpi=_DPI, facecolor="white", layout="constrained")
    return figure, figure.subplots()


def _png(figure: Figure, shades: int = _SHADES) -> bytes:
    no_formulas(figure)
    file = io.BytesIO(rendered(figure, "png", metadata={"Software": None}))
    small = io.BytesIO()
    Image.open(file).convert("RGB").quantize(shades).save(small, format="png", optimize=True)
    return small.getvalue()
