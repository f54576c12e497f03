"""Boxes of the people in park.mp4, measured by eye in every tenth frame and interpolated between."""

import numpy as np

from extraction.types import Floats, People

SIZE = (1768, 994)
FRAMES = 230
# frame: left, top, right, bottom. Somebody warms up on a roof, somersaults off it at frame 165, lands and runs behind
# a tree; somebody walks by from right to left; an arm and a shoulder of a third come in at the left edge.
JUMPER = {
    0: (597, 77, 709, 455),
    10: (492, 74, 802, 458),
    20: (517, 12, 727, 455),
    30: (472, 38, 772, 455),
    40: (591, 89, 712, 455),
    50: (470, 38, 830, 440),
    60: (526, 44, 721, 455),
    70: (461, 44, 798, 450),
    80: (579, 100, 697, 455),
    90: (576, 62, 691, 452),
    100: (603, 80, 697, 455),
    110: (620, 100, 780, 455),
    120: (629, 90, 774, 458),
    130: (709, 92, 803, 458),
    140: (730, 86, 880, 458),
    150: (738, 77, 862, 458),
    160: (733, 165, 898, 464),
    170: (792, 160, 965, 340),
    180: (886, 242, 1087, 414),
    190: (1004, 508, 1135, 898),
    200: (1058, 735, 1261, 898),
    210: (1108, 623, 1409, 886),
    220: (1341, 549, 1539, 898),
}
WALKER = {
    40: (1468, 558, 1590, 939),
    50: (1453, 541, 1548, 939),
    60: (1315, 546, 1500, 939),
    70: (1276, 528, 1385, 915),
    80: (1105, 529, 1344, 928),
    90: (1078, 514, 1182, 910),
    100: (916, 526, 1146, 928),
    110: (854, 508, 993, 918),
    120: (721, 517, 945, 928),
    130: (641, 505, 803, 925),
    140: (505, 508, 727, 928),
    150: (387, 502, 609, 930),
    160: (343, 511, 514, 945),
    170: (171, 520, 440, 933),
    180: (133, 517, 266, 939),
    190: (6, 523, 207, 939),
}
THIRD = {196: (0, 520, 30, 898), 200: (0, 520, 50, 898), 210: (0, 691, 60, 745)}
PEOPLE = (JUMPER, WALKER, THIRD)


def boxes_of(person: dict[int, tuple[int, int, int, int]]) -> dict[int, Floats]:
    """By frame, [4]."""
    measured = np.array(list(person.values()), np.float64)
    frames = range(min(person), max(person) + 1)
    sides = [np.interp(list(frames), list(person), side) for side in measured.T]
    return dict(zip(frames, np.stack(sides, axis=1).astype(np.float32), strict=True))


def people() -> list[tuple[People, list[int]]]:
    """Per frame who is there, and which of `PEOPLE` each is."""
    boxes = [boxes_of(person) for person in PEOPLE]
    found = []
    for frame in range(FRAMES):
        there = [i for i, person in enumerate(boxes) if frame in person]
        rows = np.array([boxes[i][frame] for i in there], np.float32).reshape(-1, 4)
        found.append((People(rows, np.ones(len(rows), np.float32)), there))
    return found
