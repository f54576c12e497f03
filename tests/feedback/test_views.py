import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.synthetic_motion.synthetic import perform
from datamodules.synthetic_motion.synthetic_actions import ACTIONS
from feedback.views import Views, clearly_differ, least_difference, views
from poses.skeleton import FLIP, JOINTS, flip


@pytest.fixture(scope="module")
def bodies() -> np.ndarray:
    """Joints [N, 15, 3] in metres of performers who stand on the ground, with all that squats, kicks and lunges do."""
    standing = [index for index in range(60) if ACTIONS[index % len(ACTIONS)].support is not None]
    return np.concatenate([perform(7, index).joints[0, ::6] for index in standing])


def film(bodies: np.ndarray, azimuth: float) -> Tensor:
    """Pixels [N, 15, 2] from a camera `azimuth` degrees from the front towards the body's left, a little noisy."""
    angle, random = np.radians(azimuth), np.random.default_rng(int(azimuth) + 1000)
    # a camera in front (+x) sees the body's left (+y) on the right of the picture; up is +z
    right = -np.sin(angle) * bodies[..., 0] + np.cos(angle) * bodies[..., 1]
    xy = np.stack([right, -bodies[..., 2]], axis=-1) * 200 + 400
    return torch.tensor(xy + random.normal(scale=2.0, size=xy.shape), dtype=torch.float32)


@pytest.mark.parametrize("azimuth", range(-180, 180, 30))
def test_the_side_is_told(azimuth: int, bodies: np.ndarray) -> None:
    found = views(film(bodies, azimuth))
    assert ((found.low <= abs(azimuth)) & (abs(azimuth) <= found.high)).double().mean() > 0.85
    assert (found.turn - abs(azimuth)).abs().nanmedian() < 16
    if 60 <= abs(azimuth) <= 120:
        # from the body's left it faces the left of the picture
        right, wrong = (found.facing == s * -np.sign(azimuth) for s in (1, -1))
        assert right.double().mean() > 0.9
        assert wrong.double().mean() < 0.05


@pytest.mark.parametrize(
    ("first", "second"), [(0, 90), (0, -90), (0, 180), (15, 100), (180, 90), (90, -90), (75, -75), (-60, 180)]
)
def test_clearly_different_sides_are_told(first: int, second: int, bodies: np.ndarray) -> None:
    warned = clearly_differ(views(film(bodies, first)), views(film(bodies, second)))
    assert warned.double().mean() > 0.9


@pytest.mark.parametrize("difference", [0, 10, 20])
@pytest.mark.parametrize("azimuth", range(-180, 180, 20))
def test_near_sides_are_not(azimuth: int, difference: int, bodies: np.ndarray) -> None:
    warned = clearly_differ(views(film(bodies, azimuth)), views(film(bodies, azimuth + difference)))
    assert warned.double().mean() < 0.03


def test_mirrored_bodies_are_seen_from_the_other_side(bodies: np.ndarray) -> None:
    poses = film(bodies, 80)
    found, mirrored = views(poses), views(flip(poses, None)[0])
    torch.testing.assert_close(found.turn, mirrored.turn)
    assert torch.equal(found.facing, -mirrored.facing)
    assert {found.name(i) for i in range(len(poses))} <= {"the left", "the side"}
    assert {mirrored.name(i) for i in range(len(poses))} <= {"the right", "the side"}
    # and left taken for right is seen from the other end
    swapped = views(poses[:, list(FLIP)])
    torch.testing.assert_close(swapped.turn, 180 - found.turn, atol=1e-3, rtol=0)


def test_turning_the_picture_changes_nothing(bodies: np.ndarray) -> None:
    poses = film(bodies, 40)
    upside_down = views(-poses)
    torch.testing.assert_close(upside_down.turn, views(poses).turn)
    assert torch.equal(upside_down.facing, views(poses).facing)


def test_what_cannot_be_seen_is_not_told(bodies: np.ndarray) -> None:
    poses = film(bodies, 0)[:3]
    poses[0, [i for i, name in enumerate(JOINTS) if name.endswith(("shoulder", "hip"))]] = torch.nan
    poses[1, JOINTS.index("pelvis")] = torch.nan
    poses[2, JOINTS.index("neck")] = poses[2, JOINTS.index("pelvis")] + 1.0  # the torso points at the camera
    found = views(poses)
    assert found.turn.isnan().all()
    assert found.name(0) == "an unclear side"
    side = views(film(bodies, 90)[:3])
    assert not clearly_differ(found, side).any()
    assert least_difference(found, side).isnan().all()


def test_opposite_sides_meet_in_front_or_behind() -> None:
    def body(low: float, high: float, facing: int) -> Views:
        low_, turn, high_, facing_ = (torch.tensor([float(x)]) for x in (low, (low + high) / 2, high, facing))
        return Views(low_, turn, high_, facing_)

    assert least_difference(body(80, 100, 1), body(80, 100, -1)).item() == 160
    assert least_difference(body(150, 180, 1), body(150, 180, -1)).item() == 0
    assert least_difference(body(80, 100, 1), body(80, 100, 0)).item() == 0
    assert least_difference(body(0, 20, 0), body(70, 110, 1)).item() == 50
