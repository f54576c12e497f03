from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from datamodules.synthetic_motion import synthetic
from datamodules.synthetic_motion.synthetic import (
    SyntheticClip,
    body_of,
    estimate,
    interpolate,
    kinematics,
    outline,
    perform,
)
from datamodules.synthetic_motion.synthetic_actions import ACTIONS, CHANNELS, Floats, pose
from poses.normalisation import Normalisation
from poses.skeleton import BONES, JOINTS

JOINT = {name: index for index, name in enumerate(JOINTS)}
SQUAT, STAR_JUMP, LUNGE, SIDE_KICK, TUCK_DIVE, SYNC_DIVE = range(6)


@pytest.fixture(scope="module")
def many() -> list[SyntheticClip]:
    return [perform(0, index) for index in range(600)]


def normalised(clip: SyntheticClip, moments: int = 20) -> Floats:
    """[moments, 15, 2], mean over the performers."""
    xy, present = Normalisation()(clip.xy.astype(np.float64), clip.confidence.astype(np.float64))
    poses = []
    for person in range(len(xy)):
        seen = np.flatnonzero(present[person].any(axis=-1))
        wanted = (np.arange(moments) + 0.5) / moments * clip.outline.frames
        poses.append(xy[person, seen[np.abs(seen - wanted[:, None]).argmin(axis=1)]])
    mean: Floats = np.mean(poses, axis=0)
    return mean


# The same clip again ----------------------------------------------------------------------------------------------


def test_a_clip_depends_on_seed_and_index_alone() -> None:
    first = [perform(3, index) for index in (17, 5)]
    again = [perform(3, index) for index in (5, 17)][::-1]
    for a, b in zip(first, again, strict=True):
        assert a.outline.score == b.outline.score
        assert_array_equal(a.xy, b.xy)
        assert_array_equal(a.confidence, b.confidence)
    other = perform(4, 17)
    assert other.outline.score != first[0].outline.score
    assert other.xy.shape != first[0].xy.shape or not np.array_equal(other.xy, first[0].xy)


def test_the_version_belongs_to_these_clips() -> None:
    # If this fails on purpose, raise GENERATOR_VERSION too, or old caches pass for new ones.
    assert synthetic.GENERATOR_VERSION == 1
    clips = [perform(0, index) for index in range(6)]
    assert [clip.outline.score for clip in clips] == [50.0, 16.71, 19.09, 4.05, 83.29, 100.0]
    means = [804.690, 674.282, 563.467, 335.389, 505.914, 304.816]
    assert_allclose([np.nanmean(clip.xy) for clip in clips], means, atol=0.01)


def test_the_outline_is_the_clip_s() -> None:
    clip, plan = perform(1, 40), outline(1, 40)
    assert (clip.outline.score, clip.outline.phases) == (plan.score, plan.phases)
    assert clip.xy.shape[1] == plan.frames == len(clip.time)


# A body -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(6))
def test_bones_keep_their_length_in_3d(index: int) -> None:
    joints = perform(0, index, quality=0.1).joints
    for a, b in BONES:
        length = np.linalg.norm(joints[:, :, a] - joints[:, :, b], axis=-1)
        assert_allclose(length, length[:, :1] + 0 * length, atol=1e-9)
        assert 0.05 < length.min() <= length.max() < 0.8
    assert_allclose(joints[:, :, JOINT["pelvis"]], joints[:, :, [JOINT["left_hip"], JOINT["right_hip"]]].mean(axis=2))
    shoulders = joints[:, :, [JOINT["left_shoulder"], JOINT["right_shoulder"]]].mean(axis=2)
    assert_allclose(joints[:, :, JOINT["neck"]], shoulders)


def test_bodies_have_human_proportions_and_belong_to_performers() -> None:
    bodies = [body_of(0, performer) for performer in range(300)]
    heights = np.array([body["height"] for body in bodies])
    assert 1.68 < heights.mean() < 1.76
    assert 0.06 < heights.std() < 0.12
    for body in bodies:
        standing = body["thigh"] + body["shank"] + body["trunk"] + body["head"]
        assert 0.82 < standing / body["height"] < 0.98
        assert body["forearm"] < body["upper_arm"] < body["trunk"]
    assert body_of(0, 7) == body_of(0, 7) != body_of(1, 7)
    assert body_of(0, 7) != body_of(0, 7, person=1)


def test_neutral_and_single_angles_are_what_they_are_called() -> None:
    def at(**angles: float) -> dict[str, Floats]:
        joints = kinematics(pose(**angles)[None], body_of(0, 0))[0]
        return {name: joints[index] for name, index in JOINT.items()}

    up, front, left = np.array([0, 0, 1]), np.array([1, 0, 0]), np.array([0, 1, 0])
    stand = at()
    assert max(stand.values(), key=lambda point: point @ up) is stand["head"]
    assert stand["left_ankle"] @ up < stand["left_knee"] @ up < stand["pelvis"] @ up < stand["neck"] @ up
    assert stand["left_hip"] @ left > 0 > stand["right_hip"] @ left
    assert stand["left_wrist"] @ up < stand["left_elbow"] @ up < stand["left_shoulder"] @ up
    assert at(knee=60)["left_ankle"] @ front < -0.2
    assert at(elbow=60)["right_wrist"] @ front > 0.1
    assert at(hip=90)["left_knee"] @ front > 0.3
    assert at(arm=180)["left_wrist"] @ up > stand["head"] @ up
    assert at(spread=40)["left_ankle"] @ left > 0.4
    assert at(spread=40)["right_ankle"] @ left < -0.4
    assert at(lift=90)["right_wrist"] @ left < -0.5
    assert at(lift=45, turn=90, elbow=130)["left_wrist"] @ up > stand["left_shoulder"] @ up
    assert at(pitch=180)["head"] @ up < at(pitch=180)["pelvis"] @ up
    assert at(lean=40)["neck"] @ front > 0.2
    assert at(side=40)["neck"] @ left < -0.2
    assert at(nod=40)["head"] @ front > 0.05
    assert_allclose(at(left_knee=60)["right_ankle"], stand["right_ankle"])


def test_kinematics_equal_a_slow_version_with_scipy_s_rotations() -> None:
    random, body = np.random.default_rng(0), body_of(0, 0)
    angles = random.uniform(-90, 90, (5, len(CHANNELS)))
    fast = kinematics(angles, body)
    for row, joints in zip(angles, fast, strict=True):
        at = dict(zip(CHANNELS, row, strict=True))
        pelvis = Rotation.from_euler("Y", at["pitch"], degrees=True)
        trunk = pelvis * Rotation.from_euler("YXZ", [at["lean"], at["side"], at["twist"]], degrees=True)
        neck = trunk.apply([0, 0, body["trunk"]])
        assert_allclose(joints[JOINT["neck"]], neck, atol=1e-12)
        head = trunk * Rotation.from_euler("Y", at["nod"], degrees=True)
        assert_allclose(joints[JOINT["head"]], neck + head.apply([0, 0, body["head"]]), atol=1e-12)
        for name, sign in (("left", 1), ("right", -1)):
            thigh = pelvis * Rotation.from_euler("YX", [-at[f"{name}_hip"], sign * at[f"{name}_spread"]], degrees=True)
            shank = thigh * Rotation.from_euler("Y", at[f"{name}_knee"], degrees=True)
            knee = pelvis.apply([0, sign * body["hip"], 0]) + thigh.apply([0, 0, -body["thigh"]])
            assert_allclose(joints[JOINT[f"{name}_knee"]], knee, atol=1e-12)
            assert_allclose(joints[JOINT[f"{name}_ankle"]], knee + shank.apply([0, 0, -body["shank"]]), atol=1e-12)
            turns = [-at[f"{name}_arm"], sign * at[f"{name}_lift"], sign * at[f"{name}_turn"]]
            upper = trunk * Rotation.from_euler("YXZ", turns, degrees=True)
            lower = upper * Rotation.from_euler("Y", -at[f"{name}_elbow"], degrees=True)
            elbow = neck + trunk.apply([0, sign * body["shoulder"], 0]) + upper.apply([0, 0, -body["upper_arm"]])
            assert_allclose(joints[JOINT[f"{name}_elbow"]], elbow, atol=1e-12)
            assert_allclose(joints[JOINT[f"{name}_wrist"]], elbow + lower.apply([0, 0, -body["forearm"]]), atol=1e-12)


def test_interpolation_equals_scipy_s_inside_and_rests_at_the_ends() -> None:
    random = np.random.default_rng(0)
    times = np.concatenate([[0.0], np.sort(random.uniform(0.05, 0.95, 5)), [1.0]])
    values = random.normal(size=(7, 3)) * 50
    values[3] = values[2]  # a pose that is held
    inside = np.linspace(times[1], times[-2], 200)
    assert_allclose(
        interpolate(times, values, np.repeat(inside[:, None], 3, axis=1)),
        PchipInterpolator(times, values)(inside),
        atol=1e-9,
    )
    ends = interpolate(times, values, np.repeat([[-0.1], [0.0], [1e-4], [1.0], [1.1]], 3, axis=1))
    assert_allclose(ends[[0, 1, 3, 4]], values[[0, 0, -1, -1]], atol=1e-9)
    assert np.abs(ends[2] - values[0]).max() < 1e-2


def test_feet_stay_on_the_ground_and_divers_turn_upside_down() -> None:
    for index in (SQUAT, LUNGE, SIDE_KICK):
        ankles = perform(0, index).joints[0][:, [JOINT["right_ankle"], JOINT["left_ankle"]]]
        assert np.ptp(ankles[..., 2].min(axis=1)) < 1e-9
    support = perform(0, LUNGE).joints[0, :, JOINT["right_ankle"]]
    assert np.ptp(support[:, :2], axis=0).max() < 1e-9
    jump = perform(0, STAR_JUMP, quality=1.0).joints[0][:, [JOINT["right_ankle"], JOINT["left_ankle"]], 2].min(axis=1)
    assert 0.25 < np.ptp(jump) < 0.45
    for index in (TUCK_DIVE, SYNC_DIVE):
        joints = perform(0, index, quality=1.0).joints
        upright = joints[..., JOINT["head"], 2] - joints[..., JOINT["pelvis"], 2]
        assert (upright[:, 0] > 0.4).all()
        assert (upright[:, -1] < -0.4).all()


# Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", range(6))
def test_faults_grow_as_quality_falls(action: int) -> None:
    indices = range(action, action + 6 * 12, 6)
    away = []
    for quality in (0.9, 0.6, 0.3, 0.0):
        moved = [perform(0, i, quality).joints - perform(0, i, 1.0).joints for i in indices]
        away.append(np.mean([np.linalg.norm(m - m[:, :, [JOINT["pelvis"]]], axis=-1).mean() for m in moved]))
    assert (np.diff(away) > 0.005).all()


def test_every_kind_of_fault_is_visible_and_their_sum_is_the_missing_quality() -> None:
    def mean(fault: str, measure: str) -> float:
        values = []
        for index in range(SQUAT, 6 * 10, 6):
            plan = outline(0, index, 1.0)
            faults = np.where(np.array(synthetic.FAULTS) == fault, 1.5, 0.0)[None]
            angles = synthetic.motion(np.random.default_rng(index), replace(plan, faults=faults), 0, 0.0)
            at = dict(zip(CHANNELS, angles.T, strict=True))
            values.append(
                {
                    "depth": np.ptp(at["left_knee"] + at["right_knee"]),
                    "uneven": np.abs(at["left_knee"] - at["right_knee"]).max(),
                    "lean": at["lean"].mean(),
                    "straight": np.minimum(at["left_knee"], at["right_knee"])[[0, -1]].mean(),
                    "shaking": np.abs(np.diff(at["lean"], n=2)).mean(),
                }[measure]
            )
        return float(np.mean(values))

    assert mean("range", "depth") < mean("none", "depth") - 20
    assert mean("asymmetry", "uneven") > mean("none", "uneven") + 10
    assert mean("lean", "lean") > mean("none", "lean") + 10
    assert mean("bend", "straight") > mean("none", "straight") + 10
    assert mean("tremor", "shaking") > mean("none", "shaking") + 0.5
    times = [np.array([time for time, _ in ACTIONS[SQUAT].keys])]
    drift = [np.mean([np.abs(outline(0, i, q).times - times).mean() for i in range(SQUAT, 600, 6)]) for q in (1, 0)]
    assert drift[1] > 2 * drift[0]
    for quality in (0.0, 0.4, 1.0):
        plan = outline(0, SYNC_DIVE, quality)
        assert_allclose(plan.faults.sum(axis=1), (1 - quality) * len(synthetic.FAULTS))
    several = np.array([(outline(0, i, 0.0).faults[0] > 0.3).sum() for i in range(200)])
    assert np.median(several) >= 4


def test_no_single_joint_shows_the_quality() -> None:
    for action in range(6):
        moved = [normalised(perform(0, i, 0.0)) - normalised(perform(0, i, 1.0)) for i in range(action, 60, 6)]
        joint = np.linalg.norm(moved, axis=-1).mean(axis=(0, 1))
        assert (joint > 0.3 * joint.max()).sum() >= 10
        assert joint.max() < 0.2 * joint.sum()


def test_judges_score_the_quality_on_the_action_s_range(many: list[SyntheticClip]) -> None:
    for index, action in enumerate(ACTIONS):
        plans = [clip.outline for clip in many[index :: len(ACTIONS)]]
        scores = np.array([plan.score for plan in plans])
        low, high = action.score_range
        assert low <= scores.min() < low + 0.1 * (high - low) < high - 0.1 * (high - low) < scores.max() <= high
        assert 0.95 < spearmanr(scores, [plan.quality for plan in plans]).statistic < 1


def test_ridge_on_raw_coordinates_ranks_neither_perfectly_nor_by_chance(many: list[SyntheticClip]) -> None:
    rhos = []
    for action in range(6):
        chosen = range(action, 300, 6)
        x = np.stack([normalised(many[i]).ravel() for i in chosen])
        y = np.array([many[i].outline.score for i in chosen])
        y = (y - y.mean()) / y.std()
        test = np.array([synthetic.in_test(i) for i in chosen])
        predicted = Ridge(alpha=30).fit(x[~test], y[~test]).predict(x[test])
        rhos.append(spearmanr(predicted, y[test]).statistic)
    assert 0.55 < np.tanh(np.arctanh(rhos).mean()) < 0.92


# Nothing gives the score away -------------------------------------------------------------------------------------


def test_trivial_features_do_not_know_the_score(many: list[SyntheticClip]) -> None:
    features = {
        "length": [clip.outline.frames for clip in many],
        "duration": [clip.time[-1] for clip in many],
        "frame rate": [clip.outline.rate for clip in many],
        "missing joints": [np.isnan(clip.xy).mean() for clip in many],
        "missing frames": [np.isnan(clip.xy).all(axis=(2, 3)).mean() for clip in many],
        "confidence": [np.nanmean(clip.confidence) for clip in many],
        "least confidence": [np.nanquantile(clip.confidence, 0.02) for clip in many],
        "x": [np.nanmean(clip.xy[..., 0]) for clip in many],
        "y": [np.nanmean(clip.xy[..., 1]) for clip in many],
        "height": [body_of(0, clip.outline.performer)["height"] for clip in many],
        "performer": [clip.outline.performer for clip in many],
        "number of digits": [len(str(clip.outline.score)) for clip in many],
        "first phase": [clip.outline.phases[0] / clip.outline.frames for clip in many],
    }
    quality = [clip.outline.quality for clip in many]
    rho = {name: abs(spearmanr(feature, quality).statistic) for name, feature in features.items()}
    assert max(rho.values()) < 0.12, rho  # 600 clips: the standard error is 0.04


def test_camera_body_and_estimator_do_not_depend_on_quality() -> None:
    good, bad = perform(0, 10, 1.0), perform(0, 10, 0.0)
    assert_array_equal(np.isnan(good.xy), np.isnan(bad.xy))
    assert_array_equal(good.confidence, bad.confidence)
    assert_array_equal(good.time, bad.time)


# Camera and estimator ---------------------------------------------------------------------------------------------


def test_clips_have_the_announced_shapes_and_missing_parts(many: list[SyntheticClip]) -> None:
    for clip in many:
        persons, frames = clip.outline.action.performers, clip.outline.frames
        assert clip.xy.shape == (persons, frames, 15, 2)
        assert clip.confidence.shape == (persons, frames, 15)
        assert 40 <= frames <= 80
        missing = np.isnan(clip.xy).any(axis=-1)
        assert_array_equal(missing, (clip.confidence == 0) | np.isnan(clip.confidence))
        unknown = np.isnan(clip.confidence)
        assert_array_equal(unknown.any(axis=-1), unknown.all(axis=-1))
        assert missing.all(axis=-1).mean() < 0.5
        bounds = [0, *clip.outline.phases, frames]
        assert (np.diff(bounds) > 0).all()
    missing = np.concatenate([np.isnan(clip.xy).any(axis=-1).all(axis=-1).ravel() for clip in many])
    assert 0.01 < missing.mean() < 0.05
    joints = np.concatenate([(clip.confidence == 0).ravel() for clip in many])
    assert 0.003 < joints.mean() < 0.03


def test_phases_are_never_empty_however_bad_the_timing() -> None:
    for index in range(300):
        plan = outline(5, index, 0.0)
        assert (np.diff([0, *plan.phases, plan.frames]) > 0).all()


def test_estimates_are_worse_where_they_say_so() -> None:
    random, joints = np.random.default_rng(0), len(JOINTS)
    truth = np.broadcast_to(random.uniform(0, 100, (joints, 2)), (60, joints, 2))
    runs = [estimate(random, truth, 400.0) for _ in range(80)]
    error = np.linalg.norm(np.stack([xy for xy, _ in runs]) - truth, axis=-1)
    confidence = np.stack([c for _, c in runs])
    seen = np.isfinite(error) & (error < 100)
    mean = [np.median(error[..., j][seen[..., j]]) for j in range(joints)]
    assert mean[JOINT["left_wrist"]] > 1.5 * mean[JOINT["left_hip"]]
    assert mean[JOINT["left_ankle"]] > 1.3 * mean[JOINT["left_hip"]]
    for name in ("pelvis", "right_wrist"):
        j = JOINT[name]
        assert spearmanr(error[..., j][seen[..., j]], confidence[..., j][seen[..., j]]).statistic < -0.1
    twice = estimate(np.random.default_rng(1), truth, 800.0)[0] - truth
    once = estimate(np.random.default_rng(1), truth, 400.0)[0] - truth
    alike = np.isfinite(twice) & (np.abs(once) < 40)
    assert np.median(twice[alike] / once[alike]) == pytest.approx(2, abs=0.05)


def test_left_and_right_are_sometimes_swapped() -> None:
    truth = np.arange(2.0 * len(JOINTS)).reshape(-1, 2) * np.ones((60, 1, 1)) * 100
    swapped = 0
    for seed in range(100):
        xy, _ = estimate(np.random.default_rng(seed), truth, 1.0)
        left_at_right = np.abs(xy[:, JOINT["left_knee"]] - truth[:, JOINT["right_knee"]]).max(axis=-1) < 1
        swapped += int(left_at_right.sum())
    assert 0.002 < swapped / 6000 < 0.05


# Performers and parts ---------------------------------------------------------------------------------------------


def test_two_performers_dive_together_the_better_the_more_alike() -> None:
    apart = {}
    for quality in (1.0, 0.0):
        clips = [perform(0, index, quality) for index in range(SYNC_DIVE, 6 * 12, 6)]
        for clip in clips:
            assert len(clip.xy) == 2
            bones = [np.linalg.norm(clip.joints[:, 0, a] - clip.joints[:, 0, b], axis=-1) for a, b in BONES]
            assert all(first != second for first, second in bones)
        own = [clip.joints - clip.joints[:, :, [JOINT["pelvis"]]] for clip in clips]
        apart[quality] = np.mean([np.linalg.norm(joints[0] - joints[1], axis=-1).mean() for joints in own])
    assert apart[0.0] > 1.5 * apart[1.0]
    assert {len(perform(0, index).xy) for index in range(5)} == {1}


def test_performers_have_several_clips_of_every_action_and_one_part() -> None:
    count = 360
    ids = [synthetic.clip_id_of(index) for index in range(count)]
    assert len(set(ids)) == count
    assert ids[:7] == [f"{action.name}_001" for action in ACTIONS] + ["squat_002"]
    for performer in range(count // 12):
        clips = [index for index in range(count) if synthetic.performer_of(index) == performer]
        assert sorted(synthetic.action_of(index).name for index in clips) == sorted([a.name for a in ACTIONS] * 2)
        assert len({synthetic.in_test(index) for index in clips}) == 1
    assert sum(synthetic.in_test(index) for index in range(count)) == count / 3
