import json
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from errors import InputError
from poses.skeleton import JOINTS, KEYPOINTS, Source, check_poses, convert, flip
from tests.conftest import shared_data

SOURCES: tuple[Source, ...] = get_args(Source)
FACE = [0, 1, 2, 3, 4]

# numbers as the formats' documents give them, joint by joint in the paper's order; lists are averaged
EXPECTED: dict[str, list[list[int]]] = {
    "coco17": [[16], [14], [12], [11, 12], [11], [13], [15], [10], [8], [6], [5, 6], [5], [7], [9], FACE],
    "mpii16": [[0], [1], [2], [6], [3], [4], [5], [10], [11], [12], [7], [13], [14], [15], [8, 9]],
    "halpe26": [[16], [14], [12], [11, 12], [11], [13], [15], [10], [8], [6], [5, 6], [5], [7], [9], FACE],
    "body25": [[11], [10], [9], [8], [12], [13], [14], [4], [3], [2], [1], [5], [6], [7], [0, 15, 16, 17, 18]],
    "blazepose33": [
        *([28], [26], [24], [23, 24], [23], [25], [27]),
        *([16], [14], [12], [11, 12], [11], [13], [15], [0, 2, 5, 7, 8]),
    ],
}
HEAD = JOINTS.index("head")


def slow_convert(xy: Any, confidence: Any, source: str) -> tuple[Any, Any]:
    """One pose, joint by joint, in Python floats."""
    joints, sureness = [], []
    for number, parents in enumerate(EXPECTED[source]):
        any_will_do = number == HEAD and source != "mpii16"
        seen = [
            k
            for k in parents
            if math.isfinite(xy[k][0])
            and math.isfinite(xy[k][1])
            and not (confidence is not None and confidence[k] <= 0)
        ]
        complete = bool(seen) if any_will_do else len(seen) == len(parents)
        joints.append([sum(xy[k][axis] for k in seen) / len(seen) for axis in (0, 1)] if complete else [math.nan] * 2)
        if confidence is not None:
            known = [confidence[k] for k in (seen if complete else parents) if not math.isnan(confidence[k])]
            sureness.append(math.nan if not known else min(known) if complete else 0.0)
    return np.array(joints), None if confidence is None else np.array(sureness)


def keypoints(source: Source) -> Any:
    """Arrays [N, K, 2] and [N, K] with gaps of every kind."""
    count = len(KEYPOINTS[source])
    xy = st.one_of(st.floats(-2000, 2000, width=32), st.sampled_from([math.nan, math.inf, -math.inf]))
    sure = st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, math.nan]))
    return st.integers(0, 3).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float64, (n, count, 2), elements=xy),
            st.none() | hnp.arrays(np.float64, (n, count), elements=sure),
        )
    )


def distinct(source: Source) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Keypoint k at (2 ** k, -k): any sum of some of them tells which they were."""
    k = np.arange(len(KEYPOINTS[source]))
    return np.stack([2.0**k, -1.0 * k], axis=-1)


@pytest.mark.parametrize("source", SOURCES)
def test_each_layout_by_its_numbers(source: Source) -> None:
    xy = distinct(source)
    confidence = 1 - np.arange(len(xy)) / 100
    joints, sureness = convert(xy, confidence, source)
    assert sureness is not None
    for joint, parents in enumerate(EXPECTED[source]):
        np.testing.assert_allclose(joints[joint], xy[parents].mean(axis=0), rtol=1e-12, err_msg=JOINTS[joint])
        assert sureness[joint] == confidence[parents].min(), JOINTS[joint]


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_convert_equals_the_slow_version_in_numpy_and_torch(source: Source, data: st.DataObject) -> None:
    xy, confidence = data.draw(keypoints(source))
    joints, sureness = convert(xy, confidence, source)
    assert joints.shape == (len(xy), 15, 2)
    for n in range(len(xy)):
        one, sure = slow_convert(xy[n], None if confidence is None else confidence[n], source)
        np.testing.assert_allclose(joints[n], one, rtol=1e-12, atol=1e-9)
        if sureness is not None:
            np.testing.assert_array_equal(sureness[n], sure)
    t_joints, t_sureness = convert(
        torch.from_numpy(xy), None if confidence is None else torch.from_numpy(confidence), source
    )
    np.testing.assert_allclose(t_joints.numpy(), joints, rtol=1e-12, atol=1e-9)
    assert (t_sureness is None) == (sureness is None) == (confidence is None)
    if t_sureness is not None and sureness is not None:
        np.testing.assert_array_equal(t_sureness.numpy(), sureness)


@pytest.mark.parametrize("source", SOURCES)
def test_any_leading_shape_and_dtype(source: Source) -> None:
    count = len(KEYPOINTS[source])
    base = np.arange(2 * 3 * count * 2, dtype=np.float32).reshape(2, 3, count, 2)
    expected, _ = convert(base, None, source)
    for lead in ((), (0,), (2, 3), (4, 0, 2)):
        xy = np.broadcast_to(base[0, 0], (*lead, count, 2))
        joints, sureness = convert(xy, np.ones(xy.shape[:-1]), source)
        assert sureness is not None
        assert joints.shape == (*lead, 15, 2)
        assert sureness.shape == (*lead, 15)
        np.testing.assert_array_equal(joints, np.broadcast_to(expected[0, 0], joints.shape))
    for dtype in (np.float16, np.float32, np.float64):
        joints, sureness = convert(base.astype(dtype), np.ones((2, 3, count), dtype), source)
        assert sureness is not None
        assert joints.dtype == sureness.dtype == dtype
    for t_dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert convert(torch.from_numpy(base).to(t_dtype), None, source)[0].dtype == t_dtype
    whole = convert(base.astype(np.int64), np.ones((2, 3, count), np.int64), source)
    np.testing.assert_array_equal(whole[0], expected)
    assert whole[0].dtype == whole[1].dtype == np.float32  # type: ignore[union-attr]


def test_openpose_zeros_need_their_confidence() -> None:
    xy = distinct("body25")
    confidence = np.full(25, 0.9)
    for gone in (8, 16, 4):  # mid hip, left eye, right wrist
        xy[gone] = confidence[gone] = 0
    joints, sureness = convert(xy, confidence, "body25")
    assert sureness is not None
    missing = [JOINTS[j] for j in np.flatnonzero(np.isnan(joints).any(-1))]
    assert missing == ["pelvis", "right_wrist"]
    np.testing.assert_array_equal(sureness, np.where(np.isnan(joints[:, 0]), 0, 0.9))
    np.testing.assert_allclose(joints[HEAD], xy[[0, 15, 17, 18]].mean(0))
    assert np.isfinite(convert(xy, None, "body25")[0]).all()


def test_confidences_of_derived_joints() -> None:
    xy = distinct("coco17")
    confidence = np.full(17, np.nan)
    confidence[[5, 12]] = 0.7, 0.4  # left shoulder, right hip; the rest unknown
    _, sureness = convert(xy, confidence, "coco17")
    assert sureness is not None
    by_name = dict(zip(JOINTS, sureness, strict=True))
    assert by_name["neck"] == by_name["left_shoulder"] == 0.7
    assert by_name["pelvis"] == by_name["right_hip"] == 0.4
    assert math.isnan(by_name["head"])
    assert math.isnan(by_name["left_knee"])

    xy[[6, 11]] = np.nan  # the other shoulder and hip; then a keypoint with a confidence, but nowhere
    xy[13] = np.inf, 3
    confidence[13] = 0.8
    joints, sureness = convert(xy, confidence, "coco17")
    assert sureness is not None
    by_name = dict(zip(JOINTS, sureness, strict=True))
    assert np.isnan(joints[[JOINTS.index(j) for j in ("neck", "pelvis", "left_knee", "right_shoulder")]]).all()
    assert by_name["neck"] == by_name["pelvis"] == by_name["left_knee"] == 0
    assert math.isnan(by_name["right_shoulder"])  # nobody knows: never 0 for unknown


def test_large_coordinates_do_not_overflow() -> None:
    for dtype in (np.float16, np.float32):
        xy = np.full((17, 2), 0.99 * np.finfo(dtype).max, dtype)
        assert np.isfinite(convert(xy, None, "coco17")[0]).all()


@pytest.mark.parametrize(
    ("xy", "confidence", "source", "says"),
    [
        (np.zeros((17, 2)), None, "coco", "coco17, mpii16"),
        (np.zeros((17, 2)), None, "mpii16", "[..., 16, 2]"),
        (np.zeros((4, 17, 3)), None, "coco17", "not [4, 17, 3]"),
        (np.zeros(2), None, "coco17", "not [2]"),
        (np.zeros((4, 17, 2)), np.zeros(17), "coco17", "confidences must have shape [4, 17]"),
    ],
)
def test_wrong_input_is_told_in_one_line(xy: Any, confidence: Any, source: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        convert(xy, confidence, source)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(
    xy=hnp.arrays(np.float32, (2, 15, 2), elements=st.one_of(st.floats(-2000, 2000, width=32), st.just(math.nan))),
    confidence=st.none() | hnp.arrays(np.float32, (2, 15), elements=st.floats(0, 1, width=32)),
    width=st.none() | st.integers(1, 2000),
)
def test_flip_twice_changes_nothing(xy: Any, confidence: Any, width: int | None) -> None:
    once = flip(xy, confidence, width)
    twice = flip(*once, width)
    np.testing.assert_allclose(twice[0], xy, atol=1e-3 if width else 0)
    t_once = flip(torch.from_numpy(xy), None if confidence is None else torch.from_numpy(confidence), width)
    np.testing.assert_array_equal(t_once[0].numpy(), once[0])
    assert once[0].dtype == np.float32
    if confidence is None:
        assert once[1] is twice[1] is t_once[1] is None
    else:
        assert twice[1] is not None
        assert t_once[1] is not None
        np.testing.assert_array_equal(twice[1], confidence)
        np.testing.assert_array_equal(t_once[1].numpy(), np.asarray(once[1]))


def test_flip_by_hand() -> None:
    xy = np.stack([np.arange(15.0), 100 + np.arange(15.0)], -1)
    confidence = np.arange(15) / 20
    mirrored, sureness = flip(xy, confidence, width=20)
    assert sureness is not None
    ankle, other, head = (JOINTS.index(j) for j in ("right_ankle", "left_ankle", "head"))
    assert mirrored[ankle].tolist() == [19 - other, 100 + other]
    assert mirrored[head].tolist() == [19 - head, 100 + head]
    assert sureness[ankle] == confidence[other]
    assert flip(xy, None)[0][other].tolist() == [-ankle, 100 + ankle]
    with pytest.raises(ValueError, match=r"\[\.\.\., 15, 2\]"):
        flip(xy[:14], None)


@pytest.mark.parametrize("source", SOURCES)
def test_mirrored_keypoints_give_the_mirrored_pose(source: Source) -> None:
    names = KEYPOINTS[source]
    xy = distinct(source)

    def other(name: str) -> str:
        for a, b in (("right", "left"), ("left", "right")):
            if name.startswith(f"{a}_") or name.endswith(f"_{a}"):
                return name.replace(a, b)
        return name

    mirrored = (xy * [-1, 1])[[names.index(other(name)) for name in names]]
    np.testing.assert_allclose(convert(mirrored, None, source)[0], flip(convert(xy, None, source)[0], None)[0])


def test_annotated_people_of_mpii() -> None:
    people = json.loads((shared_data("people") / "mpii" / "test_mpii.json").read_text())
    xy = np.array([person["joints"] for person in people])
    visible = np.array([person["joints_vis"] for person in people], dtype=np.float64)
    joints, sureness = convert(xy, visible, "mpii16")
    assert sureness is not None
    assert ((sureness == 0) == np.isnan(joints).any(-1)).all()
    at = {name: joints[:, j] for j, name in enumerate(JOINTS)}
    body = np.linalg.norm(at["neck"] - at["pelvis"], axis=-1)
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    whole = np.isfinite(joints).all((-1, -2))
    assert whole.sum() >= 2
    assert (np.linalg.norm(at["neck"] - shoulders, axis=-1) < 0.35 * body)[whole].all()
    assert (np.linalg.norm(at["head"] - at["neck"], axis=-1) < body)[whole].all()


def test_annotated_people_of_coco_and_the_first_26_points_of_halpe_agree() -> None:
    people = json.loads((shared_data("people") / "coco" / "test_coco.json").read_text())["annotations"]
    flat = np.array([person["keypoints"] for person in people if person["num_keypoints"]], dtype=np.float64)
    points = flat.reshape(-1, 17, 3)
    joints, sureness = convert(points[..., :2], points[..., 2] / 2, "coco17")
    assert sureness is not None
    np.testing.assert_array_equal(np.isnan(joints).any(-1), sureness == 0)
    assert not (joints == 0).any()
    halpe = np.concatenate([points, np.full((len(points), 9, 3), 7.0)], axis=1)
    again, _ = convert(halpe[..., :2], halpe[..., 2] / 2, "halpe26")
    np.testing.assert_array_equal(again, joints)


def test_speed21_thorax_is_between_the_shoulders() -> None:
    path = sorted((shared_data("speed21") / "skeletons").glob("*.data"))[0]
    rows = [line.split("#")[1] for line in path.read_text().splitlines() if "#NULL" not in line]
    xy = np.array([[pair.split(",") for pair in row.strip(";").split(";")] for row in rows], dtype=np.float32)
    joints, sureness = convert(xy, None, "mpii16")
    assert sureness is None
    left, right, neck = (joints[:, JOINTS.index(j)] for j in ("left_shoulder", "right_shoulder", "neck"))
    assert np.median(np.linalg.norm((left + right) / 2 - neck, axis=-1)) < 10


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((4, 17, 2), "17 joints, expected the 15 of poses.JOINTS; poses.convert(xy, confidence, 'coco17') makes them"),
        ((33, 2), "33 joints, expected the 15 of poses.JOINTS; poses.convert(xy, confidence, 'blazepose33') makes"),
        ((4, 20, 2), "they have 20 joints"),
        ((4, 15, 3), "3 numbers a joint, expected x and y; confidences are given beside them"),
        ((30,), "not [30]"),
    ],
)
def test_a_wrong_shape_is_told_in_the_fields_words(shape: tuple[int, ...], says: str) -> None:
    for call in (lambda: check_poses(shape, 2), lambda: flip(np.zeros(shape), None)):
        with pytest.raises(ValueError, match=r"^poses must have shape \[\.\.\., 15, 2\]") as caught:
            call()
        assert says in str(caught.value)


@pytest.mark.parametrize(
    ("xy", "confidence", "says"),
    [
        ([[0.0, 0.0]] * 15, None, "not list"),
        (np.zeros((15, 2)), torch.zeros(15), "not ndarray and Tensor"),
        (np.full((15, 2), "x"), None, "real numbers, not <U1"),
        (torch.zeros(15, 2, dtype=torch.complex64), None, "real numbers, not torch.complex64"),
    ],
)
def test_what_are_no_numbers_is_told(xy: Any, confidence: Any, says: str) -> None:
    with pytest.raises(ValueError, match="poses and confidences must") as caught:
        flip(xy, confidence)
    assert says in str(caught.value)
