"""Poses of the 15 joints on matplotlib axes, and the picture that names the joints and numbers the bones."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poses.skeleton import BONES, JOINTS

# Okabe and Ito's vermillion and blue, and grey: told apart with every kind of colour blindness, and by lightness
SIDE_COLOURS: Final = {"right": "#D55E00", "left": "#0072B2", "middle": "#4D4D4D"}
INK: Final = "#222222"

# a standing person seen from the front, y downwards, in tenths of the height
_STANDING: Final = {
    "right_ankle": (-1.05, 4.3),
    "right_knee": (-0.95, 2.45),
    "right_hip": (-0.75, 0.35),
    "pelvis": (0.0, 0.2),
    "left_hip": (0.75, 0.35),
    "left_knee": (0.95, 2.45),
    "left_ankle": (1.05, 4.3),
    "right_wrist": (-3.05, -0.25),
    "right_elbow": (-2.15, -1.4),
    "right_shoulder": (-1.15, -2.6),
    "neck": (0.0, -2.8),
    "left_shoulder": (1.15, -2.6),
    "left_elbow": (2.15, -1.4),
    "left_wrist": (3.05, -0.25),
    "head": (0.0, -4.1),
}


def side(joint: str) -> str:
    """The side of the body that a joint is on: "right", "left" or "middle"."""
    return joint.split("_")[0] if joint.startswith(("right_", "left_")) else "middle"


def bone_side(bone: tuple[int, int]) -> str:
    """The side of the body that a bone is on; bones between the middle and a side belong to the side."""
    sides = {side(JOINTS[joint]) for joint in bone} - {"middle"}
    return sides.pop() if sides else "middle"


def draw_pose(
    axes: Axes,
    xy: npt.ArrayLike,
    *,
    colours: dict[str, str] | None = None,
    line_width: float = 2.5,
    joint_size: float = 5.0,
    **style: Any,
) -> None:
    """Draws one pose; the axes get equal aspect and a y axis that grows downwards.

    A missing joint is not drawn, nor are its bones.

    Args:
        axes: Where to draw; more poses may follow on the same axes.
        xy: [15, 2] in any unit, NaN where there is no joint.
        colours: Colours of the sides "right", "left" and "middle"; `SIDE_COLOURS` where absent.
        line_width: Width of the bones in points.
        joint_size: Diameter of the joints in points.
        style: Passed on to `Axes.plot` for bones and joints alike, such as alpha or zorder.

    Raises:
        ValueError: xy has another shape.
    """
    points = np.asarray(xy, dtype=np.float64)
    if points.shape != (len(JOINTS), 2):
        raise ValueError(f"xy must have shape [{len(JOINTS)}, 2], not {list(points.shape)}")
    drawn = np.isfinite(points).all(axis=1)
    colours = SIDE_COLOURS | (colours or {})

    for bone in BONES:
        if drawn[list(bone)].all():
            axes.plot(
                *points[list(bone)].T,
                color=colours[bone_side(bone)],
                linewidth=line_width,
                solid_capstyle="round",
                **style,
            )
    for joint in np.flatnonzero(drawn):
        colour = colours[side(JOINTS[joint])]
        axes.plot(*points[joint], "o", markersize=joint_size, color=colour, **style)
    axes.set_aspect("equal")
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


def skeleton_figure() -> Figure:
    """The 15 joints, numbered and named, on one body and the 14 bones, numbered in the paper's order, on another."""
    figure = Figure(figsize=(7.6, 5.0), dpi=100, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.45, 1))
    points = np.array([_STANDING[joint] for joint in JOINTS])

    draw_pose(left, points, joint_size=13)
    left.set_title("15 joints", color=INK)
    left.set_xlim(-5.1, 5.1)
    for number, (joint, (x, y)) in enumerate(zip(JOINTS, points, strict=True)):
        left.text(x, y, str(number), color="white", fontsize=8, fontweight="bold", ha="center", va="center_baseline")
        outward = -1 if side(joint) == "right" else 1
        if joint == "pelvis":
            place, align, base = (x, y + 0.38), "center", "top"
        elif joint == "neck":
            place, align, base = (x + 0.3, y - 0.32), "left", "bottom"
        else:
            place, align, base = (x + 0.42 * outward, y), "right" if outward < 0 else "left", "center"
        left.text(*place, joint.replace("_", " "), color=INK, fontsize=9.5, ha=align, va=base)

    draw_pose(right, points)
    right.set_title("14 bones", color=INK)
    right.set_xlim(-3.5, 3.5)
    for number, bone in enumerate(BONES):
        x, y = points[list(bone)].mean(axis=0)
        box = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": SIDE_COLOURS[bone_side(bone)]}
        right.text(x, y, str(number), color=INK, fontsize=8, ha="center", va="center_baseline", bbox=box)

    for axes in (left, right):
        axes.set_ylim(4.7, -4.6)
        axes.set_axis_off()
    for name, colour in SIDE_COLOURS.items():
        left.plot([], [], "o-", color=colour, linewidth=2.5, label=name if name == "middle" else f"the person's {name}")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9.5, labelcolor=INK)
    return figure
