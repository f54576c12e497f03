import numpy as np
import pytest

from drawing.overlay import HALO, draw_box, draw_skeleton, draw_text, font, ink_on, text_width
from drawing.stick_figures import SIDE_COLOURS, bone_side
from poses.skeleton import BONES, JOINTS

GROUND = 128


def grey(width: int = 300, height: int = 300) -> np.ndarray:
    return np.full((height, width, 3), GROUND, np.uint8)


def pose() -> np.ndarray:
    """A pose whose bones cross one another nowhere near their middles."""
    standing = {
        "ankle": (20, 260),
        "knee": (20, 200),
        "hip": (20, 145),
        "wrist": (100, 160),
        "elbow": (80, 110),
        "shoulder": (35, 70),
    }
    middle = {"pelvis": (150, 140), "neck": (150, 65), "head": (150, 25)}
    return np.array(
        [
            middle.get(joint) or (150 + (1 if "left" in joint else -1) * standing[part][0], standing[part][1])
            for joint in JOINTS
            for part in [joint.split("_")[-1]]
        ],
        np.float64,
    )


def rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))


def middle_of(bone: tuple[int, int], xy: np.ndarray) -> tuple[int, int]:
    x, y = xy[list(bone)].mean(axis=0).round().astype(int)
    return int(y), int(x)


def test_every_bone_has_its_side_s_colour_in_rgb() -> None:
    image, xy = grey(), pose()
    drawn = draw_skeleton(image, xy)
    assert (image == GROUND).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    for bone in BONES:
        assert drawn[middle_of(bone, xy)].tolist() == rgb(SIDE_COLOURS[bone_side(bone)])


def test_every_bone_can_have_a_colour_of_its_own() -> None:
    colours = [f"#{20 + number:02x}{200 - 9 * number:02x}0a" for number in range(len(BONES))]
    drawn = draw_skeleton(grey(), pose(), bone_colours=colours)
    for bone, colour in zip(BONES, colours, strict=True):
        assert drawn[middle_of(bone, pose())].tolist() == rgb(colour)


def test_missing_joints_and_their_bones_are_left_out() -> None:
    xy = pose()
    missing = [JOINTS.index("left_knee"), JOINTS.index("neck")]
    xy[missing[0]] = np.nan
    xy[missing[1], 0] = np.nan
    drawn = draw_skeleton(grey(), xy)
    for bone in BONES:
        there = (drawn[middle_of(bone, pose())] != GROUND).any()
        assert there == (not set(bone) & set(missing))
    assert (drawn[0, 0] == GROUND).all()  # where supervision would draw what has no place
    np.testing.assert_array_equal(draw_skeleton(grey(), np.full((15, 2), np.nan)), grey())


def test_one_joint_alone_is_seen() -> None:
    xy = np.full((15, 2), np.nan)
    xy[10] = (50, 60)
    drawn = draw_skeleton(grey(), xy)
    assert drawn[60, 50].tolist() == rgb(SIDE_COLOURS["middle"])
    assert (drawn[75:] == GROUND).all()


def test_a_joint_in_the_very_corner_is_drawn() -> None:
    xy = pose()
    xy[JOINTS.index("head")] = 0
    neck_to_head = BONES[12]
    assert (draw_skeleton(grey(), xy)[middle_of(neck_to_head, xy)] != GROUND).any()


def test_joints_outside_the_image_do_no_harm() -> None:
    xy = pose()
    xy[0] = (1e30, -1e30)
    xy[6] = (np.inf, 10)
    drawn = draw_skeleton(grey(), xy)
    assert (drawn[middle_of(BONES[1], xy)] != GROUND).any()
    assert draw_skeleton(grey(1, 1), xy).shape == (1, 1, 3)


def test_thickness_follows_the_person_or_what_was_asked_for() -> None:
    def share(scale: float, thickness: int | None = None) -> float:
        drawn = draw_skeleton(grey(1200, 1200), scale * pose(), thickness=thickness)
        return float((drawn != GROUND).any(axis=2).mean())

    assert 10 < share(4.0) / share(1.0) < 22  # 16 times the area
    assert share(4.0, 2) < 0.5 * share(4.0)


def test_bones_stand_out_from_any_background() -> None:
    drawn = draw_skeleton(np.full((300, 300, 3), rgb(SIDE_COLOURS["right"]), np.uint8), pose())
    assert (drawn == rgb(HALO)).all(axis=2).sum() > 200


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[15, 2\]"):
        draw_skeleton(grey(), np.zeros((17, 2)))
    with pytest.raises(ValueError, match="14 bones, not 3"):
        draw_skeleton(grey(), pose(), bone_colours=["#000000"] * 3)


def test_a_box_has_its_colour_and_its_label_stands_above() -> None:
    image = grey()
    drawn = draw_box(image, np.array([100.0, 120, 200, 280]), "1", "#F0E442")
    assert (image == GROUND).all()
    for y, x in ((120, 150), (280, 150), (200, 100), (200, 200)):
        assert drawn[y, x].tolist() == rgb("#F0E442")
    assert (drawn[140:260, 110:190] == GROUND).all()
    label = drawn[105:118, 100:112]
    assert (label == rgb("#F0E442")).all(axis=2).any()
    assert label.min() < 60  # dark on yellow


def test_what_reaches_out_of_the_image_is_still_seen() -> None:
    drawn = draw_box(grey(), np.array([-50.0, -20, 400, 310]), "2", "#0000ff")
    assert drawn[150, 0].tolist() == drawn[150, 299].tolist() == drawn[299, 150].tolist() == [0, 0, 255]
    assert drawn[:16, :12].max() > 200  # white on blue
    unlabelled = draw_box(grey(), np.array([10.0, 10, 50, 50]), "", "#0000ff")
    assert (unlabelled[12:49, 12:49] == GROUND).all()


def test_text_knows_unicode_and_stays_inside() -> None:
    for text in ("Łódź — Пример", "ß é"):
        drawn = draw_text(grey(), (290, 295), text, 14, "#FFFFFF")
        ink = (drawn != GROUND).any(axis=2)
        assert ink.sum() > 30
        assert not ink[:, : 300 - text_width(text, 14) - 2].any()
    missing = font(14).getmask("\uffff")
    assert font(14).getmask("Ł").getbbox() is not None
    assert bytes(font(14).getmask("Ł")) != bytes(missing)


def test_ink_is_the_colour_that_is_easier_to_read() -> None:
    assert ink_on("#F0E442") == "#000000"
    assert ink_on("#0072B2") == "#FFFFFF"
