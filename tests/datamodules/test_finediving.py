import os
import pickle
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.finediving import (
    COARSE,
    FINE,
    FineDiving,
    FineDivingAnnotation,
    phases_in_clip,
    read_annotations,
    read_split,
    split_by_event,
)
from datamodules.labels import ClipLabel
from errors import InputError
from tests.data.finediving.make import make, make_frames, write

KEYS = [("Cup_final_r1", 0), ("Cup_final_r1", 1), ("Cup_final_r2", 0), ("01", 7)]


def fine() -> dict[Any, Any]:
    return {key: ["407c", 80.0, 3.2, np.array([103, 106]), np.repeat([5, 33, 36], [3, 3, 4])] for key in KEYS}


def coarse() -> dict[Any, Any]:
    return {
        key: {
            "action_type": "407c",
            "start_frame": 100,
            "end_frame": 109,
            "dive_score": 80.0,
            "difficulty": 3.2,
            "judge_scores": [8.0, 8.5, 8.0, 8.5, 9.0, 8.0, 8.5],
        }
        for key in KEYS
    }


def files(folder: Path, **parts: Any) -> Path:
    content = {"fine": fine(), "coarse": coarse(), "train": KEYS[:3], "test": KEYS[3:]} | parts
    write(folder, content["fine"], content["coarse"], content["train"], content["test"])
    return folder


def complaint(folder: Path, **parts: Any) -> str:
    files(folder, **parts)
    with pytest.raises(InputError) as caught:
        read_split(folder, read_annotations(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_dive_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    dive = read_annotations(files(tmp_path))["Cup_final_r1", 1]
    assert dive.clip_id == "Cup_final_r1_1"
    assert dive.event == "Cup_final"
    assert dive.execution == 25.0
    assert dive.judge_scores == (8.0, 8.5, 8.0, 8.5, 9.0, 8.0, 8.5)
    assert dive.phases == (103, 106)
    assert (dive.start_frame, dive.end_frame) == (100, 109)
    assert all(type(value) is float for value in (dive.score, dive.difficulty, *dive.judge_scores))


@pytest.mark.parametrize(
    ("competition", "event"),
    [
        ("FINAWorldChampionships2019_Women10m_final_r5", "FINAWorldChampionships2019_Women10m_final"),
        ("3mMenSpringboardFinal-EuropeanChampionships2021_2", "3mMenSpringboardFinal-EuropeanChampionships2021"),
        ("01", "01"),
        ("Women10mTokyo2020", "Women10mTokyo2020"),
    ],
)
def test_rounds_of_a_competition_are_one_event(tmp_path: Path, competition: str, event: str) -> None:
    key = (competition, 3)
    read = read_annotations(
        files(tmp_path, fine={key: fine()[KEYS[0]]}, coarse={key: coarse()[KEYS[0]]}, train=[key], test=[key])
    )
    assert read[key].event == event


def test_keys_and_numbers_may_be_numpys_and_entries_longer(tmp_path: Path) -> None:
    key = ("Cup_final_r1", np.int64(0))
    entry = [np.str_("407c"), np.float64(80.0), np.float32(3.5), np.array([103.0, 106.0]), [5] * 3 + [33] * 7, [None]]
    marks = {"start_frame": np.int64(100), "end_frame": np.int64(109), "judge_scores": np.array([8.0, 8.5, 9.0])}
    files(tmp_path, fine={key: entry}, coarse={key: marks}, train=[key], test=[key])
    dive = read_annotations(tmp_path)["Cup_final_r1", 0]
    assert (dive.index, dive.score, dive.difficulty, dive.phases) == (0, 80.0, 3.5, (103, 106))
    assert dive.judge_scores == (8.0, 8.5, 9.0)


LABELS = np.repeat([5, 33, 36], [3, 3, 4])


@pytest.mark.parametrize(
    ("steps", "start", "phases"),
    [
        ([103, 106], 100, (103, 106)),  # frames of the video
        ([3, 6], 100, (103, 106)),  # frames of the clip
        ([7, 9], 4, (7, 9)),  # both readings fit; the labels change at 3 and 6 of the clip, that is 7 and 10
        ([3, 6], 2, (5, 8)),  # both fit; of the clip is nearer
        ([100, 106], 100, ()),  # begins with the clip: no second phase
        ([103, 110], 100, ()),  # outside
        ([106, 103], 100, ()),
        ([103, 103], 100, ()),
        ([], 100, ()),
    ],
)
def test_phases_are_read_as_frames_of_the_video_or_of_the_clip(
    steps: list[int], start: int, phases: tuple[int, ...]
) -> None:
    assert phases_in_clip(np.array(steps, dtype=np.int64), LABELS, start) == phases


def entry(place: int, value: Any) -> dict[Any, Any]:
    dives = fine()
    dives[KEYS[1]][place] = value
    return dives


def without(key: str, value: Any = None) -> dict[Any, Any]:
    dives = coarse()
    if value is None:
        del dives[KEYS[1]][key]
    else:
        dives[KEYS[1]][key] = value
    return dives


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"fine": []}, "expected a dict"),
        ({"fine": {}}, "expected a dict"),
        ({"coarse": [1]}, "expected a dict"),
        ({"fine": {"a": 1}}, "'a' is not a (competition, index) pair"),
        ({"fine": {("a", 1, 2): 1}}, "is not a (competition, index) pair"),
        ({"fine": {("a", -1): 1}}, "is not a (competition, index) pair"),
        ({"fine": {("a", True): 1}}, "is not a (competition, index) pair"),
        ({"fine": {("../x", 1): fine()[KEYS[0]]}, "coarse": {("../x", 1): coarse()[KEYS[0]]}}, "'../x'"),
        ({"fine": {**fine(), KEYS[1]: ["407c", 80.0]}}, "is not [dive number"),
        ({"fine": entry(0, 407)}, "is not [dive number"),
        ({"fine": entry(0, "")}, "is not [dive number"),
        ({"fine": entry(1, float("nan"))}, "score nan"),
        ({"fine": entry(1, -1.0)}, "score -1"),
        ({"fine": entry(2, 0.0)}, "difficulty 0"),
        ({"fine": entry(3, "x")}, "whole numbers"),
        ({"fine": entry(3, np.array([103.5]))}, "whole numbers"),
        ({"fine": entry(4, [])}, "whole numbers"),
        ({"fine": entry(4, [[1], [2, 3]])}, "whole numbers"),
        ({"fine": entry(4, np.repeat(5, 11))}, "labels for 11 frames"),
        ({"coarse": {KEYS[0]: coarse()[KEYS[0]]}}, "has no ('Cup_final_r1', 1)"),
        ({"coarse": without("start_frame")}, "lacks start_frame"),
        ({"coarse": without("judge_scores", ["high"])}, "judge_scores"),
        ({"coarse": without("judge_scores", [float("inf")])}, "judge_scores"),
        ({"train": {"a": 1}}, "expected a list"),
        ({"train": []}, "expected a list"),
        ({"train": [("nowhere", 1)]}, "names ('nowhere', 1)"),
        ({"train": [KEYS[0], KEYS[0]]}, "twice"),
        ({"test": KEYS[2:]}, "in both train_split.pkl and test_split.pkl"),
    ],
)  # fmt: skip
def test_malformed_annotations_are_told(tmp_path: Path, parts: dict[str, Any], says: str) -> None:
    message = complaint(tmp_path, **parts)
    assert says in message
    assert str(tmp_path) in message


class Command:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("name", [FINE, COARSE, "train_split.pkl", "test_split.pkl"])
def test_a_hostile_pickle_in_any_place_is_refused(tmp_path: Path, name: str) -> None:
    root = make(tmp_path)
    (root / name).write_bytes(pickle.dumps([Command(f"touch {tmp_path / 'ran'}")]))
    data = FineDiving(root=str(root), cache=str(tmp_path / "cache"))
    with pytest.raises(InputError, match=f"{name}: refused.*system"):
        data.setup("fit")
    assert not (tmp_path / "ran").exists()


def test_missing_data_says_where_to_get_it_and_the_next_command(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / COARSE).unlink()
    data = FineDiving(root=str(root), cache=str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"no such file.*github.*python run\.py fit --config finediving\.yaml"):
        data.labels()


def test_the_fixture_names_the_globals_of_numpy_1(tmp_path: Path) -> None:
    raw = (make(tmp_path) / FINE).read_bytes()
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in raw
    assert b"numpy._core" not in raw


def test_the_fixture_is_read_and_trains(tmp_path: Path) -> None:
    root = make(tmp_path)
    data = FineDiving(root=str(root), cache=str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = data.labels()
    assert Counter(label.part for label in labels) == {"train": 24, "test": 12}
    assert {label.action for label in labels} == {"407c", "107b", "5253b", "5152b"}
    assert {len(label.phases) for label in labels} == {2, 3, 4}
    assert {label.group for label in labels} == {"01", "FINAWorldCup2021_Men3m_final", "Tokyo2020_Women10m_final"}
    assert data.headline == "pooled"
    data.setup("test")
    batch = next(iter(data.test_dataloader()[1]))
    assert len(batch.clip) == 12
    assert (batch.difficulty > 2).all()


def test_the_event_split_shares_no_event(tmp_path: Path) -> None:
    root = make(tmp_path)
    data = FineDiving(root=str(root), cache=str(tmp_path / "cache"), split="events")
    labels = data.labels()
    groups = {part: {label.group for label in labels if label.part == part} for part in ("train", "test")}
    assert groups["train"]
    assert groups["test"]
    assert not groups["train"] & groups["test"]
    assert len(labels) == 36


def test_the_event_split_is_of_the_official_size_and_repeatable() -> None:
    dives = {
        (f"Event{event}_r{part}", index): dive
        for event in range(40)
        for part in (1, 2)
        for index, dive in enumerate(make_dives(f"Event{event}_r{part}", 5 + event % 7))
    }
    train, test = split_by_event(dives, seed=0)
    assert len(test) / len(dives) == pytest.approx(749 / 3000, abs=0.02)
    assert not {dives[key].event for key in train} & {dives[key].event for key in test}
    assert split_by_event(dict(reversed(dives.items())), seed=0)[1] == test[::-1]
    assert split_by_event(dives, seed=1)[1] != test


def make_dives(competition: str, count: int) -> list[FineDivingAnnotation]:
    return [FineDivingAnnotation(competition, i, "107b", 80.0, 3.0, (8.0,), 1, 9, (4,)) for i in range(count)]


def test_steps_that_fit_no_reading_are_said_once(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    files(tmp_path, fine=entry(3, np.array([500, 600])))
    with pytest.warns(UserWarning, match=r"1 of 4 dives.*Cup_final_r1"):
        labels = FineDiving(root=str(tmp_path), cache=str(tmp_path / "cache")).labels()
    assert [label.phases for label in labels] == [(103, 106), (), (103, 106), (103, 106)]


def test_frames_as_annotated_are_found(tmp_path: Path) -> None:
    files(tmp_path)
    make_frames(tmp_path, "Cup_final_r1", 0, range(98, 112))
    make_frames(tmp_path, "Cup_final_r1", 1, [90, 103, 104, 109, 200])
    make_frames(tmp_path, "Cup_final_r2", 0, range(90, 95))
    data = FineDiving(root=str(tmp_path), cache=str(tmp_path / "cache"))
    for _ in range(2):
        whole, part = data.media()
        assert whole.clip_id == "Cup_final_r1_0"
        assert whole.action == "407c"
        assert whole.frames == tuple(range(100, 110))
        assert whole.files[0] == tmp_path / "Cup_final_r1" / "0" / "00100.jpg"
        assert part.frames == (103, 104, 109)
        reasons = dict(data.rejected)
        assert len(data.rejected) == 2
        assert "none of the frames 00100.jpg to 00109.jpg is there" in reasons["Cup_final_r2_0"]
        assert reasons["01"].endswith("no such folder; dives without frames: 1")
    assert whole.performers == part.performers == 1


def test_synchronised_divers_are_two(tmp_path: Path) -> None:
    name = "FINAWorldCup2021_Men10mSynchronised_final_r1"
    key = (name, 1)
    files(tmp_path, fine={key: fine()[KEYS[0]]}, coarse={key: coarse()[KEYS[0]]}, train=[key], test=[key])
    make_frames(tmp_path, name, 1, range(100, 110))
    (clip,) = FineDiving(root=str(tmp_path), cache=str(tmp_path / "cache")).media()
    assert clip.performers == 2


def test_no_frames_at_all(tmp_path: Path) -> None:
    data = FineDiving(root=str(files(tmp_path)), cache=str(tmp_path / "cache"))
    with pytest.raises(
        InputError, match=r"no folder of a competition.*python run\.py extract --config finediving\.yaml"
    ):
        data.media()
    with pytest.raises(InputError, match="no such file"):
        FineDiving(root=str(tmp_path / "nowhere")).media()


def test_without_dive_numbers_every_dive_is_compared_with_every_other(tmp_path: Path) -> None:
    root = make(tmp_path)
    with_numbers = FineDiving(root=str(root), cache=str(tmp_path / "cache")).labels()
    without = FineDiving(root=str(root), cache=str(tmp_path / "cache"), dive_numbers=False).labels()
    assert {label.action for label in without} == {"dive"}

    def apart(label: ClipLabel) -> str:  # NaN equals itself as text
        return str(replace(label, action=""))

    assert list(map(apart, without)) == list(map(apart, with_numbers))
