"""The motions of the synthetic performers, as key poses in joint angles."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Degrees; height and forward in metres. Neutral is upright, arms hanging, facing +x; +y is the body's left, +z up.
# pitch turns the whole body forward; lean, side (to the right), twist bend the trunk, nod the head; hip and arm swing a
# limb forward, spread and lift move it sideways, turn rolls the upper arm outward; knee and elbow bend.
CENTRE = ("pitch", "height", "forward", "lean", "side", "twist", "nod")
LIMBS = ("hip", "spread", "knee", "arm", "lift", "turn", "elbow")
CHANNELS = (*CENTRE, *(f"right_{name}" for name in LIMBS), *(f"left_{name}" for name in LIMBS))

RIGHT = slice(len(CENTRE), len(CENTRE) + len(LIMBS))
LEFT = slice(len(CENTRE) + len(LIMBS), len(CHANNELS))


def channels(pattern: str) -> list[int]:
    """Indices of the channels whose whole name matches a regular expression."""
    return [index for index, name in enumerate(CHANNELS) if re.fullmatch(pattern, name)]


def pose(base: Floats | None = None, /, **angles: float) -> Floats:
    """A key pose: `hip=90` bends both hips, `left_hip=90` one; what is not named is as in `base`, else neutral."""
    result = np.zeros(len(CHANNELS)) if base is None else base.copy()
    for name, value in angles.items():
        named = channels(rf"(left_|right_)?{name}")
        if not named:
            raise ValueError(f"no joint angle is called {name!r}")
        result[named] = value
    return result


@dataclass(frozen=True)
class Action:
    """A motion as key poses at relative times, with the range of its scores and the side it is filmed from.

    Attributes:
        score_range: lowest and highest score.
        azimuth: degrees from the front, towards the performer's left, around which the camera stands.
        keys: (relative time in [0, 1], pose [21]), first at 0 and last at 1.
        phases: indices of the keys at which the second and later phases begin.
        support: the ankle or ankles that stay in place; None for a body in the air, whose pelvis follows the keys.
        performers: persons in the clip.
    """

    name: str
    score_range: tuple[float, float]
    azimuth: float
    keys: tuple[tuple[float, Floats], ...]
    phases: tuple[int, ...]
    support: tuple[str, ...] | None = ("right_ankle", "left_ankle")
    performers: int = 1


def _squat() -> Action:
    stand = pose(spread=8, arm=10, elbow=15)
    reach = pose(stand, arm=75, elbow=5)
    deep = pose(pitch=28, hip=118, spread=22, knee=118, arm=112, elbow=5, lean=8, nod=-20)
    keys = ((0.0, stand), (0.15, reach), (0.45, deep), (0.6, deep), (0.9, reach), (1.0, stand))
    return Action("squat", (10.0, 50.0), 50.0, keys, (2, 3))


def _star_jump() -> Action:
    stand = pose(spread=3, lift=8, elbow=10)
    crouch = pose(pitch=20, hip=75, spread=6, knee=85, arm=-35, elbow=15, lean=10)
    star = pose(height=0.35, spread=38, lift=140)
    land = pose(pitch=15, hip=55, spread=8, knee=65, arm=35, elbow=25, lean=8, lift=25)
    keys = ((0.0, stand), (0.25, crouch), (0.5, star), (0.58, star), (0.8, land), (1.0, stand))
    return Action("star_jump", (12.0, 17.0), 30.0, keys, (1, 2, 4))


def _lunge() -> Action:
    stand = pose(spread=3, arm=5, elbow=10)
    step = pose(stand, left_hip=60, left_knee=70, right_hip=-5, arm=70, elbow=15)
    lunge = pose(left_hip=95, left_knee=95, right_hip=-25, right_knee=60, arm=176, nod=-8)
    keys = ((0.0, stand), (0.25, step), (0.5, lunge), (0.7, lunge), (0.88, step), (1.0, stand))
    return Action("lunge", (8.0, 50.0), 70.0, keys, (2, 3), support=("right_ankle",))


def _side_kick() -> Action:
    guard = pose(spread=9, knee=12, hip=10, arm=35, elbow=115, lift=15)
    chamber = pose(guard, left_hip=75, left_spread=35, left_knee=115, side=10, right_hip=3, right_knee=4)
    kick = pose(guard, left_hip=12, left_spread=92, left_knee=0, side=32, right_hip=0, right_knee=3, right_spread=12)
    keys = ((0.0, guard), (0.3, chamber), (0.5, kick), (0.6, kick), (0.78, chamber), (1.0, guard))
    return Action("side_kick", (0.0, 10.0), 35.0, keys, (1, 2, 4), support=("right_ankle",))


def _dive(name: str, score_range: tuple[float, float], turned: float, folded: Floats, performers: int) -> Action:
    stand = pose(arm=172)
    crouch = pose(pitch=12, hip=58, knee=68, arm=-40, lean=12, height=-0.13)
    off = pose(pitch=18, arm=168, height=0.35, forward=0.25)
    first = pose(folded, pitch=110.0, height=0.85, forward=0.6)
    last = pose(folded, pitch=turned - 150.0, height=0.35, forward=1.0)
    entry = pose(pitch=turned - 12, arm=178, height=-1.3, forward=1.35)
    opened = pose(entry, pitch=turned - 60, height=-0.5, forward=1.2, hip=12)
    keys = ((0.0, stand), (0.17, crouch), (0.32, off), (0.46, first), (0.68, last), (0.85, opened), (1.0, entry))
    return Action(name, score_range, 90.0, keys, (2, 3, 5), support=None, performers=performers)


ACTIONS: tuple[Action, ...] = (
    _squat(),
    _star_jump(),
    _lunge(),
    _side_kick(),
    _dive("tuck_dive", (20.0, 105.0), 540.0, pose(hip=122, knee=128, arm=62, elbow=62, lean=35, nod=25), 1),
    _dive("sync_pike_dive", (45.0, 100.0), 540.0, pose(hip=125, knee=0, arm=80, elbow=12, lean=25, nod=15), 2),
)
