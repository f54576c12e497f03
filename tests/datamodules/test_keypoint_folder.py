import contextlib
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.keypoint_folder import KeypointFolder, draw_test_part, read_labels
from datamodules.labels import ClipLabel
from errors import InputError
from tests.data.keypoint_folder.make import make


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_labels(written(folder, text))
    message = str(caught.value)
    assert "labels.csv" in message
    assert "\n" not in message
    return message


def test_every_column_is_read(tmp_path: Path) -> None:
    labels, has_split = read_labels(
        written(
            tmp_path,
            "clip,action,score,group,split,difficulty,phases\n"
            'a 1,jump,7.5,ann,train,2.5,12;40\nb,"spin, fast",-3,,test,,\n'
            "ç,jump,,bob,train,,\nd,jump,1e1,bob,predict,,5\n",
        )
    )
    assert has_split
    assert labels[0] == ClipLabel("a 1", "jump", 7.5, "train", "ann", 2.5, (12, 40))
    assert (labels[1].action, labels[1].score, labels[1].part, labels[1].group) == ("spin, fast", -3.0, "test", None)
    assert math.isnan(labels[1].difficulty)
    assert labels[1].phases == ()
    assert labels[2].clip_id == "ç"
    assert labels[2].part == "predict"  # no score
    assert math.isnan(labels[2].score)
    assert (labels[3].part, labels[3].score) == ("predict", 10.0)


TEXT = "clip,action,score\na,jump,1\nb,jump,2\n"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        "\ufeff" + TEXT,
        TEXT.replace(",", ";"),
        TEXT.replace(",", "\t"),
        TEXT.replace(",", ", "),
        TEXT.rstrip("\n"),
        "\n" + TEXT.replace("\n", "\n\n"),
        TEXT + ",,\n",
        'score,"action",clip\n1,"jump",a\n2,jump,"b"\n',
    ],
)
def test_the_ways_in_which_spreadsheets_write_csv(tmp_path: Path, text: str) -> None:
    labels, has_split = read_labels(written(tmp_path, text))
    assert not has_split
    assert [(label.clip_id, label.action, label.score, label.part) for label in labels] == [
        ("a", "jump", 1.0, "train"),
        ("b", "jump", 2.0, "train"),
    ]


def test_phases_in_a_file_separated_by_semicolons_are_quoted(tmp_path: Path) -> None:
    labels, _ = read_labels(written(tmp_path, 'clip;action;score;phases\na;jump;1;"3;9"\n'))
    assert labels[0].phases == (3, 9)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("clip,action,scores\na,jump,1\n", ["row 1", "column scores", "did you mean 'score'?"]),
        ("Clip,action,score\na,jump,1\n", ["row 1", "column Clip", "did you mean 'clip'?"]),
        ("clip,action,score,difficult\n", ["column difficult", "did you mean 'difficulty'?"]),
        ("clip,action,score,weather\n", ["column weather", "clip, action, score, group"]),
        ("clip,action\na,jump\n", ["row 1", "no column 'score'"]),
        ("clip,action,score,clip\n", ["column clip", "twice"]),
        ("clip,action,score,\na,jump,1,\n", ["row 1", "column 4 has no name"]),
        ("a,jump,1\n", ["row 1", "column a"]),
        ("clip,action,score\n", ["no row"]),
        ("", ["row 1", "no column 'clip'"]),
        ("clip,action,score\na,jump,1\nb,jump\n", ["row 3", "2 columns", "3"]),
        ("clip,action,score\na,jump,1\n\nb,jump,high\n", ["row 4", "column score", "'high'"]),
        ("clip;action;score\na;jump;7,5\n", ["row 2", "column score", "'7,5'", "point"]),
        ("clip,action,score\na,jump,nan\n", ["row 2", "column score", "finite", "empty"]),
        ("clip,action,score\na,jump,inf\n", ["row 2", "column score", "finite"]),
        ("clip,action,score\na,jump,1\nb,jump,2\na,jump,3\n", ["row 4", "column clip", "'a'", "row 2"]),
        ("clip,action,score\n../a,jump,1\n", ["row 2", "column clip", "'../a'"]),
        ("clip,action,score\n,jump,1\n", ["row 2", "column clip", "empty"]),
        ("clip,action,score\na,,1\n", ["row 2", "column action", "empty"]),
        ("clip,action,score,split\na,jump,1,tset\n", ["row 2", "column split", "'tset'", "did you mean 'test'?"]),
        ("clip,action,score,split\na,jump,1,val\n", ["row 2", "column split", "val_share"]),
        ("clip,action,score,split\na,jump,1,\n", ["row 2", "column split", "train, test or predict"]),
        ("clip,action,score,difficulty\na,jump,1,0\n", ["row 2", "column difficulty", "above 0"]),
        ("clip,action,score,difficulty\na,jump,1,hard\n", ["row 2", "column difficulty", "'hard'"]),
        ("clip,action,score,phases\na,jump,1,3;x\n", ["row 2", "column phases", "'3;x'"]),
        ("clip,action,score,phases\na,jump,1,9;3\n", ["row 2", "column phases", "increase"]),
        ('clip,action,score\n"a,jump,1\n', ["row 2", "not CSV"]),
        ('clip,action,score\n"a\nb",jump,1\n', ["row 2", "column clip"]),
        (b"clip,action,score\na,jump,1\nb\xe9,jump,2\n", ["row 3", "0xe9", "UTF-8"]),
        (TEXT.encode("utf-16"), ["UTF-16"]),
    ],
)
def test_a_mistake_is_named_with_row_and_column(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    message = complaint(tmp_path, text)
    assert all(part in message for part in parts), message


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: no such file.*python run\.py fit"):
        read_labels(tmp_path / "labels.csv")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "labels.csv"
    path.write_text("clip,action,score\n" + text, encoding="utf-8", newline="")
    with contextlib.suppress(InputError):
        read_labels(path)


def clips(count: int, groups: int = 0) -> list[ClipLabel]:
    return [
        ClipLabel(f"c{i:03d}", f"action {i % 2}", float(i), "train", f"g{i % groups}" if groups else None)
        for i in range(count)
    ]


def test_without_a_split_column_whole_groups_are_drawn() -> None:
    labels = draw_test_part(clips(120, groups=12), 0.25, seed=0)
    test = {label.group for label in labels if label.part == "test"}
    assert len(test) == 3
    assert not test & {label.group for label in labels if label.part == "train"}


def test_without_groups_every_action_gives_its_share_and_nothing_depends_on_the_order() -> None:
    labels = draw_test_part(clips(40), 0.25, seed=0)
    test = {label.clip_id for label in labels if label.part == "test"}
    assert [sum(label.action == f"action {i}" for label in labels if label.part == "test") for i in (0, 1)] == [5, 5]
    again = draw_test_part(clips(40)[::-1], 0.25, seed=0)
    assert {label.clip_id for label in again if label.part == "test"} == test
    other = draw_test_part(clips(40), 0.25, seed=1)
    assert {label.clip_id for label in other if label.part == "test"} != test


def test_clips_to_predict_are_not_drawn() -> None:
    unscored = [replace(label, part="predict", score=math.nan) for label in clips(20)]
    scored = [replace(label, clip_id=f"s{label.clip_id}") for label in clips(20)]
    parts = [label.part for label in draw_test_part(unscored + scored, 0.25, seed=0)]
    assert parts[:20] == ["predict"] * 20
    assert sorted(set(parts[20:])) == ["test", "train"]


def test_the_fixture_is_read_and_trains(tmp_path: Path) -> None:
    root = make(tmp_path)
    data = KeypointFolder(labels_csv=str(root / "labels.csv"), cache=str(tmp_path / "cache"))
    labels = data.labels()
    assert {part: sum(label.part == part for label in labels) for part in ("train", "test", "predict")} == {
        "train": 23,
        "test": 8,
        "predict": 1,
    }
    data.setup("test")
    assert data.headline == "fisher"
    for batches in (data.val_dataloader(), data.test_dataloader()):
        assert all(len(list(loader)) for loader in batches)
    data.setup("predict")
    assert [label.clip_id for label in data.clips if label.part == "predict"] == ["jeté 5-2"]


def test_media_are_videos_and_folders_of_frames(tmp_path: Path) -> None:
    path = written(tmp_path, "clip,action,score\na 1,jump,1\nb.2,jump,2\nc,jump,\nd,jump,3\ne,jump,4\n")
    for name in ("a 1.MP4", "b.2/f_7.jpg", "b.2/f_9.jpg", "b.2/notes.txt", "d.mp4", "d.avi", "e/notes.txt", "else.mp4"):
        (tmp_path / "media" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / name).touch()
    data = KeypointFolder(labels_csv=str(path), media=str(tmp_path / "media"), cache=str(tmp_path / "cache"))
    for _ in range(2):
        video, frames = data.media()
        assert (video.clip_id, video.action, video.frames, video.performers) == ("a 1", "jump", None, 1)
        assert (frames.clip_id, frames.frames) == ("b.2", (7, 9))
        assert [file.name for file in frames.files] == ["f_7.jpg", "f_9.jpg"]
        reasons = dict(data.rejected)
        assert list(reasons) == ["c", "d", "e"]
        assert len(data.rejected) == 3
    assert "neither a video nor a folder" in reasons["c"]
    assert "both d.avi and d.mp4" in reasons["d"]
    assert "holds no images" in reasons["e"]


def test_without_media_it_is_said_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path, "clip,action,score\na,jump,1\nb,jump,2\n")
    with pytest.raises(InputError, match=r"data\.media is not set; name the folder"):
        KeypointFolder(labels_csv=str(path), cache="cache").media()
    with pytest.raises(InputError, match="nowhere: no such folder"):
        KeypointFolder(labels_csv=str(path), media=str(tmp_path / "nowhere"), cache="cache").media()
    with pytest.raises(InputError, match=r"holds no clip of .*labels\.csv"):
        KeypointFolder(labels_csv=str(path), media=str(tmp_path), cache="cache").media()
