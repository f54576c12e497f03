import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import percentileofscore

from errors import InputError
from feedback.embedded_clips import load_measure
from feedback.performances import compare_performances, percentile
from feedback.subjects import Subject
from poses.batches import EmbeddedClips
from poses.skeleton import flip
from run_folder.trained_model import TrainedModel
from scoring.alignment import DTWAlignment
from tests.feedback.known_motion import at_speed, climb, filmed, generated, in_a_row, subject, turned_by
from tests.scoring.build import make_clips


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_measure(None)


def planted(seed: int, index: int, part: str, degrees: float) -> tuple[Subject, Subject, tuple[int, int]]:
    """A performance, the same with one fault from 40 to 55 % of its time, and the fault's first and last frame."""
    reference = filmed(seed, index, name="reference")
    begin, end = (round(share * len(reference.xy)) for share in (0.40, 0.55))
    return reference, replace(turned_by(reference, part, degrees, begin, end), name="attempt"), (begin, end)


def slower_in_the_middle(clip: Subject) -> tuple[Subject, float, float]:
    """The clip at half its speed from 30 % to 70 %, and the two frames."""
    frames = len(clip.xy)
    speeds = np.ones(frames - 1)
    speeds[round(0.3 * frames) : round(0.7 * frames)] = 0.5
    return at_speed(clip, speeds.tolist()), 0.3 * frames, 0.7 * frames


def embedded(clip: Subject, model: TrainedModel) -> EmbeddedClips:
    embedding = torch.from_numpy(model.embed(clip.xy, clip.confidence))[None]
    return make_clips(1, times=len(clip.xy), width=embedding.shape[-1], embedding=embedding)


# What is right --------------------------------------------------------------------------------------------------------


def test_total_and_curve_are_the_means_of_eq_6_along_the_path(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, attempt = filmed(3, 2), filmed(4, 8, 0.4)
    report = compare_performances([reference], attempt, model, mirror="no")
    a = torch.from_numpy(model.embed(reference.xy, reference.confidence)[report.path[:, 0]])
    b = torch.from_numpy(model.embed(attempt.xy, attempt.confidence)[report.path[:, 1]])
    score = 100 * np.exp(-0.5 * (torch.cosine_similarity(a, b).double().sub(1).numpy() / 0.3) ** 2)
    assert report.total == pytest.approx(score.mean(), abs=0.01)
    for row in (0, 10, len(attempt.xy) - 1):
        assert report.score[row] == pytest.approx(score[report.path[:, 1] == row].mean(), abs=0.01)
    # where waiting costs nothing, it is the warping of the clip scorers
    monkeypatch.setattr("feedback.embedded_clips.WAIT", 0.0)
    aligned = DTWAlignment()(embedded(attempt, model), embedded(reference, model))
    free = compare_performances([reference], attempt, model, mirror="no")
    assert free.total == pytest.approx(float(aligned.score), abs=0.01)


def test_a_performance_against_itself_has_100_and_no_worst_moment(model: TrainedModel) -> None:
    clip = filmed(3, 1)
    report = compare_performances([clip], clip, model)
    assert report.total == pytest.approx(100, abs=1e-3)
    assert report.moments == ()
    assert not report.mirrored
    assert report.warnings == ()
    assert (report.path[:, 0] == report.path[:, 1]).all()


@pytest.mark.parametrize(("seed", "index"), [(3, 1), (5, 0), (5, 4), (4, 0)])
def test_a_planted_fault_is_the_worst_moment_and_named(seed: int, index: int, model: TrainedModel) -> None:
    reference, attempt, (begin, end) = planted(seed, index, "left knee", 30)
    report = compare_performances([reference], attempt, model)
    worst = report.moments[0]
    assert begin <= worst.attempt_row <= end
    assert abs(worst.reference_row - worst.attempt_row) <= 2
    assert worst.words[0].startswith("left knee: ")
    assert worst.words[0].endswith(" degrees more bent")
    assert float(worst.words[0].split()[2]) == pytest.approx(30, abs=6)
    assert report.total < 100 - 1e-3
    outside = np.r_[report.score[: begin - 2], report.score[end + 3 :]]
    assert outside.min() > report.score[begin : end + 1].min()


def test_the_alignment_undoes_slowing(model: TrainedModel) -> None:
    reference, attempt, (begin, end) = planted(5, 0, "left knee", 30)
    slow, first, last = slower_in_the_middle(reference)
    report = compare_performances([reference], slow, model)
    assert report.total > 99.9
    played = np.interp(np.arange(len(slow.xy)), [0, first, first + 2 * (last - first)], [0, first, last])
    middle = (report.path[:, 1] > first) & (report.path[:, 1] < last)
    assert np.abs(report.path[middle, 0] - played[report.path[middle, 1]]).max() <= 4
    # the fault is found in slow motion too, at its place in the reference
    fault = compare_performances([reference], slower_in_the_middle(attempt)[0], model)
    assert begin <= fault.moments[0].reference_row <= end
    assert "left knee: 30 degrees more bent" in fault.moments[0].words
    assert fault.total < report.total


@pytest.mark.parametrize(
    ("part", "verb", "other"), [("trunk", "leans", "whole body"), ("whole body", "turned", "trunk")]
)
def test_a_leaning_trunk_is_told_from_a_turned_body(part: str, verb: str, other: str, model: TrainedModel) -> None:
    reference, attempt, (begin, end) = planted(5, 0, part, 30)
    moments = compare_performances([reference], attempt, model, mirror="no").moments
    inside = [one for one in moments if begin <= one.attempt_row <= end]
    assert inside
    for one in inside:
        assert any(word.startswith(f"{part}: {verb} ") for word in one.words)
        assert not any(word.startswith(f"{other}: ") for word in one.words)


def test_two_faults_are_two_moments_well_apart(model: TrainedModel) -> None:
    reference = filmed(5, 0)
    frames = len(reference.xy)
    spans = [(round(0.42 * frames), round(0.5 * frames)), (round(0.85 * frames), frames - 1)]
    attempt = turned_by(turned_by(reference, "left knee", 40, *spans[0]), "right knee", 40, *spans[1])
    moments = compare_performances([reference], attempt, model).moments
    assert sorted(any(begin <= one.attempt_row <= end for one in moments) for begin, end in spans) == [True, True]
    times = sorted(one.time for one in moments)
    assert np.diff(times).min() >= 0.4


def test_a_climb_with_an_arm_moved_and_frames_repeated(model: TrainedModel, speed21_root: Path) -> None:
    reference = climb(speed21_root, 3)
    frames = len(reference.xy)
    begin, end = round(0.6 * frames), round(0.68 * frames)
    faulty = turned_by(reference, "left arm", 60, begin, end)
    again = np.repeat(np.arange(frames), np.where((np.arange(frames) + 70) % 100 < 30, 2, 1))
    attempt = subject(faulty.xy[again], name="attempt")
    plain = compare_performances([reference], subject(reference.xy[again]), model)
    assert plain.total == pytest.approx(100, abs=0.01)
    report = compare_performances([reference], attempt, model)
    assert begin <= again[report.moments[0].attempt_row] <= end
    assert report.moments[0].words[0] == "left arm: raised 60 degrees higher"
    assert report.total < plain.total


def test_a_moment_that_is_matched_with_many_is_shown_with_one_that_stands_for_them(model: TrainedModel) -> None:
    reference = filmed(5, 1)
    cut = len(reference.xy) // 2
    attempt = subject(reference.xy[:cut])  # ends in the air: its last frame is matched with all that follows
    report = compare_performances([reference], attempt, model)
    assert report.moments[0].attempt_row >= cut - 4
    for one in report.moments:
        matched = report.path[report.path[:, 1] == one.attempt_row, 0]
        assert one.reference_row in matched
        assert abs(one.score - report.score[one.attempt_row]) < 25


def test_one_frame_misread_by_the_estimator_is_no_worst_moment(model: TrainedModel) -> None:
    reference, attempt, (begin, end) = planted(5, 0, "left knee", 30)
    xy = attempt.xy.copy()
    xy[5], _ = flip(xy[5], None, 640.0)
    report = compare_performances([reference], replace(attempt, xy=xy), model, mirror="no")
    assert report.score[5] < report.score[begin : end + 1].min()
    assert begin <= report.moments[0].attempt_row <= end


# Fairness -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mirror", "mirrored"), [("auto", True), ("yes", True), ("no", False)])
def test_the_other_side_is_compared_mirrored(
    mirror: Literal["auto", "yes", "no"], mirrored: bool, model: TrainedModel
) -> None:
    reference, attempt, _ = planted(5, 3, "left knee", 40)
    xy, _ = flip(attempt.xy, None, 640.0)
    plain = compare_performances([reference], attempt, model, mirror="no")
    report = compare_performances([reference], subject(xy, None, 30.0), model, mirror=mirror)
    assert report.mirrored is mirrored
    if mirrored:
        assert report.total == pytest.approx(plain.total, abs=0.01)
        assert report.moments[0].attempt_row == plain.moments[0].attempt_row
        # the knee that is the attempt's own
        assert report.moments[0].words[0] == plain.moments[0].words[0].replace("left", "right")
        assert (report.other_way is None) == (mirror == "yes")
    else:
        assert report.total < plain.total - 10


def test_other_cameras_are_warned_of(model: TrainedModel) -> None:
    front, side = filmed(3, 0, azimuth=0, name="front"), filmed(3, 0, azimuth=95, name="side")
    (warning,) = compare_performances([front], side, model).warnings
    assert "clearly different sides" in warning
    assert "front from the front" in warning
    assert compare_performances([front], filmed(4, 0, azimuth=12), model).warnings == ()


def test_missing_frames_and_joints_are_left_out_counted_and_said(model: TrainedModel) -> None:
    reference = filmed(3, 2, name="reference")
    xy = reference.xy.copy()
    xy[4:9] = np.nan
    xy[20] = np.nan
    xy[25, :8] = np.nan
    xy[:, 7] = np.nan
    report = compare_performances([reference], replace(reference, name="attempt", xy=xy), model)
    assert np.flatnonzero(np.isnan(report.score)).tolist() == [4, 5, 6, 7, 8, 20, 25]
    assert not set(report.path[:, 1]) & {4, 5, 6, 7, 8, 20, 25}
    frames = len(xy)
    assert report.warnings[:3] == (
        f"attempt: 6 of {frames} frames without a pose left out, at most 5 in a row",
        f"attempt: 1 of {frames} frames with fewer than 8 joints left out",
        "attempt: missing in most frames, and filled in from their neighbours: right wrist (100%)",
    )
    assert not any("wrist" in word or "right elbow" in word for one in report.moments for word in one.words)


def test_several_references_give_the_best_the_spread_and_a_percentile(model: TrainedModel) -> None:
    references = [filmed(9, 2 + 6 * number, name=f"reference {number}") for number in range(6)]
    attempt = filmed(9, 2 + 6 * 6, 0.8)
    report = compare_performances(references, attempt, model, mirror="no")
    alone = [compare_performances([one], attempt, model, mirror="no").total for one in references]
    assert [total for _, total in report.totals] == pytest.approx(alone)
    assert report.total == max(alone)
    assert report.reference.name == f"reference {int(np.argmax(alone))}"
    among = [
        compare_performances([*references[:n], *references[n + 1 :]], references[n], model, mirror="no").total
        for n in range(6)
    ]
    assert report.percentile == pytest.approx(percentileofscore(among, report.total, "weak"))
    assert report.as_json()["spread"]["lowest"] == min(alone)
    assert compare_performances(references[:4], attempt, model).percentile is None
    group = compare_performances(references[:1], attempt, model, mirror="no", group=references)
    assert group.percentile == report.percentile
    assert group.group == 6


def test_members_of_a_group_without_a_usable_pose_are_left_out_and_said(model: TrainedModel) -> None:
    group = [filmed(9, 2 + 6 * number, name=f"member {number}") for number in range(6)]
    attempt = filmed(9, 2 + 6 * 6, 0.8)
    xy = group[0].xy.copy()
    xy[:, :8] = np.nan
    half = replace(group[0], name="half.mp4", xy=xy)
    plain = compare_performances(group[:1], attempt, model, mirror="no", group=group)
    report = compare_performances(group[:1], attempt, model, mirror="no", group=[half, *group])
    assert (report.percentile, report.group) == (plain.percentile, 6)
    assert [line for line in report.warnings if line not in plain.warnings] == [
        f"left out of the group: half.mp4: no frame of {len(xy)} shows 8 or more joints of a person; give a clip in "
        "which the whole person can be seen"
    ]
    for few in ([half], [half, *group[:4]]):
        report = compare_performances(group[:1], attempt, model, mirror="no", group=few)
        assert report.percentile is None
        assert report.warnings[-1].startswith(f"no percentile: {len(few) - 1} members")


def test_the_percentile_counts_equals() -> None:
    assert percentile(50, [10, 50, 90, 90]) == 50
    assert percentile(5, [10, 50]) == 0


# Edges ----------------------------------------------------------------------------------------------------------------


def test_one_frame_is_a_clip(model: TrainedModel) -> None:
    clip = filmed(3, 3)
    one = replace(clip, xy=clip.xy[9:10], confidence=clip.confidence[9:10], frame=clip.frame[:1], time=clip.time[:1])
    report = compare_performances([one], clip, model)
    assert report.path[:, 0].tolist() == [0] * len(clip.xy)
    assert report.score[9] == pytest.approx(100, abs=0.01)
    assert compare_performances([clip], one, model, repetitions=True).path[:, 1].tolist() == [0] * len(clip.xy)
    assert compare_performances([one], one, model).total == pytest.approx(100, abs=0.01)


def test_unknown_times_and_other_frame_rates_are_fine(model: TrainedModel) -> None:
    reference = filmed(3, 3)
    fast = replace(at_speed(reference, [0.5] * (len(reference.xy) - 1)))
    timeless = replace(fast, time=np.full(len(fast.xy), np.nan))
    report = compare_performances([reference], timeless, model)
    assert report.total > 99.5
    assert {point["time"] for point in report.as_json()["curve"]} == {None}


@pytest.mark.parametrize("which", ["reference", "attempt"])
def test_a_clip_without_a_person_is_refused(which: str, model: TrainedModel) -> None:
    clip = filmed(3, 3)
    nobody = replace(clip, name="empty.mp4", xy=np.full_like(clip.xy, np.nan))
    pair = ([nobody], clip) if which == "reference" else ([clip], nobody)
    with pytest.raises(InputError, match=r"empty\.mp4: no frame of \d+ shows 8 or more joints"):
        compare_performances(*pair, model)
    with pytest.raises(InputError, match="no reference"):
        compare_performances([], clip, model)


def test_clips_too_long_to_align_are_refused(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = filmed(3, 3)
    monkeypatch.setattr("feedback.embedded_clips.LARGEST", 100)
    with pytest.raises(InputError, match="too many to align"):
        compare_performances([clip], clip, model)


# Repetitions ----------------------------------------------------------------------------------------------------------


def test_repetitions_have_reports_of_their_own(model: TrainedModel) -> None:
    reference = filmed(8, 2, name="reference")
    begin, end = (round(share * len(reference.xy)) for share in (0.40, 0.55))
    parts = [reference, turned_by(reference, "right elbow", 70, begin, end)]
    parts.append(at_speed(reference, [0.7] * (len(reference.xy) - 1)))
    clip, spans = in_a_row(parts, np.random.default_rng(1))
    report = compare_performances([reference], clip, model, repetitions=True)
    assert len(report.repetitions) == 3
    for one, (first, last) in zip(report.repetitions, spans, strict=True):
        assert abs(one.attempt.frame[0] - first) <= 12
        assert abs(one.attempt.frame[-1] - last) <= 12
        assert np.array_equal(report.score[one.attempt.frame], one.score)
    totals = [one.total for one in report.repetitions]
    assert report.total == pytest.approx(np.mean(totals))
    assert np.argmin(totals) == 1
    worst = report.repetitions[1].moments[0]
    at = int(worst.attempt.frame[worst.attempt_row]) - spans[1][0]
    assert begin <= at <= end
    assert worst.words[0].startswith("right elbow: ")
    inside = np.zeros(len(clip.xy), bool)
    for one in report.repetitions:
        inside[one.attempt.frame] = True
    assert np.isnan(report.score[~inside]).all()


def test_repetitions_are_found_at_another_frame_rate_and_mirrored(model: TrainedModel) -> None:
    reference = generated(8, 3)
    clip, spans = in_a_row([filmed(9, 3), filmed(9, 3, 0.6)], np.random.default_rng(2))
    xy, _ = flip(at_speed(clip, [0.5] * (len(clip.xy) - 1)).xy, None, 640.0)
    doubled = subject(xy, None, 2 * round(1 / float(np.diff(clip.time).mean())))
    report = compare_performances([reference], doubled, model, repetitions=True)
    assert report.mirrored
    assert len(report.repetitions) == 2
    for one, (first, last) in zip(report.repetitions, spans, strict=True):
        assert abs(one.attempt.frame[0] / 2 - first) <= 12
        assert abs(one.attempt.frame[-1] / 2 - last) <= 12


def test_no_repetition_is_said_and_the_whole_clip_scored(model: TrainedModel) -> None:
    reference = filmed(8, 1)
    still = subject(reference.xy[:1].repeat(90, 0) + np.random.default_rng(0).normal(0, 1, (90, 15, 2)))
    report = compare_performances([reference], still, model, repetitions=True)
    assert report.repetitions == ()
    assert "no repetition" in report.warnings[0]
    assert math.isfinite(report.total)


@pytest.mark.parametrize("repetitions", [False, True])
def test_the_report_is_json(repetitions: bool, model: TrainedModel) -> None:
    clip, _ = in_a_row([filmed(8, 1), filmed(8, 1, 0.5)], np.random.default_rng(0))
    clip.xy[3] = np.nan
    report = compare_performances([filmed(8, 1)], clip, model, repetitions=repetitions)
    again = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert len(again["curve"]) == len(clip.xy)
    assert again["curve"][3]["score"] is None
    assert again["score"] == report.total
    assert len(again["repetitions"]) == (2 if repetitions else 0)
    assert again["worst_moments"][0]["words"] == list(report.moments[0].words)
