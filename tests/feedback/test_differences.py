import pytest

from feedback.differences import finding, joint_names
from poses.skeleton import JOINTS

# Angles are clockwise as seen. Seen from the right a body faces the right of the picture: its knees bend clockwise,
# its arms and thighs go forward anticlockwise.
CASES = [
    (("left knee", 44, 10, "right", 0), "left knee: 34 degrees more bent"),
    (("left knee", 10, 44, "right", 0), "left knee: 34 degrees straighter"),
    (("right knee", -44, -10, "left", 0), "right knee: 34 degrees more bent"),
    (("left knee", 31, -3, "unclear", 0), "left knee: 34 degrees more bent"),
    (("left knee", 40, -40, "front", 0), "left knee: bent the other way in the picture, 80 degrees apart"),
    (("right elbow", -100, -80, "front", 0), "right elbow: 20 degrees more bent"),
    (("right arm", 110, 90, "front", 0), "right arm: raised 20 degrees higher"),
    (("left arm", -30, -90, "behind", 0), "left arm: held 60 degrees lower"),
    (("left arm", -20, 10, "right", 0), "left arm: 30 degrees further forward"),
    (("left arm", 20, -10, "left", 0), "left arm: 30 degrees further forward"),
    (("left arm", 20, -10, "right", 0), "left arm: 30 degrees further back"),
    # across the top: clockwise is to the right there
    (("left arm", -170, 170, "right", 0), "left arm: 20 degrees further forward"),
    (("left arm", -20, 10, "front", 0), "left arm: 30 degrees further to the left"),
    (("left arm", -20, 10, "behind", 0), "left arm: 30 degrees further to the right"),
    (("left arm", -20, 10, "unclear", 0), "left arm: 30 degrees further to the right of the picture"),
    (("left arm", -20, 10, "unclear", 170), "left arm: 30 degrees further to the left of the picture"),
    (("right hip", -90, -60, "right", 0), "right hip: 30 degrees more bent"),
    (("right hip", 60, 90, "left", 0), "right hip: 30 degrees straighter"),
    (("right hip", 30, 10, "right", 0), "right hip: thigh 20 degrees further back"),
    # seen from the front the left leg is on the right: it goes out anticlockwise
    (("left hip", -40, -10, "front", 0), "left hip: thigh 30 degrees further out"),
    (("right hip", 40, 10, "front", 0), "right hip: thigh 30 degrees further out"),
    (("right hip", -40, -10, "behind", 0), "right hip: thigh 30 degrees further out"),
    (("left hip", 10, -10, "front", 0), "left hip: thigh 20 degrees further in"),
    (("left hip", 80, 50, "unclear", 0), "left hip: 30 degrees more bent"),
    (("trunk", 22, 10, "right", 22), "trunk: leans 12 degrees further forward"),
    (("trunk", 22, 10, "left", 22), "trunk: leans 12 degrees further back"),
    (("trunk", 22, 10, "front", 22), "trunk: leans 12 degrees further to the left"),
    (("trunk", 22, 10, "behind", 22), "trunk: leans 12 degrees further to the right"),
    (("trunk", -22, -10, "unclear", -22), "trunk: leans 12 degrees further to the left of the picture"),
    (("trunk", 175, -175, "front", 175), "trunk: turned 10 degrees anticlockwise in the picture"),
    (("whole body", 30, 0, "front", 30), "whole body: turned 30 degrees clockwise in the picture"),
    (("head", 20, 5, "right", 0), "head: tilted 15 degrees further forward"),
]


@pytest.mark.parametrize(("given", "wanted"), CASES)
def test_a_difference_in_words(given: tuple, wanted: str) -> None:
    assert finding(*given) == wanted


def test_joints_by_name() -> None:
    assert joint_names([name not in ("left_knee", "head") for name in JOINTS]) == "left knee, head"
