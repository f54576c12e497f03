"""The pipeline on a made-up world in which every right answer is known."""

import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.people import turned_points
from errors import InputError
from extraction.people.clip_poses import ClipPoses, FailedClip
from extraction.pipeline import CHUNK, Pipeline, extract_clip
from extraction.reading.media import ClipMedia
from extraction.types import Crop, Floats, Frame, Image, Keypoints, People
from poses.skeleton import JOINTS, convert
from tests.extraction.fakes import (
    SIDE,
    BarDetector,
    BarEstimator,
    frame_folder,
    keypoints_of,
    photograph,
    picture,
    walking,
    write_frames,
    write_photograph,
)

TOLERANCE = 1.0  # pixels: crops are 16 pixels wide


def joints_of(*box: float) -> np.ndarray:
    joints: np.ndarray = convert(keypoints_of(*box)[None], None, "coco17")[0][0]
    return joints


def by_name(results: list[ClipPoses | FailedClip]) -> dict[str, ClipPoses]:
    assert not [result for result in results if isinstance(result, FailedClip)]
    return {result.media.clip_id: result for result in results if isinstance(result, ClipPoses)}


def many_clips(folder: Path) -> list[ClipMedia]:
    """Photographs with one to three people, and clips of several lengths."""
    media = []
    for i in range(5):
        people = [(10 + 45 * k, 10 + 3 * i, 20, 50) for k in range(i % 3 + 1)]
        media.append(photograph(write_photograph(folder / f"photo_{i}.png", picture(*people))))
    lengths = (1, CHUNK, 2 * CHUNK + 3)
    return media + [frame_folder(write_frames(folder / f"clip_{frames}", walking(frames))) for frames in lengths]


def test_everybody_in_a_photograph_from_left_to_right(tmp_path: Path) -> None:
    people = [(100, 20, 20, 60), (10, 10, 30, 80), (60, 30, 16, 50)]
    path = write_photograph(tmp_path / "three.png", picture(*people))
    found = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator()))
    assert found.xy.shape == (3, 1, len(JOINTS), 2)
    assert found.size == (160, 120)
    for person, box in enumerate(sorted(people)):
        np.testing.assert_allclose(found.xy[person, 0], joints_of(*box), atol=TOLERANCE)
    np.testing.assert_allclose(found.confidence, 0.9)
    assert (found.frame.tolist(), found.dropped, found.looks, found.turned) == ([0], 0, 3, 0)


def test_a_clip_keeps_its_frame_numbers_and_its_performer(tmp_path: Path) -> None:
    media = frame_folder(write_frames(tmp_path / "walk", walking(2 * CHUNK + 3)))
    found = extract_clip(media, Pipeline(BarDetector(), BarEstimator()))
    assert found.frame.tolist() == list(range(1, 2 * CHUNK + 4))
    for frame in range(2 * CHUNK + 3):
        np.testing.assert_allclose(found.xy[0, frame], joints_of(10 + 3 * frame, 40, 20, 60), atol=TOLERANCE)


def test_batches_are_filled_across_frames_people_and_clips(tmp_path: Path) -> None:
    estimator = BarEstimator(batch=4)
    media = many_clips(tmp_path)
    found = by_name(list(Pipeline(BarDetector(), estimator).run(media)))
    people = 1 + 2 + 3 + 1 + 2 + 1 + CHUNK + 2 * CHUNK + 3
    assert sum(clip.looks for clip in found.values()) == sum(estimator.batches) == people
    assert estimator.batches[:-1] == [4] * (len(estimator.batches) - 1)  # only the last may be short
    assert estimator.decided == [None]  # prepared once


@pytest.mark.parametrize("second_look", [False, True])
def test_a_clip_comes_out_the_same_alone_and_among_others(tmp_path: Path, second_look: bool) -> None:
    media = many_clips(tmp_path)
    together = by_name(list(Pipeline(BarDetector(), BarEstimator(3, second_look)).run(media)))
    for clip in media:
        alone = extract_clip(clip, Pipeline(BarDetector(), BarEstimator(5, second_look)))
        for name in ("xy", "confidence", "boxes", "frame", "time"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together[clip.clip_id], name))


def test_an_estimator_that_wants_a_second_look_gets_one(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "one.png", picture((50, 20, 40, 80)))
    found = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator(second_look=True)))
    assert found.looks == 2
    np.testing.assert_allclose(found.xy[0, 0], joints_of(50, 20, 40, 80), atol=TOLERANCE)  # not the first, a pixel off


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_bodies_that_are_turned_are_found_by_turning(tmp_path: Path, turns: int) -> None:
    box = (50, 20, 40, 80)
    path = write_photograph(tmp_path / "turned.png", picture(box, turns=turns, size=(160, 160)))
    upright = joints_of(*box)
    end = 159.0
    x, y = upright.T
    turned = {1: (end - y, x), 2: (end - x, end - y), 3: (y, end - x)}[turns]

    without = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator()))
    assert (without.looks, without.turned) == (1, 0)
    assert without.confidence.max() < 0.5
    found = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator(), turn_below=0.5))
    assert (found.looks, found.turned) == (4, 1)
    np.testing.assert_allclose(found.confidence, 0.9)
    np.testing.assert_allclose(found.xy[0, 0], np.stack(turned, axis=1), atol=TOLERANCE)


def test_who_is_sure_upright_is_not_turned(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "upright.png", picture((50, 20, 40, 80)))
    found = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator(), turn_below=0.5))
    assert (found.looks, found.turned) == (1, 0)


class Boaster(BarEstimator):
    """Looks twice, and is surest where the body is not upright; but there every look says something else."""

    def __init__(self) -> None:
        super().__init__(second_look=True)

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        crop = super().crop(image, box, roi, turns if roi is None else round(float(roi[3])))
        upright = crop.pixels[: SIDE // 2].mean() > crop.pixels[SIDE // 2 :].mean() + 50
        if roi is not None and not upright:
            crop.to_image[:, 2] += 10 * roi[2]
        return crop

    def decode(self, raw: tuple[Floats, ...], crops: Sequence[Crop]) -> Keypoints:
        found = super().decode(raw, crops)
        roi = np.full((len(crops), 4), 2, np.float32)
        for i, crop in enumerate(crops):
            roi[i, 3] = np.arctan2(crop.to_image[1, 0], crop.to_image[0, 0]) / (np.pi / 2)  # in turns
        return Keypoints(found.xy, np.float32(1) - found.confidence, roi)


class AimedDetector(BarDetector):
    """Says of everybody where the body stands upright, and is wrong about it if it is turned."""

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        return [
            People(found.boxes, found.score, np.tile(np.array([0, 0, 1, 0], np.float32), (len(found.boxes), 1)))
            for found in super().detect(clip_id, frames)
        ]


@pytest.mark.parametrize("detector", [BarDetector(), AimedDetector()])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_answer_that_moves_least_when_looked_at_again_is_kept(
    tmp_path: Path, detector: BarDetector, turns: int
) -> None:
    box = (50, 20, 40, 80)
    path = write_photograph(tmp_path / "turned.png", picture(box, turns=turns, size=(160, 160)))
    aimed = isinstance(detector, AimedDetector)
    without = extract_clip(photograph(path), Pipeline(detector, Boaster()))
    assert (without.looks, without.turned) == (1 if aimed else 2, 0)
    np.testing.assert_allclose(without.confidence, 0.75 if turns else 0.1, atol=1e-6)

    found = extract_clip(photograph(path), Pipeline(detector, Boaster(), turn_below=0.8))
    assert (found.looks, found.turned) == (8, turns > 0)  # twice each way round, also where the detector has aimed
    np.testing.assert_allclose(found.confidence, 0.1, atol=1e-6)  # not the surest
    expected = turned_points(joints_of(*box), np.zeros((160, 160, 3), np.uint8), turns)
    np.testing.assert_allclose(found.xy[0, 0], expected, atol=TOLERANCE)


def test_a_detector_that_has_aimed_saves_the_second_look_of_who_is_sure(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "turned.png", picture((50, 20, 40, 80), turns=2))
    found = extract_clip(photograph(path), Pipeline(AimedDetector(), Boaster(), turn_below=0.7))
    assert (found.looks, found.turned) == (1, 0)


def test_only_the_largest_people_are_looked_at(tmp_path: Path) -> None:
    people = [(5, 10, 8, 20), (30, 10, 30, 90), (80, 10, 20, 60), (120, 10, 10, 30)]
    path = write_photograph(tmp_path / "four.png", picture(*people))
    found = extract_clip(photograph(path), Pipeline(BarDetector(), BarEstimator(), most_people=2))
    assert found.boxes[:, 0, 0].tolist() == [30, 80]


def test_gaps_stay_missing_unless_asked_for(tmp_path: Path) -> None:
    images = walking(20)
    for frame in (8, 9):
        images[frame] = picture()
    media = frame_folder(write_frames(tmp_path / "gap", images))
    left = extract_clip(media, Pipeline(BarDetector(), BarEstimator()))
    assert np.isnan(left.xy[0]).any(axis=(1, 2)).nonzero()[0].tolist() == [8, 9]
    assert np.isnan(left.confidence[0, 8]).all()
    assert not left.interpolated.any()
    filled = extract_clip(media, Pipeline(BarDetector(), BarEstimator(), interpolate=2))
    assert filled.interpolated[0].nonzero()[0].tolist() == [8, 9]
    np.testing.assert_allclose(filled.xy[0, 8], joints_of(10 + 3 * 8, 40, 20, 60), atol=TOLERANCE)


def test_a_clip_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    media = many_clips(tmp_path)
    media[1].files[0].write_bytes(b"no picture")
    media[7].files[CHUNK + 2].write_bytes(b"")  # after some frames were read
    media.insert(3, photograph(write_photograph(tmp_path / "empty.png", picture())))
    results = list(Pipeline(BarDetector(broken="photo_2"), BarEstimator()).run(media))
    failed = {result.media.clip_id: result.reason for result in results if isinstance(result, FailedClip)}
    assert sorted(failed) == ["clip_19", "empty", "photo_1", "photo_2"]
    assert "photo_1.png" in failed["photo_1"]
    assert f"img_{CHUNK + 3:05d}.png" in failed["clip_19"]
    assert failed["photo_2"].startswith("no boxes for clip")
    assert failed["empty"].startswith("no person found in it")
    assert len(results) == len(media)
    with pytest.raises(InputError, match=r"photo_1\.png"):
        extract_clip(media[1], Pipeline(BarDetector(), BarEstimator()))


def test_pictures_of_frames_are_let_go(tmp_path: Path) -> None:
    """However long a clip is, only a bounded number of its frames is in memory at any time."""
    images: list[weakref.ref[np.ndarray]] = []
    most = 0

    class Watching(BarDetector):
        def detect(self, clip_id, frames):  # type: ignore[no-untyped-def]
            nonlocal most
            images.extend(weakref.ref(frame.image) for frame in frames)
            most = max(most, sum(image() is not None for image in images))
            return super().detect(clip_id, frames)

    media = frame_folder(write_frames(tmp_path / "long", walking(150, step=0)))
    extract_clip(media, Pipeline(Watching(), BarEstimator(batch=4)))
    assert most <= 5 * CHUNK


@pytest.mark.parametrize("options", [{"turn_below": 1.5}, {"interpolate": -1}, {"most_people": 0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="turn_below is a confidence"):
        Pipeline(BarDetector(), BarEstimator(), **options)  # type: ignore[arg-type]
