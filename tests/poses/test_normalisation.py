import math
import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from errors import InputError
from poses.normalisation import Normalisation
from poses.skeleton import BONES, FLIP, JOINTS
from tests.climbers import climbers

Array = Any  # numpy's stubs refuse arrays of no particular dtype
NEAR = [[b if a == j else a for a, b in BONES if j in (a, b)] for j in range(15)]


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        yield


def slow(xy: Array, confidence: Array | None, setting: Normalisation) -> tuple[Array, Array]:
    """One pose, joint by joint, in Python floats."""
    points = [[float(value) for value in joint] for joint in xy]
    sure = [math.nan] * 15 if confidence is None else [float(value) for value in confidence]
    present = [
        all(map(math.isfinite, points[j])) and not (sure[j] <= 0 or sure[j] < setting.min_confidence) for j in range(15)
    ]
    result: dict[int, list[float]] = {}
    if any(present):
        axes = [[points[j][axis] for j in range(15) if present[j]] for axis in (0, 1)]
        extents = [max(values) - min(values) for values in axes]
        scales = [max(extents)] * 2 if setting.keep_aspect else extents
        middles = [(max(values) + min(values)) / 2 for values in axes]
        if setting.torso:
            pelvis, neck = JOINTS.index("pelvis"), JOINTS.index("neck")
            middles = points[pelvis] if present[pelvis] else middles
            torso = math.dist(points[pelvis], points[neck]) if present[pelvis] and present[neck] else 0.0
            reach = max(abs(points[j][axis] - middles[axis]) for j in range(15) if present[j] for axis in (0, 1))
            scales = [max(4.5 * torso, 2 * reach)] * 2
        for j in range(15):
            if present[j]:
                result[j] = [
                    0.5 + (points[j][axis] - middles[axis]) / scales[axis] if scales[axis] else 0.5 for axis in (0, 1)
                ]
        while len(result) < 15:
            before = dict(result)
            for j in range(15):
                around = [before[k] for k in NEAR[j] if k in before]
                if j not in before and around:
                    result[j] = [sum(one[axis] for one in around) / len(around) for axis in (0, 1)]
    return np.array([result.get(j, [0.5, 0.5]) for j in range(15)]), np.array(present)


coordinate = st.one_of(
    st.floats(-2000, 2000, width=32), st.integers(-3, 3).map(float), st.sampled_from([math.nan, math.inf, -math.inf])
)
sureness = st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 1.0, math.nan]))
WAYS: list[dict[str, bool]] = [{}, {"keep_aspect": True}, {"torso": True}]
ways = st.sampled_from(WAYS)
settings_ = st.builds(
    lambda least, way: Normalisation(least, **way), st.sampled_from([0.0, 0.2, 1.0]) | st.floats(0, 1), ways
)


@st.composite
def poses(draw: st.DrawFn, missing: bool = True, count: int | None = None) -> tuple[Array, Array | None]:
    n = draw(st.integers(0, 3)) if count is None else count
    element = coordinate if missing else st.floats(-2000, 2000, width=32)
    xy = draw(hnp.arrays(np.float64, (n, 15, 2), elements=element))
    confidence = draw(st.none() | hnp.arrays(np.float64, (n, 15), elements=sureness)) if missing else None
    return xy, confidence


@settings(max_examples=300, deadline=None)
@given(pose=poses(), setting=settings_)
def test_equals_the_slow_version(pose: tuple[Array, Array | None], setting: Normalisation) -> None:
    xy, confidence = pose
    got, present = setting(xy, confidence)
    for n in range(len(xy)):
        expected, there = slow(xy[n], None if confidence is None else confidence[n], setting)
        # a pose 1e-40 pixels wide has no digits left to agree on
        np.testing.assert_allclose(got[n], expected, atol=1e-9)
        np.testing.assert_array_equal(present[n], there)


@settings(deadline=None)
@given(pose=poses(), setting=settings_)
def test_numpy_and_torch_agree(pose: tuple[Array, Array | None], setting: Normalisation) -> None:
    xy, confidence = pose
    for dtype in (np.float32, np.float64):
        narrow = None if confidence is None else confidence.astype(dtype)
        got, present = setting(xy.astype(dtype), narrow)
        t_got, t_present = setting(
            torch.from_numpy(xy.astype(dtype)), None if narrow is None else torch.from_numpy(narrow)
        )
        assert t_got.numpy().dtype == got.dtype == dtype
        np.testing.assert_allclose(t_got.numpy(), got, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(t_present.numpy(), present)


@settings(deadline=None)
@given(pose=poses(), setting=settings_)
def test_always_in_range_and_finite(pose: tuple[Array, Array | None], setting: Normalisation) -> None:
    got, present = setting(*pose)
    assert ((got >= 0) & (got <= 1)).all()
    assert (got[~present.any(-1)] == 0.5).all()
    for one, there in zip(got, present, strict=True):
        if there.any() and not setting.keep_aspect and not setting.torso:
            for axis in one[there].T:
                assert (axis.min() == 0 and axis.max() == 1) or (axis == 0.5).all()


@settings(deadline=None)
@given(
    xy=hnp.arrays(np.int64, (2, 15, 2), elements=st.integers(-500, 500)),
    missing=hnp.arrays(np.bool_, (2, 15)),
    shift=hnp.arrays(np.int64, 2, elements=st.integers(-4000, 4000)),
    power=st.integers(-8, 8),
    way=ways,
)
def test_moving_and_scaling_the_person_changes_nothing(
    xy: Array, missing: Array, shift: Array, power: int, way: dict[str, bool]
) -> None:
    setting = Normalisation(**way)
    points = np.where(missing[..., None], np.nan, xy)
    expected, _ = setting(points, None)
    got, _ = setting((points + shift) * 2.0**power, None)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    if not way:
        stretched, _ = setting(points * [2.0**power, 1], None)
        np.testing.assert_allclose(stretched, expected, atol=1e-12)


@settings(deadline=None)
@given(pose=poses(), setting=settings_)
def test_normalising_twice_changes_nothing(pose: tuple[Array, Array | None], setting: Normalisation) -> None:
    once, present = setting(*pose)
    again, still = setting(np.where(present[..., None], once, np.nan), pose[1])
    np.testing.assert_allclose(again, once, atol=1e-12)
    np.testing.assert_array_equal(still, present)


@settings(deadline=None)
@given(pose=poses(), setting=settings_, data=st.data())
def test_what_is_stored_at_a_missing_joint_never_matters(
    pose: tuple[Array, Array | None], setting: Normalisation, data: st.DataObject
) -> None:
    xy, confidence = pose
    expected, present = setting(xy, confidence)
    kind = data.draw(st.sampled_from(["nan", "garbage", "one axis"]))
    garbage = data.draw(hnp.arrays(np.float64, xy.shape, elements=coordinate | st.sampled_from([1e300, -1e300])))
    if kind == "nan":
        garbage[:] = np.nan
    elif kind == "one axis":
        garbage[..., 1] = np.nan
    sure = np.where(present, np.nan if confidence is None else confidence, 0.0)
    got, there = setting(np.where(present[..., None], xy, garbage), sure)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(there, present)


@settings(deadline=None)
@given(pose=poses(), setting=settings_)
def test_mirroring_commutes(pose: tuple[Array, Array | None], setting: Normalisation) -> None:
    xy, confidence = pose
    order = list(FLIP)
    expected, present = setting(xy, confidence)
    got, there = setting(xy[:, order] * [-1, 1], None if confidence is None else confidence[:, order])
    np.testing.assert_array_equal(there, present[:, order])
    np.testing.assert_allclose(got, np.abs([1, 0] - expected[:, order]), atol=1e-9)


@pytest.mark.parametrize("lead", [(), (0,), (1,), (2, 3), (4, 0, 2), (2, 1, 3)])
@pytest.mark.parametrize("way", WAYS)
def test_any_leading_shape(lead: tuple[int, ...], way: dict[str, bool]) -> None:
    rng = np.random.default_rng(3)
    xy = rng.normal(size=(*lead, 15, 2))
    confidence = rng.uniform(size=(*lead, 15))
    setting = Normalisation(**way)
    got, present = setting(xy, confidence)
    assert got.shape == xy.shape
    assert present.shape == confidence.shape
    assert present.dtype == np.bool_
    for index in np.ndindex(lead):
        expected, there = slow(xy[index], confidence[index], setting)
        np.testing.assert_allclose(got[index], expected, atol=1e-12)
        np.testing.assert_array_equal(present[index], there)
    t_got, t_present = setting(torch.from_numpy(xy), torch.from_numpy(confidence))
    assert t_got.shape == xy.shape
    assert t_present.shape == confidence.shape
    assert t_present.dtype == torch.bool


def test_more_poses_than_are_done_at_once() -> None:
    rng = np.random.default_rng(4)
    xy = rng.normal(size=(20_000, 15, 2)).astype(np.float32)
    confidence = rng.uniform(size=(20_000, 15)).astype(np.float32)
    got, present = Normalisation()(xy, confidence)
    for n in (0, 8191, 8192, 16383, 16384, 19_999):
        one, there = Normalisation()(xy[n], confidence[n])
        np.testing.assert_array_equal(got[n], one)
        np.testing.assert_array_equal(present[n], there)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_axis_without_extent_is_in_the_middle(axes: tuple[int, ...]) -> None:
    xy = np.random.default_rng(5).normal(size=(15, 2))
    xy[:, axes] = 37.25
    for keep, minimum in product((False, True), (0.0, 0.2)):
        got, present = Normalisation(minimum, keep)(xy, np.ones(15))
        assert (got[:, axes] == 0.5).all()
        assert present.all()
        for axis in {0, 1} - set(axes):
            assert (got[:, axis].min(), got[:, axis].max()) == (0, 1)


def test_all_joints_missing() -> None:
    for xy, confidence in (
        (np.full((15, 2), np.nan), None),
        (np.full((15, 2), np.inf), np.ones(15)),
        (np.random.default_rng(6).normal(size=(15, 2)), np.zeros(15)),
    ):
        got, present = Normalisation()(xy, confidence)
        assert (got == 0.5).all()
        assert not present.any()


@pytest.mark.parametrize("joint", range(15))
def test_single_joint_puts_all_in_the_middle(joint: int) -> None:
    xy = np.full((15, 2), np.nan)
    xy[joint] = 1e6, -3
    for way in WAYS:
        got, present = Normalisation(**way)(xy, None)
        assert (got == 0.5).all()
        assert np.flatnonzero(present).tolist() == [joint]


def test_filling_by_hand() -> None:
    at = {name: j for j, name in enumerate(JOINTS)}
    xy = np.full((15, 2), np.nan)
    xy[at["pelvis"]] = 0, 10
    xy[at["head"]] = 4, 0
    got, _ = Normalisation()(xy, None)
    assert got[at["neck"]].tolist() == [0.5, 0.5]  # between pelvis (0, 1) and head (1, 0)
    for name in ("right_hip", "left_knee", "left_ankle"):
        assert got[at[name]].tolist() == [0, 1]
    for name in ("left_shoulder", "right_elbow", "right_wrist"):
        assert got[at[name]].tolist() == [0.5, 0.5]


def test_threshold_of_the_confidence() -> None:
    at = 4
    for array, width in product((np.asarray, torch.from_numpy), (np.float32, np.float64)):
        xy = np.random.default_rng(7).normal(size=(15, 2)).astype(width)

        def there(value: float, minimum: float, array: Any = array, width: Any = width, xy: Any = xy) -> bool:
            confidence = np.ones(15, width)
            confidence[at] = value
            return bool(Normalisation(minimum)(array(xy), array(confidence))[1][at])

        assert there(0.2, 0.2)
        assert not there(0.19, 0.2)
        assert there(math.nan, 0.2)
        assert there(math.nan, 1.0)
        assert there(0.01, 0.0)
        assert not there(0.0, 0.0)
        assert there(1.0, 1.0)


def test_keep_aspect_by_hand() -> None:
    xy = np.zeros((15, 2))
    xy[0] = 10, 40
    got, _ = Normalisation(keep_aspect=True)(xy, None)
    assert got[0].tolist() == [0.625, 1]
    assert got[1].tolist() == [0.375, 0]


def test_torso_by_hand() -> None:
    at = {name: j for j, name in enumerate(JOINTS)}
    xy = np.tile([100.0, 200.0], (15, 1))  # all at the pelvis but these
    xy[at["neck"]] = 103, 196  # a torso of 5
    xy[at["left_wrist"]] = 110, 189
    got, _ = Normalisation(torso=True)(xy, None)
    np.testing.assert_allclose(got[at["neck"]], [0.5 + 3 / 22.5, 0.5 - 4 / 22.5])
    np.testing.assert_allclose(got[at["left_wrist"]], [0.5 + 10 / 22.5, 0.5 - 11 / 22.5])

    xy[at["left_wrist"]] = 110, 180  # farther than 2.25 torsos: fitted
    got, _ = Normalisation(torso=True)(xy, None)
    np.testing.assert_allclose(got[at["neck"]], [0.5 + 3 / 40, 0.5 - 4 / 40])
    np.testing.assert_allclose(got[at["left_wrist"]], [0.75, 0])
    xy[at["left_wrist"]] = 101, 199
    xy[at["neck"]] = np.nan  # no torso: fitted too
    got, _ = Normalisation(torso=True)(xy, None)
    np.testing.assert_allclose(got[at["left_wrist"]], [1, 0])
    xy[at["pelvis"]] = np.nan
    got, _ = Normalisation(torso=True)(xy, None)
    np.testing.assert_allclose(got, Normalisation(keep_aspect=True)(xy, None)[0])


def test_two_ways_to_scale_are_refused() -> None:
    with pytest.raises(InputError, match="choose one"):
        Normalisation(keep_aspect=True, torso=True)


def test_dtypes() -> None:
    whole: Array = np.random.default_rng(8).integers(0, 1000, size=(3, 15, 2))
    expected, _ = Normalisation()(whole.astype(np.float64), None)
    for dtype, out, close in (
        (np.int64, np.float32, 1e-6),
        (np.uint8, np.float32, None),
        (np.float16, np.float16, 2e-2),
        (np.float64, np.float64, 0),
    ):
        got, _ = Normalisation()(whole.astype(dtype), np.ones((3, 15), np.int32))
        assert got.dtype == out
        if close is not None:
            np.testing.assert_allclose(got, expected, atol=close)
    for t_dtype in (torch.float16, torch.bfloat16):
        got_t, _ = Normalisation()(torch.from_numpy(whole).to(t_dtype), None)
        assert got_t.dtype == t_dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_extreme_coordinates(dtype: Any) -> None:
    limits = np.finfo(dtype)
    xy: Array = np.zeros((15, 2), dtype)
    xy[0], xy[1] = limits.max, -limits.max
    for scale in (1, limits.tiny):
        for keep in (False, True):
            got, present = Normalisation(keep_aspect=keep)(xy * dtype(scale), None)
            np.testing.assert_array_equal(got[:3], [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5]])
            assert present.all()
        # the pelvis lies between the two: both are as far from it
        got, present = Normalisation(torso=True)(xy * dtype(scale), None)
        np.testing.assert_array_equal(got[:3], [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5]])


def test_input_is_left_as_it_is() -> None:
    xy = np.random.default_rng(9).normal(size=(4, 15, 2))
    confidence = np.random.default_rng(9).uniform(size=(4, 15))
    for one in (xy, confidence):
        one.setflags(write=False)
    got, present = Normalisation()(xy, confidence)
    assert got.flags.c_contiguous
    assert got.flags.writeable
    assert present.flags.writeable
    strided, _ = Normalisation()(np.asfortranarray(xy), confidence)
    np.testing.assert_array_equal(strided, got)


def test_gradients_are_finite() -> None:
    xy = torch.randn(3, 15, 2, requires_grad=True)
    confidence = torch.rand(3, 15)
    confidence[2] = 0
    for way in WAYS:
        xy.grad = None
        got, _ = Normalisation(**way)(xy, confidence)
        got.square().sum().backward()
        assert xy.grad is not None
        assert xy.grad.isfinite().all()
        assert xy.grad[:2].any()


@pytest.mark.parametrize(
    ("xy", "confidence"),
    [(np.zeros((14, 2)), None), (np.zeros(2), None), (np.zeros((15, 3)), None), (np.zeros((2, 15, 2)), np.zeros(15))],
)
def test_other_shapes_are_refused(xy: Array, confidence: Array | None) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        Normalisation()(xy, confidence)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_bad_threshold_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        Normalisation(value)


def test_real_climbers() -> None:
    xy = climbers()
    for way in WAYS:
        setting = Normalisation(**way)
        got, present = setting(xy, None)
        assert present.all()
        np.testing.assert_allclose(got, np.stack([slow(one, None, setting)[0] for one in xy]), atol=2e-6)
    at = [JOINTS.index(name) for name in ("pelvis", "neck")]
    torso = np.linalg.norm(np.subtract(*got[:, at].transpose(1, 0, 2)), axis=-1)
    fitted = torso < 1 / 4.5 - 1e-5
    assert 0 < fitted.mean() < 0.05
    np.testing.assert_allclose(torso[~fitted], 1 / 4.5, atol=1e-5)
    np.testing.assert_allclose(np.abs(got[fitted] - 0.5).max((1, 2)), 0.5, atol=1e-5)
