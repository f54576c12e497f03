"""Pictures of made-up people: a jointed mannequin in plain colours, recognisable to estimators trained on photographs.

A mannequin is drawn from its joints [15, 3]: x to the right and y down in pixels, and depth away from the camera on
the same scale. Limbs are tapered tubes with a dark edge, drawn from far to near; the face is turned as the shoulders
are, so that left and right can be told.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from poses.skeleton import JOINTS

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

WALL: Final[Colour] = (206, 212, 216)
FLOOR: Final[Colour] = (168, 156, 138)
SKIN: Final[Colour] = (219, 172, 143)
HAIR: Final[Colour] = (66, 44, 32)
SHOE: Final[Colour] = (42, 42, 46)
FINE: Final = 2
"""Pictures are drawn this many times as large and scaled down: smooth edges."""

# metres
_HIP, _KNEE, _ANKLE, _SHOULDER, _ELBOW, _WRIST, _HAND = 0.085, 0.062, 0.044, 0.062, 0.047, 0.034, 0.045
_EDGE = 0.012
_AT = {name: index for index, name in enumerate(JOINTS)}


@dataclass(frozen=True)
class Clothes:
    """What a mannequin wears."""

    shirt: Colour
    trousers: Colour


def room(size: tuple[int, int], floor: float) -> Image:
    """An empty room [H, W, 3].

    Args:
        size: width and height in pixels.
        floor: where wall and floor meet, in pixels from above.
    """
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = WALL
    image[round(floor) :] = FLOOR
    return image


def draw_mannequin(image: Image, joints: Floats, metre: float, clothes: Clothes) -> Image:
    """The image with a mannequin in it, a copy.

    Args:
        image: uint8 [H, W, 3], RGB.
        joints: [15, 3]; see the module.
        metre: pixels to a metre.
        clothes: colours.
    """
    height, width = image.shape[:2]
    fine = image.repeat(FINE, axis=0).repeat(FINE, axis=1)
    figure = _Figure(fine, joints * FINE, metre * FINE, clothes)
    figure.draw()
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


class _Figure:
    def __init__(self, image: Image, joints: Floats, metre: float, clothes: Clothes) -> None:
        self.image, self.joints, self.metre, self.clothes = image, joints, metre, clothes

    def draw(self) -> None:
        middle = self.joints[_AT["neck"], 2]
        # the far side of the body first; what lies before or behind the trunk as a whole is drawn so
        sides = sorted(("left", "right"), key=lambda side: -self.joints[_AT[f"{side}_hip"], 2])
        for side, shade in zip(sides, (0.8, 1.0), strict=True):
            self._leg(side, shade)
        arms = sorted(("left", "right"), key=lambda side: -self._arm_depth(side))
        for side in arms:
            if self._arm_depth(side) > middle:
                self._arm(side)
        self._trunk()
        self._head()
        for side in arms:
            if self._arm_depth(side) <= middle:
                self._arm(side)

    # Parts --------------------------------------------------------------------------------------------------------

    def _leg(self, side: str, shade: float) -> None:
        hip, knee, ankle = (self._joint(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        self._foot(knee, ankle)
        trousers = _darker(self.clothes.trousers, shade)
        self._limb(knee, ankle, _KNEE, _ANKLE, trousers)
        self._limb(hip, knee, _HIP, _KNEE, trousers)

    def _foot(self, knee: Floats, ankle: Floats) -> None:
        left = self._joint("left_hip") - self._joint("right_hip")
        shank = _unit(knee - ankle)
        lowest = max(float(self.joints[_AT[f"{side}_ankle"], 1]) for side in ("left", "right"))
        lifted = np.clip((lowest - ankle[1]) / (0.15 * self.metre), 0.0, 1.0)
        up = _unit(lifted * shank + (1 - lifted) * np.array([0.0, -1.0, 0.0]))  # flat on the ground
        forward = _unit(np.cross(left, up))
        sole = ankle - 0.045 * self.metre * up
        self._limb(sole - 0.05 * self.metre * forward, sole + 0.14 * self.metre * forward, 0.04, 0.032, SHOE)

    def _arm(self, side: str) -> None:
        shoulder, elbow, wrist = (self._joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        hand = wrist + 0.07 * self.metre * _unit(wrist - elbow)
        self._limb(wrist, hand, _WRIST, _HAND, SKIN)
        self._limb(elbow, wrist, _ELBOW, _WRIST, SKIN)
        self._limb(shoulder, elbow, _SHOULDER, _ELBOW, self.clothes.shirt)

    def _trunk(self) -> None:
        neck, pelvis = self._joint("neck"), self._joint("pelvis")
        shoulders = [self._joint(f"{side}_shoulder") for side in ("left", "right")]
        hips = [self._joint(f"{side}_hip") for side in ("left", "right")]
        self._shape([*((hip, 0.1) for hip in hips), (pelvis + 0.15 * (neck - pelvis), 0.11)], self.clothes.trousers)
        waist = [(hip + 0.2 * (neck - pelvis), 0.085) for hip in hips]
        chest = (pelvis + 0.72 * (neck - pelvis), 0.125)
        self._shape([*((one, 0.07) for one in shoulders), *waist, chest], self.clothes.shirt)

    def _head(self) -> None:
        neck, head = self._joint("neck"), self._joint("head")
        left = _unit(self._joint("left_shoulder") - self._joint("right_shoulder"))
        up = _unit(head - neck)
        forward = _unit(np.cross(left, up))
        left = np.cross(up, forward)
        unit = self.metre

        def at(ahead: float, aside: float, above: float) -> Floats:
            place: Floats = head + unit * (ahead * forward + aside * left + above * up)
            return place

        self._limb(neck - 0.02 * unit * up, at(-0.01, 0, -0.05), 0.056, 0.05, SKIN)
        hair = [(at(-0.025, 0, 0.045), 0.09), (at(-0.045, 0, -0.01), 0.075)]
        face = [(at(0.022, 0, 0.01), 0.078), (at(0.03, 0, -0.06), 0.052)]
        away = forward[2] > 0.25
        self._shape(face if away else hair, SKIN if away else HAIR)
        self._shape(hair if away else face, HAIR if away else SKIN)
        for aside in (0.085, -0.085):
            ear = at(-0.01, aside, -0.005)
            if ear[2] <= head[2] + 0.03 * unit:
                self._dot(ear, 0.021, _darker(SKIN))
        if away:
            return
        for aside in (0.034, -0.034):
            if (eye := at(0.088, aside, 0.012))[2] < head[2] + 0.01 * unit:
                self._dot(eye, 0.015, (250, 250, 250))
                self._dot(eye + 0.003 * unit * forward, 0.01, (40, 34, 30))
                self._limb(at(0.088, aside - 0.016, 0.036), at(0.088, aside + 0.016, 0.036), 0.004, 0.004, HAIR, 0.0)
        self._limb(at(0.094, 0, 0.008), at(0.112, 0, -0.022), 0.008, 0.015, _darker(SKIN), 0.0)
        self._limb(at(0.082, -0.022, -0.062), at(0.082, 0.022, -0.062), 0.007, 0.007, (170, 82, 78), 0.0)

    # Strokes ------------------------------------------------------------------------------------------------------

    def _joint(self, name: str) -> Floats:
        joint: Floats = self.joints[_AT[name]]
        return joint

    def _arm_depth(self, side: str) -> float:
        return float(np.mean([self._joint(f"{side}_{name}")[2] for name in ("shoulder", "elbow", "wrist")]))

    def _limb(self, start: Floats, end: Floats, thick: float, thin: float, colour: Colour, edge: float = _EDGE) -> None:
        self._shape([(start, thick), (end, thin)], colour, edge)

    def _shape(self, discs: list[tuple[Floats, float]], colour: Colour, edge: float = _EDGE) -> None:
        """The hull of discs, each a place and a radius in metres, with a darker edge."""
        turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        for margin, own in ((edge, _darker(colour)), (0.0, colour)):
            points = np.concatenate([place[:2] + (radius + margin) * self.metre * ring for place, radius in discs])
            hull = cv2.convexHull(points.astype(np.float32))
            cv2.fillConvexPoly(self.image, (hull * 16).round().astype(np.int32), own, cv2.LINE_AA, shift=4)

    def _dot(self, place: Floats, radius: float, colour: Colour) -> None:
        self._shape([(place, radius)], colour, 0.0)


def _unit(vector: Floats) -> Floats:
    result: Floats = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return result


def _darker(colour: Colour, shade: float = 0.72) -> Colour:
    red, green, blue = (round(shade * one) for one in colour)
    return red, green, blue
