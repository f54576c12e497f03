"""Figures as files and as pixels, and words that fit into them."""

import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from errors import InputError
from files import write_atomically

GLYPHS = "Glyph .* missing from font"
"""The warning of a script that the font lacks, in which something may be named: the box in the picture says it too."""


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as the suffix of `path` says (.png, .svg or .pdf), whole or not at all.

    The same figure gives the same bytes.

    Raises:
        InputError: Another suffix, or a folder that cannot be written to.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise InputError(f"{path}: a picture's name must end in .png, .svg or .pdf")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path.parent}: {error.strerror}; choose another place") from None
    drawn = rendered(figure, kind, {"svg.hashsalt": path.name}, metadata=dates)
    try:
        write_atomically(path, drawn)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another place") from None


def rendered(figure: Figure, kind: str, settings: Any = None, **options: Any) -> bytes:
    """The bytes of a figure's file.

    Args:
        figure: what to draw.
        kind: "png", "svg" or "pdf".
        settings: of matplotlib, by the names of its `rcParams`.
        options: of `Figure.savefig`.
    """
    drawn = io.BytesIO()
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=GLYPHS)
        figure.savefig(drawn, format=kind, **options)
    return drawn.getvalue()


def pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    """The figure as [H, W, 3], at its own resolution."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=GLYPHS)
        canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def shorten(name: str, width: int) -> str:
    """A name of at most `width` letters: cut between words where there are any."""
    if len(name) <= width:
        return name
    return textwrap.shorten(name, width, placeholder="…") if " " in name[:width] else f"{name[: width - 1]}…"


def shorten_middle(name: str, width: int = 34) -> str:
    """A name of at most `width` letters, without its middle: names of files and clips differ at the end."""
    kept = width - 1
    return name if len(name) <= width else f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"
