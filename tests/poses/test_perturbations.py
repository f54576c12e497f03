from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.labels import ClipLabel
from errors import InputError
from poses.cache.keypoint_cache import PoseTable, Provenance, read_cache, write_clip
from poses.normalisation import Normalisation
from poses.perturbations import (
    LARGEST,
    LEVELS,
    MEASURED,
    NECK,
    PAIRS,
    PELVIS,
    SWAPPED,
    DroppedJoints,
    EstimatorNoise,
    JointNoise,
    Mirror,
    OppositeView,
    Perturbation,
    Rotation,
    curves,
    generator_of,
    perturbed_poses,
    torso_lengths,
)
from poses.skeleton import JOINTS
from poses.tracks import SampledKeypoints, sample_keypoints
from tests.datamodules.test_base import Dataset, label

LEFT, RIGHT = JOINTS.index("left_wrist"), JOINTS.index("right_wrist")


def poses(*leading: int, missing: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poses with a torso of 50 pixels, joints all around it, and some missing."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 200, (*leading, 15, 2)).astype(np.float32)
    xy[..., PELVIS, :] = xy[..., NECK, :] + np.array([30, 40], np.float32)
    confidence = np.ones(xy.shape[:-1], np.float32)
    gone = rng.random(confidence.shape) < missing
    gone[..., [NECK, PELVIS]] = False
    xy[gone], confidence[gone] = np.nan, 0
    return xy, confidence


def apply(perturbation: Perturbation, xy: np.ndarray, confidence: np.ndarray, clip: str = "a") -> tuple:
    return perturbation(xy, confidence, generator_of(clip, 0))


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("kind", LEVELS)
def test_level_0_changes_nothing_and_others_leave_their_input_alone(kind: type[Perturbation]) -> None:
    xy, confidence = poses(2, 6, missing=0.1)
    before = xy.copy(), confidence.copy()
    same = apply(kind(0.0), xy, confidence)
    assert equal(same[0], xy)
    assert equal(same[1], confidence)
    changed = apply(kind(LEVELS[kind][-1]), xy, confidence)
    assert not equal(changed[0], xy)
    assert changed[0].dtype == np.float32
    assert changed[1].dtype == np.float32
    assert equal(xy, before[0])
    assert equal(confidence, before[1])
    assert equal(changed[0], apply(kind(LEVELS[kind][-1]), xy, confidence)[0])


@pytest.mark.parametrize("kind", LEVELS)
def test_levels_out_of_range_are_refused(kind: type[Perturbation]) -> None:
    for level in (-1.0, float("nan")):
        with pytest.raises(InputError, match=f"{kind.name}: the level is"):
            kind(level)
    if kind in (DroppedJoints, Mirror, OppositeView):
        with pytest.raises(InputError, match=f"{kind.name}: the level is 101"):
            kind(101.0)


def test_curves_begin_with_poses_as_they_are() -> None:
    for curve in curves():
        levels = [one.level for one in curve]
        assert levels[0] == 0
        assert levels == sorted(set(levels))
        assert len({(one.name, one.unit) for one in curve}) == 1
    assert len({curve[0].name for curve in curves()}) == len(LEVELS)


def test_joint_noise_has_the_stated_size() -> None:
    xy, confidence = poses(1, 4000, missing=0.1)
    noisy, sure = apply(JointNoise(10), xy, confidence)
    off = (noisy - xy)[np.isfinite(xy)]
    assert off.std() == pytest.approx(5, rel=0.02)  # a tenth of 50 pixels
    assert abs(off.mean()) < 0.1
    assert equal(np.isnan(noisy), np.isnan(xy))
    assert equal(sure, confidence)
    half, _ = apply(JointNoise(5), xy, confidence)
    np.testing.assert_allclose(half - xy, (noisy - xy) / 2, atol=1e-4)  # the same draws


def test_size_of_bodies_without_neck_or_pelvis() -> None:
    xy, _ = poses(2, 3)
    xy[0, 1, PELVIS] = xy[0, 2] = xy[1, :, NECK] = np.nan
    lengths = torso_lengths(xy)
    np.testing.assert_allclose(lengths[0], 50, rtol=1e-5)
    extent = np.nanmax(np.nanmax(xy[1], axis=1) - np.nanmin(xy[1], axis=1), axis=1)
    np.testing.assert_allclose(lengths[1], 0.37 * extent, rtol=1e-5)


def test_joints_are_dropped_in_the_stated_number() -> None:
    xy, confidence = poses(2, 500)
    fewer = np.zeros(confidence.shape, bool)
    for count in (1, 4, 14):
        dropped, sure = apply(DroppedJoints(count), xy, confidence)
        gone = np.isnan(dropped[..., 0])
        assert (gone.sum(axis=-1) == count).all()
        assert equal(sure == 0, gone)
        assert gone[fewer].all()  # who is missing at one level is so at the next
        assert equal(dropped[~gone], xy[~gone])
        np.testing.assert_allclose(gone.mean(axis=(0, 1)), count / 15, atol=0.08)
        fewer = gone


def test_rotation_turns_clockwise_about_the_middle() -> None:
    xy, confidence = poses(1, 1)
    xy[0, 0, :] = [100, 50]
    xy[0, 0, LEFT], xy[0, 0, RIGHT] = [100, 0], [100, 100]  # from above to below
    turned, _ = apply(Rotation(90), xy, confidence)
    np.testing.assert_allclose(turned[0, 0, LEFT], [150, 50], atol=1e-4)  # what was above is on the right
    np.testing.assert_allclose(turned[0, 0, RIGHT], [50, 50], atol=1e-4)
    xy, confidence = poses(2, 5, missing=0.2)
    np.testing.assert_allclose(apply(Rotation(360), xy, confidence)[0], xy, atol=1e-3)
    there, _ = apply(Rotation(30), xy, confidence)
    distances = [np.linalg.norm(one[..., :, None, :] - one[..., None, :, :], axis=-1) for one in (xy, there)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-3)


@pytest.mark.parametrize("kind", [Mirror, OppositeView])
def test_mirroring_twice_is_nothing(kind: type[Perturbation]) -> None:
    xy, confidence = poses(2, 5, missing=0.2)
    once = apply(kind(100), xy, confidence)
    twice = apply(kind(100), *once)
    assert not equal(once[0], xy)
    assert equal(twice[0], xy)
    assert equal(twice[1], confidence)
    wrist = LEFT if kind is OppositeView else RIGHT
    assert equal(once[0][..., LEFT, :], xy[..., wrist, :] * np.array([-1, 1], np.float32))
    assert equal(once[1][..., LEFT], confidence[..., wrist])


def test_the_stated_share_of_the_clips_is_mirrored() -> None:
    xy, confidence = poses(1, 2)
    mirrored = {
        level: {clip for clip in range(800) if not equal(apply(Mirror(level), xy, confidence, f"c{clip}")[0], xy)}
        for level in (25, 50, 100)
    }
    assert mirrored[25] < mirrored[50] < mirrored[100]
    assert [len(mirrored[level]) / 8 for level in (25, 50, 100)] == pytest.approx([25, 50, 100], abs=4)


def test_noise_of_an_estimator_is_as_measured() -> None:
    xy, confidence = poses(1, 20_000)
    said, sure = apply(EstimatorNoise(1), xy, confidence)
    missing = sure == 0
    assert equal(np.isnan(said[..., 0]), missing)
    errors = np.linalg.norm(said - xy, axis=-1) / 50
    for joint, (median, share) in {name: MEASURED[name.split("_")[-1]] for name in JOINTS}.items():
        column = JOINTS.index(joint)
        assert np.nanmedian(errors[..., column]) == pytest.approx(median, rel=0.05)
        assert missing[..., column].mean() == pytest.approx(share, abs=0.01)
        if "_" not in joint:  # those that have no other side to be taken for
            assert np.nanmax(errors[..., column]) <= LARGEST + 1e-4
            assert np.nanquantile(errors[..., column], 0.9) == pytest.approx(3 * median, rel=0.07)
    crossed = [
        np.linalg.norm(said[..., [b, a], :] - xy[..., [a, b], :], axis=-1) < errors[..., [a, b]] * 50 for a, b in PAIRS
    ]
    assert np.mean(crossed) > SWAPPED  # the swaps, and joints that lay close together
    twice, _ = apply(EstimatorNoise(2), xy, confidence)
    both = np.isfinite(said[..., NECK, 0]) & np.isfinite(twice[..., NECK, 0])
    moved = [(one[..., NECK, :] - xy[..., NECK, :])[both] for one in (said, twice)]
    np.testing.assert_allclose(2 * moved[0], moved[1], atol=1e-3)


def test_left_and_right_are_exchanged_in_the_stated_share() -> None:
    xy, confidence = poses(1, 30_000)
    for left, right in PAIRS:
        xy[..., left, 0], xy[..., right, 0] = 0, 10_000
    xy[..., [NECK, PELVIS], :] = [[100, 0], [100, 1]]  # errors of a pixel or less
    said, _ = apply(EstimatorNoise(3), xy, confidence)
    swapped = [said[..., left, 0] > 5000 for left, _ in PAIRS]
    assert np.mean(swapped) == pytest.approx(3 * SWAPPED * (1 - 0.2), rel=0.2)  # of those not missing


def keypoints(clips: Sequence[tuple[str, int]], missing: float = 0.1) -> SampledKeypoints:
    """Clips of so many tracks, each by its name's own."""
    made = [poses(tracks, 8, missing=missing, seed=int(name)) for name, tracks in clips]
    index = np.repeat(np.arange(len(clips)), [tracks for _, tracks in clips])
    return SampledKeypoints(
        np.concatenate([xy for xy, _ in made]),
        np.concatenate([confidence for _, confidence in made]),
        index,
        [name for name, _ in clips],
    )


@pytest.mark.parametrize("kind", LEVELS)
def test_a_clip_does_not_depend_on_the_others(kind: type[Perturbation]) -> None:
    several, alone = keypoints([("3", 1), ("1", 2), ("2", 1)]), keypoints([("1", 2)])
    change = kind(LEVELS[kind][-2])
    both = [perturbed_poses(one, change, Normalisation(), 5) for one in (several, alone)]
    assert equal(both[0][1:3], both[1])
    other_seed = perturbed_poses(several, change, Normalisation(), 6)
    assert kind is Rotation or not equal(both[0], other_seed)


def test_a_pose_that_lost_all_joints_shows_the_one_before() -> None:
    some = keypoints([("1", 2)])
    some.xy[0, [0, 3, 4]] = some.xy[1] = np.nan
    shown = perturbed_poses(some, Rotation(30), Normalisation())
    assert equal(shown[0, 0], shown[0, 1])
    assert equal(shown[0, 3], shown[0, 2])
    assert equal(shown[0, 4], shown[0, 2])
    assert not equal(shown[0, 5], shown[0, 4])
    assert (shown[1] == 0.5).all()


@pytest.mark.parametrize("kind", LEVELS)
def test_repeating_every_frame_changes_nothing(kind: type[Perturbation]) -> None:
    xy, confidence = poses(11, missing=0.2)
    xy[[0, 4, 5, 10]] = np.nan

    def shown(times: int) -> np.ndarray:
        table = PoseTable(
            xy=np.repeat(xy, times, axis=0),
            confidence=np.repeat(confidence, times, axis=0),
            frame=np.arange(11 * times, dtype=np.int32),
            time=np.full(11 * times, np.nan),
            interpolated=np.zeros(11 * times, np.bool_),
            clip_ids=["a"],
            track_clip=np.array([0]),
            track_person=np.array([0]),
            track_start=np.array([0, 11 * times]),
            provenance=[Provenance("test")],
        )
        sampled = sample_keypoints(table, Normalisation(), 8)
        return perturbed_poses(sampled, kind(LEVELS[kind][-1]), Normalisation())

    assert equal(shown(1), shown(3))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Clips of two people, some frames and joints missing, some joints unsure."""
    rng = np.random.default_rng(0)
    for number in range(12):
        xy, confidence = poses(14, missing=0.1, seed=number)
        xy[[0, 9]] = np.nan
        confidence[rng.random(confidence.shape) < 0.1] = 0.1
        frame, person = np.tile(np.arange(7), 2), np.repeat([0, 1], 7)
        write_clip(
            tmp_path / "cache", f"c{number}", xy=xy, confidence=confidence, frame=frame, person=person,
            provenance=Provenance("test"),
        )  # fmt: skip
    labels: list[ClipLabel] = [label(f"c{i}", float(i), part="test" if i % 3 == 0 else "train") for i in range(12)]
    data = Dataset(tmp_path / "cache", labels, normalisation=Normalisation(keep_aspect=True))
    data.setup("test")
    return data


def shown(dataset: Dataset, change: Perturbation) -> np.ndarray:
    return perturbed_poses(dataset.keypoints(), change, dataset.normalisation)


@pytest.mark.parametrize("kind", LEVELS)
def test_level_0_gives_the_poses_of_a_test(dataset: Dataset, kind: type[Perturbation]) -> None:
    (batch,) = list(dataset.test_dataloader()[1])
    assert torch.equal(batch.content, torch.from_numpy(shown(dataset, kind(0.0))))


def test_only_the_clips_to_score_are_perturbed(dataset: Dataset) -> None:
    before = [next(iter(loader)).content.clone() for loader in dataset.test_dataloader()]
    poses = shown(dataset, Rotation(90))
    exemplars, batch = (next(iter(loader)) for loader in dataset.test_dataloader())
    assert exemplars.content.equal(before[0])
    assert batch.content.equal(before[1])
    assert poses.shape == batch.content.shape
    # by hand: the moments' keypoints turned, then normalised
    for row, (clip, track) in enumerate(zip(batch.clip, batch.track, strict=True)):
        table = read_cache(dataset.cache, [dataset.clips[clip].clip_id])
        person = int(track) % 2
        for moment, frame in enumerate((0, 2, 4, 6)):  # the middles of four shares of seven frames
            at = person * 7 + (frame if frame else 1 if person == 0 else 0)
            if np.isnan(table.xy[at]).all():
                at -= 1
            x, y = table.xy[at, :, 0], table.xy[at, :, 1]
            wanted, _ = Normalisation(keep_aspect=True)(np.stack([-y, x], axis=-1), table.confidence[at])
            np.testing.assert_allclose(poses[row, moment], wanted, atol=1e-5)


def test_another_part_is_not_perturbed_as_the_last_one(dataset: Dataset) -> None:
    before = shown(dataset, JointNoise(5))
    dataset._labels = [
        one if i % 3 else label(f"c{i}", float(i), part="train") for i, one in enumerate(dataset.labels())
    ]
    dataset._labels[1] = label("c1", 1.0, part="test")
    dataset.setup("test")
    assert len(before) == 8
    assert len(shown(dataset, JointNoise(5))) == 2
