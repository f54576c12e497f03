from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from errors import InputError
from extraction.people.clip_poses import ClipPoses
from extraction.pipeline import Pipeline
from extraction.reading.media import ClipMedia
from feedback import subjects
from feedback.subjects import Source, choose, read_subjects
from poses.skeleton import JOINTS
from tests.feedback.people import pose, write


def no_pipeline() -> Pipeline:
    raise AssertionError("keypoints are there, nothing must be estimated")


FROM_FILES = Source(no_pipeline, None)


def photograph(path: Path) -> Path:
    Image.new("RGB", (640, 480), "white").save(path)
    return path


def test_the_people_of_a_clip_from_left_to_right(tmp_path: Path) -> None:
    right, left = pose() + np.array([200, 0], np.float32), 0.5 * pose()
    path = write(tmp_path, "two", right, left)
    people = read_subjects(path, FROM_FILES)
    np.testing.assert_array_equal(people[0].xy[0], left)
    np.testing.assert_array_equal(people[1].xy[0], right)
    assert {one.name for one in people} == {"two.parquet"}
    assert people[0].media is None


def test_the_largest_is_taken_and_it_is_said(tmp_path: Path) -> None:
    people = read_subjects(write(tmp_path, "two", pose() + np.array([200, 0], np.float32), 0.5 * pose()), FROM_FILES)
    chosen, line = choose(people, None)
    assert chosen is people[1]
    assert line == "two.parquet: 2 people; taking the largest (person 2 from the left); --person chooses"
    chosen, line = choose(people, 1)
    assert chosen is people[0]
    assert line == "two.parquet: person 1 of 2 from the left"
    alone = read_subjects(write(tmp_path, "one", pose()), FROM_FILES)
    assert choose(alone, None) == (alone[0], None)
    for number in (0, 3):
        with pytest.raises(InputError, match=rf"--person {number}: in two\.parquet 2 people were found"):
            choose(people, number)
    with pytest.raises(InputError, match="one person was found"):
        choose(alone, 2)


def test_keypoints_of_a_cache_with_the_picture_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "cache", "anna", pose())
    write(tmp_path / "cache", "run", pose(), frames=3)
    (anna,) = read_subjects(photograph(tmp_path / "anna.jpg"), Source(no_pipeline, tmp_path / "cache"))
    assert anna.media is not None
    assert anna.media.files == ((tmp_path / "anna.jpg").resolve(),)
    assert anna.media.frames == (0,)
    with pytest.raises(InputError, match=r"several frames, but run\.jpg is a photograph"):
        read_subjects(photograph(tmp_path / "run.jpg"), Source(no_pipeline, tmp_path / "cache"))
    with pytest.raises(InputError, match="not in this cache: 'bela'"):
        read_subjects(photograph(tmp_path / "bela.jpg"), Source(no_pipeline, tmp_path / "cache"))


def test_photographs_keep_everybody_and_videos_their_performers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ClipMedia] = []

    def extract_clip(media: ClipMedia, pipeline: object) -> ClipPoses:
        asked.append(media)
        xy = np.stack([pose() + np.array([200, 0], np.float32), pose()])[:, None]
        nothing = np.zeros((2, 1), np.bool_)
        boxes = np.zeros((2, 1, 4), np.float32)
        confidence = np.ones((2, 1, len(JOINTS)), np.float32)
        one = np.zeros(1, np.int32), np.full(1, np.nan)
        return ClipPoses(media, (640, 480), *one, xy, confidence, boxes, nothing, 0, 2, 0, None)

    monkeypatch.setattr(subjects, "extract_clip", extract_clip)
    source = Source(lambda: None, None)  # type: ignore[arg-type, return-value]
    people = read_subjects(photograph(tmp_path / "b.JPG"), source)
    assert [one.xy[0, 3, 0] for one in people] == [300, 500]
    (tmp_path / "c.mp4").write_bytes(b"video")
    read_subjects(tmp_path / "c.mp4", source)
    read_subjects(tmp_path / "c.mp4", source, 1)
    read_subjects(tmp_path / "c.mp4", source, 3)
    assert [(one.performers, one.frames) for one in asked] == [(None, (0,)), (1, None), (2, None), (3, None)]


def test_a_picture_of_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract_clip(media: ClipMedia, pipeline: object) -> ClipPoses:
        raise InputError("no person found in it")

    monkeypatch.setattr(subjects, "extract_clip", extract_clip)
    with pytest.raises(InputError, match=r"b\.jpg: no person found in it"):
        read_subjects(photograph(tmp_path / "b.jpg"), Source(lambda: None, None))  # type: ignore[arg-type, return-value]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    write(tmp_path / "cache", "anna", pose())
    photograph(tmp_path / "real.jpg")
    (tmp_path / "inside" / "anna.jpg").symlink_to(tmp_path / "real.jpg")
    (anna,) = read_subjects(tmp_path / "inside" / "anna.jpg", Source(no_pipeline, tmp_path / "cache"))
    assert anna.media is not None
    assert anna.media.root == tmp_path.resolve()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    for name, words in (
        ("a.txt", "neither a photograph"),
        ("absent.jpg", "no such file"),
        ("empty.jpg", "0 bytes"),
        (".", "is a folder"),
    ):
        with pytest.raises(InputError, match=words):
            read_subjects(tmp_path / name, FROM_FILES)
    nobody = np.full((15, 2), np.nan, np.float32)
    with pytest.raises(InputError, match="holds no pose"):
        read_subjects(write(tmp_path, "nobody", nobody), FROM_FILES)
