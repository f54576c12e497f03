import json
import math

import numpy as np
import pytest
import torch

from errors import InputError
from feedback.embedded_clips import load_measure
from feedback.performances import Mirror
from feedback.single_poses import compare_poses
from poses.skeleton import BONES, JOINTS, flip
from run_folder.trained_model import TrainedModel
from scoring.distances import cosine_distance
from tests.feedback.people import pose, subject


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_measure(None)


PLANTED = [
    ({"left_knee": 34.0}, "left knee: 34 degrees more bent", "left leg"),
    ({"right_knee": -25.0}, "right knee: 25 degrees more bent", "right leg"),
    ({"right_arm": 60.0}, "right arm: raised 60 degrees higher", "right arm"),
    ({"left_elbow": -70.0}, "left elbow: 70 degrees more bent", "left arm"),
    ({"left_hip": -35.0}, "left hip: thigh 35 degrees further out", "left leg"),
    ({"trunk": 12.0}, "trunk: leans 12 degrees further to the left", None),
    ({"whole_body": 30.0}, "whole body: turned 30 degrees clockwise in the picture", None),
]


@pytest.mark.parametrize(("planted", "words", "limb"), PLANTED)
def test_a_planted_difference_comes_first(planted: dict, words: str, limb: str | None, model: TrainedModel) -> None:
    report = compare_poses([subject("a", pose())], subject("b", pose(**planted)), model, mirror="no")
    assert report.findings[0].words == words
    assert report.findings[0].degrees == pytest.approx(next(iter(planted.values())), abs=0.01)
    assert report.score < 99.9
    assert report.score + report.findings[0].cost == pytest.approx(100, abs=0.01)
    assert report.mended == pytest.approx(100, abs=0.01)
    assert not report.mirrored
    if limb is not None:
        assert max(report.limb_costs, key=lambda name: report.limb_costs[name]) == limb
        assert report.limb_costs[limb] == pytest.approx(report.findings[0].cost, abs=0.01)


def test_the_score_is_that_of_the_model(model: TrainedModel) -> None:
    one, other = pose(right_arm=40), pose(left_knee=20, trunk=5)
    report = compare_poses([subject("a", one)], subject("b", other), model, mirror="no")
    a, b = model.embed(torch.from_numpy(np.stack([one, other]))).double()
    assert report.distance == pytest.approx(cosine_distance(a, b).item(), abs=1e-5)
    assert report.distance == pytest.approx(float(model.distance(one, other)), abs=1e-6)
    assert report.score == pytest.approx(100 * math.exp(-0.5 * (report.distance / 0.3) ** 2))
    assert report.other_way is None
    bones = {BONES[i] for i in np.flatnonzero(report.bones > 1)}
    named = {(JOINTS[a], JOINTS[b]) for a, b in bones}
    assert ("left_knee", "left_ankle") in named
    assert ("left_hip", "left_knee") not in named
    same = compare_poses([subject("a", one)], subject("b", 3 * one + 20), model)
    assert same.score > 99.99
    assert not same.findings


def test_a_mirrored_pose_is_told_and_keeps_its_own_left_and_right(model: TrainedModel) -> None:
    reference = pose(right_arm=100, right_elbow=40, left_knee=-30)
    mirrored, _ = flip(reference, None, 640.0)
    attempt = subject("b", mirrored)
    report = compare_poses([subject("a", reference)], attempt, model)
    assert report.mirrored
    assert report.score > 99.99
    assert report.other_way is not None
    assert report.other_way < 90
    asis = compare_poses([subject("a", reference)], attempt, model, mirror="no")
    assert asis.score == pytest.approx(report.other_way, abs=1e-3)
    assert compare_poses([subject("a", reference)], attempt, model, mirror="yes").score > 99.99
    # the reference's left knee is the attempt's right
    spoilt, _ = flip(pose(right_arm=100, right_elbow=40, left_knee=-70), None, 640.0)
    report = compare_poses([subject("a", reference)], subject("b", spoilt), model)
    assert report.mirrored
    assert report.findings[0].words == "right knee: 40 degrees more bent"
    assert report.score + report.findings[0].cost == pytest.approx(100, abs=0.01)
    # a pose that is the same both ways is left as it is
    assert not compare_poses([subject("a", pose())], subject("b", pose()), model).mirrored


def test_missing_joints_are_named_and_left_out_of_both(model: TrainedModel) -> None:
    reference = subject("a.jpg", pose(), missing=("left_ankle",))
    attempt = subject("b.jpg", pose(left_knee=34, right_elbow=50), missing=("right_wrist",))
    report = compare_poses([reference], attempt, model, mirror="no")
    assert "a.jpg: left out, not seen: left ankle" in report.warnings
    assert "b.jpg: left out, not seen: right wrist" in report.warnings
    # nothing else differs: what fills the gaps is the same on both sides
    assert report.score > 99.99
    assert not report.findings
    assert np.isnan(report.bones[BONES.index((5, 6))])


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("pelvis",), "only part of a person"),
        (tuple(name for name in JOINTS if name.split("_")[-1] in ("knee", "ankle", "wrist", "elbow")), "only part"),
        (tuple(JOINTS), "no joint"),
    ],
)
def test_too_few_joints_are_refused(missing: tuple[str, ...], words: str, model: TrainedModel) -> None:
    whole, part = subject("a.jpg", pose()), subject("b.jpg", pose(), missing)
    for references, attempt in (([whole], part), ([part], whole)):
        with pytest.raises(InputError, match=rf"b\.jpg: {words}"):
            compare_poses(references, attempt, model)


def test_too_few_joints_in_common_are_refused(model: TrainedModel) -> None:
    arms = tuple(name for name in JOINTS if name.split("_")[-1] in ("shoulder", "elbow", "wrist", "head"))
    legs = tuple(name for name in JOINTS if name.split("_")[-1] in ("knee", "ankle", "hip"))
    with pytest.raises(InputError, match="only 2 joints in common"):
        compare_poses([subject("a", pose(), arms)], subject("b", pose(), legs), model)


def test_cameras_on_different_sides_are_warned_of(model: TrainedModel) -> None:
    profile = pose(left_knee=30, right_knee=30)
    profile[:, 0] = 300 + (profile[:, 0] - 300) * 0.1
    profile[[JOINTS.index("left_ankle"), JOINTS.index("right_ankle")], 0] -= 40
    report = compare_poses([subject("front.jpg", pose())], subject("side.jpg", profile), model)
    (warning,) = (one for one in report.warnings if "clearly different sides" in one)
    assert "front.jpg from the front" in warning
    assert "side.jpg from the right" in warning
    assert not compare_poses([subject("a", pose())], subject("b", pose(left_knee=40)), model).warnings


def test_the_best_of_several_references_is_explained(model: TrainedModel) -> None:
    references = [subject(f"r{i}", pose(right_arm=30.0 * i)) for i in range(4)]
    report = compare_poses(references, subject("b", pose(right_arm=62.0)), model, mirror="no")
    assert report.reference.name == "r2"
    assert [name for name, _ in report.totals] == ["r0", "r1", "r2", "r3"]
    alone = [compare_poses([one], report.attempt, model, mirror="no").score for one in references]
    assert [score for _, score in report.totals] == pytest.approx(alone, abs=1e-3)
    assert report.score == pytest.approx(max(alone), abs=1e-3)
    assert report.percentile is None
    spread = report.as_json()["spread"]
    assert spread["lowest"] <= spread["median"] <= spread["highest"]


def test_the_percentile_agrees_with_a_slow_loop(model: TrainedModel) -> None:
    random = np.random.default_rng(0)
    members = [
        subject(f"g{i}", pose(right_arm=random.normal(90, 25), left_knee=random.normal(0, 15)), ("head",) * (i == 3))
        for i in range(6)
    ]
    # against each other, members are not all flipped against all as they are
    ways: list[tuple[Mirror, Mirror]] = [("no", "no"), ("auto", "auto"), ("yes", "no")]
    for mirror, among in ways:
        own = []
        for i, member in enumerate(members):
            others = [other for j, other in enumerate(members) if j != i]
            own.append(max(compare_poses([other], member, model, mirror=among).score for other in others))
        for arm in (90, 130):
            attempt = subject("b", pose(right_arm=arm))
            best = max(compare_poses([one], attempt, model, mirror=mirror).score for one in members)
            wanted = 100 * sum(one <= best for one in own) / len(own)
            assert compare_poses(members, attempt, model, mirror=mirror).percentile == pytest.approx(wanted)
            report = compare_poses([subject("a", pose())], attempt, model, mirror=mirror, group=members)
            assert report.percentile == pytest.approx(wanted)
            assert report.group == 6


def test_a_flipped_attempt_has_the_percentile_of_the_pose_before_it_was_flipped(model: TrainedModel) -> None:
    members = [subject(f"g{i}", pose(right_arm=70.0 + 8 * i, left_knee=6.0 * i)) for i in range(6)]
    attempt = pose(right_arm=135, left_knee=45)
    mirrored, _ = flip(attempt, None, 640.0)
    plain = compare_poses(members, subject("b", attempt), model, mirror="no")
    report = compare_poses(members, subject("b", mirrored), model, mirror="yes")
    assert report.percentile == plain.percentile == 0
    assert report.score == pytest.approx(plain.score, abs=1e-3)


def test_json_holds_no_nan(model: TrainedModel) -> None:
    report = compare_poses([subject("a", pose(), ("head",))], subject("b", pose(left_arm=50)), model)
    again = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert again["score"] == report.score
    assert [one["words"] for one in again["differences"]] == [one.words for one in report.findings]
    assert {"bone": ["neck", "head"], "degrees": None} in again["bones"]


def test_no_reference_is_refused(model: TrainedModel) -> None:
    with pytest.raises(InputError, match="no reference"):
        compare_poses([], subject("b", pose()), model)


def test_points_on_one_spot_are_refused(model: TrainedModel) -> None:
    flat = torch.full((15, 2), 5.0).numpy()
    with pytest.raises(InputError, match="one point"):
        compare_poses([subject("a", pose())], subject("b", flat), model)
