"""A figure as pixels, for what takes pictures from memory."""

import warnings

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    """The figure as [H, W, 3], at its own resolution."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # as where figures are saved: a script that the font lacks is a box in the picture, which says so well enough
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
