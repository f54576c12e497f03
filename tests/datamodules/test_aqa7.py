import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from datamodules.aqa7 import (
    AQA7,
    SCORE_RANGES,
    SPORTS,
    check_sports,
    read_split_list,
    split_labels,
    sport_of,
    unlisted_labels,
)
from datamodules.labels import ClipLabel
from errors import InputError
from extraction.reading.frames import read_frames
from poses.cache.keypoint_cache import list_clips
from tests.data.aqa7.make import make, make_frames, make_video

TRAIN = [[1, 54, 84.15], [2, 3, 15.0], [6, 1, 60.0]]
TEST = [[1, 21, 86.4], [2, 4, 16.0], [6, 2, 70.0]]


def lists(folder: Path, train: Any = TRAIN, test: Any = TEST) -> Path:
    folder = folder / "Split_4"
    folder.mkdir(exist_ok=True)
    for part, rows in (("train", train), ("test", test)):
        savemat(folder / f"split_4_{part}_list.mat", {f"consolidated_{part}_list": np.array(rows)})
    return folder


def labels_of(folder: Path, sports: list[str] | None = None, extra_classes: bool = False) -> list[ClipLabel]:
    return split_labels(read_split_list(folder, "train"), read_split_list(folder, "test"), sports, extra_classes)


def complaint(folder: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        labels_of(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_become_labels(tmp_path: Path) -> None:
    labels = labels_of(lists(tmp_path))
    assert labels[0] == ClipLabel("diving_054", "diving", 84.15, "train", None, labels[0].difficulty)
    assert [label.clip_id for label in labels] == [
        "diving_054",
        "gym_vault_003",
        "sync_diving_10m_001",
        "diving_021",
        "gym_vault_004",
        "sync_diving_10m_002",
    ]
    assert [label.part for label in labels] == ["train"] * 3 + ["test"] * 3


def test_scores_times_100_are_divided(tmp_path: Path) -> None:
    times_100 = [[sport, clip, round(100 * score)] for sport, clip, score in TRAIN]
    folder = lists(tmp_path, train=times_100)
    file = read_split_list(folder, "train")
    assert file.times_100
    assert file.score.tolist() == [84.15, 15.0, 60.0]
    assert not read_split_list(folder, "test").times_100  # each list by itself


@pytest.mark.parametrize("factor", [1, 100])
def test_scores_of_extra_classes_follow_those_of_their_list(tmp_path: Path, factor: int) -> None:
    rows = [[1, 5, 80.0 * factor], [7, 1, 20.0 * factor]]
    assert read_split_list(lists(tmp_path, train=rows), "train").score.tolist() == [80.0, 20.0]


@pytest.mark.parametrize("edge", [0, 1])
@pytest.mark.parametrize("factor", [1, 100])
def test_the_ends_of_the_known_ranges_are_recognised(tmp_path: Path, edge: int, factor: int) -> None:
    rows = [[sport, 1, SCORE_RANGES[sport][edge] * factor] for sport in SPORTS]
    file = read_split_list(lists(tmp_path, train=rows), "train")
    assert file.times_100 == (factor == 100)
    assert file.score == pytest.approx([SCORE_RANGES[sport][edge] for sport in SPORTS])


def test_a_mixture_of_scales_is_refused(tmp_path: Path) -> None:
    message = complaint(lists(tmp_path, train=[*TRAIN, [1, 7, 9000.0]]))
    assert "diving clip 7" in message
    assert "9000" in message
    assert "21.6 to 102.6" in message


def test_extra_classes_are_refused_unless_asked_for(tmp_path: Path) -> None:
    folder = lists(tmp_path, train=[*TRAIN, [7, 1, 20.0], [8, 2, 30.0]])
    message = complaint(folder)
    assert "classes 7, 8" in message
    assert "extra_classes: true" in message
    labels = labels_of(folder, extra_classes=True)
    assert [label.clip_id for label in labels[3:5]] == ["class_7_001", "class_8_002"]
    assert labels[3].action == "class_7"


def test_a_choice_of_sports(tmp_path: Path) -> None:
    folder = lists(tmp_path)
    assert {label.action for label in labels_of(folder, sports=["gym_vault", "diving"])} == {"diving", "gym_vault"}
    assert "no clip of ski_big_air" in complaint(folder, sports=["ski_big_air"])


@pytest.mark.parametrize(
    ("sports", "says"),
    [
        (["dving"], "did you mean 'diving'?"),
        (["Gym Vault"], "did you mean 'gym_vault'?"),
        (["chess"], "it has diving, gym_vault"),
        (["class_7"], "has no 'class_7'"),
        ([], "empty"),
        (["diving", "diving"], "twice"),
        (["trampoline"], "no clip of it"),
    ],
)
def test_wrong_sports_are_told(sports: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_sports(sports)
    assert says in str(caught.value)


def test_extra_classes_may_be_chosen() -> None:
    assert check_sports(["class_7", "diving"], extra_classes=True) == ["class_7", "diving"]


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ([[1, 54], [1, 55]], "[2, 2]"),
        ([1.0, 2.0, 3.0], "diving clip 2 has the score 3"),  # one row is a list as well
        (np.empty((0, 3)), "expected numbers [rows, 3]"),
        ([["a", "b", "c"]], "expected numbers"),
        ([[1, 54, np.nan]], "row 1"),
        ([[1, 54, 80.0], [1, 55, np.inf]], "row 2"),
        ([[0, 54, 80.0]], "row 1"),
        ([[1.5, 54, 80.0]], "row 1"),
        ([[1, -3, 80.0]], "row 1"),
        ([*TRAIN, TRAIN[1]], "class 2, clip 3 is listed twice"),
        ([*TRAIN, TEST[0]], "class 1, clip 21 is in both"),
    ],
)
def test_malformed_lists_are_told(tmp_path: Path, train: Any, says: str) -> None:
    message = complaint(lists(tmp_path, train=train))
    assert "split_4_train_list.mat" in message
    assert says in message


def test_files_that_are_no_lists_are_told(tmp_path: Path) -> None:
    folder = lists(tmp_path)
    path = folder / "split_4_train_list.mat"
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:200], b"MATLAB 7.3" + b"\0" * 200, b"PK\3\4" + b"x" * 200):
        path.write_bytes(content)
        message = complaint(folder)
        assert "split_4_train_list.mat" in message
        assert "official list" in message
    savemat(path, {"something_else": np.zeros(3)})
    assert "holds something_else" in complaint(folder)
    path.unlink()
    assert "AQA-7 is at http" in complaint(folder)


def test_missing_data_says_where_to_get_it_and_the_next_command(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with pytest.raises(
        InputError, match=r"Split_4: no such folder.*/nothing; then.*python run\.py fit --config aqa7\.yaml"
    ):
        AQA7(root=str(tmp_path / "nothing"), cache=str(tmp_path / "cache")).labels()


def test_sport_of_a_clip_id() -> None:
    assert [sport_of(name) for name in ("diving_021", "sync_diving_10m_003", "trampoline_001", "class_8_001")] == [
        "diving",
        "sync_diving_10m",
        "trampoline",
        "class_8",
    ]
    assert [sport_of(name) for name in ("diving_21", "judo_001", "diving", "021")] == [None] * 4


def test_cached_clips_without_a_score_are_to_be_predicted() -> None:
    listed = [ClipLabel("diving_001", "diving", 80.0, "train")]
    cached = ["diving_001", "diving_371", "gym_vault_001", "trampoline_001", "holiday"]
    (label,) = unlisted_labels(cached, listed)
    assert (label.clip_id, label.action, label.part) == ("diving_371", "diving", "predict")
    assert math.isnan(label.score)
    chosen = unlisted_labels(cached, listed, ["diving", "trampoline"])
    assert [label.clip_id for label in chosen] == ["diving_371", "trampoline_001"]


def test_the_fixture_is_read_and_trains(tmp_path: Path) -> None:
    root = make(tmp_path)
    data = AQA7(root=str(root), cache=str(tmp_path / "cache"))
    parts = Counter((label.action, label.part) for label in data.labels())
    assert parts == Counter(
        {(sport, part): n for sport in SPORTS.values() for part, n in (("train", 8), ("test", 4))}
    ) + Counter({("diving", "predict"): 1})
    data.setup("test")
    assert len(data.poses.tracks.length) == 72 + 24  # two divers in every synchronised dive
    one = AQA7(root=str(root), cache=str(tmp_path / "cache"), sports=["ski_big_air"])
    one.setup("fit")
    assert {label.action for label in one.clips} == {"ski_big_air"}
    assert len(list_clips(tmp_path / "cache")) == 74


def source(folder: Path, **options: Any) -> AQA7:
    return AQA7(root=str(folder), cache=str(folder / "cache"), **options)


def test_frames_and_videos_are_found(tmp_path: Path) -> None:
    make_frames(tmp_path, "diving", 21, [1, 2, 4])
    make_frames(tmp_path, "sync_diving_3m", 7)
    make_frames(tmp_path, "trampoline", 1)
    make_video(tmp_path, "gym_vault", 3, frames=5)
    make_video(tmp_path, "diving", 21)
    make_video(tmp_path, "diving", 370)
    (tmp_path / "diving-out" / "021" / "Thumbs.db").touch()
    (tmp_path / "diving-out" / "notes").mkdir()
    data = source(tmp_path)
    clips = {clip.clip_id: clip for clip in data.media()}
    assert list(clips) == ["diving_021", "diving_370", "gym_vault_003", "sync_diving_3m_007"]
    assert data.rejected == []  # without lists nothing is known to be missing
    assert clips["diving_021"].frames == (1, 2, 4)  # frames win over the video
    assert clips["diving_021"].files[2] == tmp_path / "diving-out" / "021" / "img_00004.jpg"
    assert clips["gym_vault_003"].files == (tmp_path / "Actions" / "gym_vault" / "003.avi",)
    assert {clip.action: clip.performers for clip in clips.values()} == {
        "diving": 1,
        "gym_vault": 1,
        "sync_diving_3m": 2,
    }
    assert [frame.number for frame in read_frames(clips["diving_021"])] == [1, 2, 4]
    assert [frame.number for frame in read_frames(clips["gym_vault_003"])] == [0, 1, 2, 3, 4]
    chosen = source(tmp_path, sports=["diving", "trampoline"])
    assert [clip.clip_id for clip in chosen.media()] == ["diving_021", "diving_370", "trampoline_001"]


def test_listed_clips_without_media_are_rejected(tmp_path: Path) -> None:
    lists(tmp_path)
    make_frames(tmp_path, "diving", 54)
    make_frames(tmp_path, "diving", 99)
    make_frames(tmp_path, "gym_vault", 3, [])
    data = source(tmp_path)
    for _ in range(2):
        assert [clip.clip_id for clip in data.media()] == ["diving_054", "diving_099"]
        reasons = dict(data.rejected)
        assert sorted(reasons) == ["diving_021", "gym_vault", "gym_vault_003", "sync_diving_10m"]
        assert len(data.rejected) == 4
    assert "holds no img_00001.jpg" in reasons["gym_vault_003"]
    assert reasons["diving_021"] == f"is listed, but neither its frames nor its video are in {tmp_path}"
    assert reasons["sync_diving_10m"].startswith("none of its 2 listed clips is in ")


def test_no_media_at_all(tmp_path: Path) -> None:
    lists(tmp_path)
    make_frames(tmp_path, "trampoline", 1)
    with pytest.raises(InputError, match=r"neither frames .* nor videos .* python run\.py extract --config aqa7\.yaml"):
        source(tmp_path).media()


def test_the_official_lists(aqa7_root: Path) -> None:
    labels = labels_of(aqa7_root / "Split_4")
    counts = Counter((label.action, label.part) for label in labels)
    assert [(counts[sport, "train"], counts[sport, "test"]) for sport in SPORTS.values()] == [
        (300, 70),
        (120, 56),
        (120, 55),
        (140, 66),
        (60, 28),
        (63, 28),
    ]
    for number, sport in SPORTS.items():
        scores = [label.score for label in labels if label.action == sport]
        assert (min(scores), max(scores)) == SCORE_RANGES[number]
