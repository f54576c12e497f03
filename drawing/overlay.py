"""Skeletons and boxes on photographs and video frames; images are uint8 [H, W, 3], RGB."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
import numpy.typing as npt
import supervision
from PIL import Image as Pillow
from PIL import ImageColor, ImageDraw, ImageFont

from drawing.stick_figures import SIDE_COLOURS, bone_side, side
from poses.skeleton import BONES, JOINTS

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]

HALO: Final = "#FFFFFF"
"""Round bones and joints, so that they stand out from any background."""
FAR: Final = 1 << 20
"""Pixels; OpenCV draws nothing sensible beyond."""


def draw_skeleton(
    image: Image, xy: Floats, *, bone_colours: Sequence[str] | None = None, thickness: int | None = None
) -> Image:
    """The image with one person's skeleton on it, a copy; joints that are missing are left out, and their bones.

    Args:
        image: uint8 [H, W, 3].
        xy: [15, 2] pixels, NaN where missing; may lie outside the image.
        bone_colours: 14 colours, "#rrggbb", in the order of `poses.skeleton.BONES`; the colours of the sides if
            None.
        thickness: of the bones in pixels; None takes what suits the person's size.

    Raises:
        ValueError: other shapes.
    """
    points = np.asarray(xy, np.float64)
    if points.shape != (len(JOINTS), 2):
        raise ValueError(f"xy must have shape [{len(JOINTS)}, 2], not {list(points.shape)}")
    colours = [SIDE_COLOURS[bone_side(bone)] for bone in BONES] if bone_colours is None else list(bone_colours)
    if len(colours) != len(BONES):
        raise ValueError(f"there are {len(BONES)} bones, not {len(colours)}")
    drawn = image.copy()
    seen = np.isfinite(points).all(axis=1)
    if not seen.any():
        return drawn
    if thickness is None:
        extent = min(float(np.ptp(points[seen], axis=0).max()), *image.shape[:2])
        thickness = max(2, round(extent / 70))
    points = np.where(seen[:, None], points, 0).round().clip(-FAR, FAR)
    points[(points == 0).all(axis=1)] = (1, 0)  # supervision takes (0, 0) for a missing joint
    joints = [SIDE_COLOURS[side(joint)] if bone_colours is None else "#222222" for joint in JOINTS]
    radius = max(2, round(0.9 * thickness))
    halo = max(1, thickness // 3)
    drawn = _bones(drawn, points, seen, [HALO] * len(BONES), thickness + 2 * halo)
    drawn = _joints(drawn, points, seen, [HALO] * len(JOINTS), radius + halo)
    drawn = _bones(drawn, points, seen, colours, thickness)
    return _joints(drawn, points, seen, joints, radius)


def draw_box(image: Image, box: Floats, text: str, colour: str, *, text_size: int | None = None) -> Image:
    """The image with a box and its label on it, a copy.

    Args:
        image: uint8 [H, W, 3].
        box: [4], left, top, right, bottom in pixels; may reach out of the image.
        text: above the box, or in its upper left corner where there is no room, on a ground of the box's colour; ""
            for a thinner box without.
        colour: "#rrggbb".
        text_size: pixels; None takes what suits the image's size.
    """
    height, width = image.shape[:2]
    if text_size is None:
        text_size = max(12, round(max(height, width) / 50))
    thickness = max(1, text_size // (8 if text else 12))
    margin = thickness // 2
    # a side outside the image is drawn along its edge, to be seen
    corners = np.clip(np.asarray(box, np.float64), margin, np.array([width, height] * 2) - 1 - margin)
    detections = supervision.Detections(xyxy=corners[None])
    annotator = supervision.BoxAnnotator(color=_colour(colour), thickness=thickness)
    drawn: Image = annotator.annotate(image.copy(), detections, custom_color_lookup=np.zeros(1, int))
    if text:
        left, top = corners[:2].round().astype(int).tolist()
        above = top - margin - line_height(text_size)
        place = (left - margin, above if above >= 0 else top - margin)
        drawn = draw_text(drawn, place, text, text_size, ink_on(colour), colour)
    return drawn


def draw_text(
    image: Image, place: tuple[int, int], text: str, size: int, colour: str, ground: str | None = None
) -> Image:
    """The image with a line of text on it, a copy; `place` is the upper left corner, moved to keep the text inside.

    Args:
        image: uint8 [H, W, 3].
        place: x and y in pixels.
        text: any Unicode that DejaVu Sans has.
        size: of the letters in pixels.
        colour: "#rrggbb".
        ground: colour of a rectangle under the text; None for none.
    """
    pad = size // 4 if ground is not None else 0
    width, height = text_width(text, size) + 2 * pad, line_height(size)
    left = max(0, min(place[0], image.shape[1] - width))
    top = max(0, min(place[1], image.shape[0] - height))
    drawn = image.copy()
    part = drawn[top : top + height, left : left + width]
    canvas = Pillow.fromarray(part)
    draw = ImageDraw.Draw(canvas)
    if ground is not None:
        draw.rectangle((0, 0, width - 1, height - 1), fill=ground)
    draw.text((pad, height / 2), text, font=font(size), fill=colour, anchor="lm")
    part[:] = np.asarray(canvas)
    return drawn


def text_width(text: str, size: int) -> int:
    """Width of a line of text in pixels."""
    return round(font(size).getlength(text))


def line_height(size: int) -> int:
    """Height of a line of text in pixels."""
    return round(1.25 * size)


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: OpenCV's own letters are ASCII."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#FFFFFF"


def _bones(
    image: Image, points: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_], colours: Sequence[str], thickness: int
) -> Image:
    key_points = supervision.KeyPoints(xy=points[None].astype(np.float32), visible=seen[None])
    for colour in dict.fromkeys(colours):
        edges = [(a + 1, b + 1) for (a, b), own in zip(BONES, colours, strict=True) if own == colour]
        image = supervision.EdgeAnnotator(_colour(colour), thickness, edges).annotate(image, key_points)
    return image


def _joints(
    image: Image, points: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_], colours: Sequence[str], radius: int
) -> Image:
    for colour in dict.fromkeys(colours):
        own = points[seen & np.array([one == colour for one in colours])]
        key_points = supervision.KeyPoints(xy=own[None].astype(np.float32))
        image = supervision.VertexAnnotator(_colour(colour), radius).annotate(image, key_points)
    return image


def _colour(colour: str) -> supervision.Color:
    """A colour that supervision, which draws BGR, draws right on an RGB image."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return supervision.Color(r=blue, g=green, b=red)
