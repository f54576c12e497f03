import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import run
from commands.score import picture_of
from datamodules.synthetic_motion.synthetic import write_performance
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained_model import SHIPPED, SYNTHETIC_LABEL
from tests.feedback.people import pose, write
from tests.refusal import assert_refused


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photographs, and a cache with the keypoints of the people in them."""
    monkeypatch.chdir(tmp_path)
    people = {
        "good": [pose()],
        "bent": [pose(left_knee=34)],
        "bad": [pose(whole_body=50, right_arm=90, left_hip=-60)],
        "two": [pose(right_arm=60), 0.5 * pose(left_knee=34)],
        "half": [np.where(np.arange(15)[:, None] < 7, np.nan, pose()).astype(np.float32)],
    } | {f"member{i}": [pose(left_arm=-4.0 * i)] for i in range(6)}
    for i, (name, some) in enumerate(people.items()):
        Image.new("RGB", (640, 480), (40, 90, 20 * i)).save(f"{name}.png")
        write(Path("cache"), name, *some)
    write_performance("clips", 0, 0)
    write_performance("clips", 0, 6)
    return tmp_path


def score(*words: str) -> int:
    return run.main(["score", "--keypoints", "cache", *words])


def test_two_photographs(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score("good.png", "bent.png") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("distance ")
    assert said[0].endswith(" of 100")
    assert SYNTHETIC_LABEL in said[1]
    assert said[2].startswith("left knee: 34 degrees more bent (+")
    assert said[-1] == "picture: runs/score/bent-vs-good.png"
    with Image.open("runs/score/bent-vs-good.png") as picture:
        assert picture.width == 1400
    assert not list(files.glob("**/.*"))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["a/good.png", "b.c/bent.mp4"], "bent-vs-good"),
        (["anna/vault.mp4", "/films/ben/vault.mp4"], "ben-vault-vs-anna-vault"),
        (["two.png", "two.png"], "two-vs-two"),
        (["one.png", "two.png", "three.png", "mine.png"], "mine-vs-one-and-2-more"),
        (["x.png", f"{'ä' * 120}.png"], f"{'ä' * 50}-vs-x"),
    ],
)
def test_a_picture_is_named_after_what_it_compares(words: list[str], name: str) -> None:
    assert picture_of([Path(word) for word in words]) == Path("runs", "score", f"{name}.png")


def test_json_is_all_there_is_on_standard_output(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score("two.png", "bent.png", "--json", "--output", "sub folder/x.png") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["differences"][0]["cost"] > 0
    assert answer["model"] == SYNTHETIC_LABEL
    assert answer["people"] == ["two.png: 2 people; taking the largest (person 2 from the left); --person chooses"]
    assert Path(answer["picture"]).exists()


def test_persons_are_chosen_on_either_side(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # the person on the left of two.png is bent.png's pose at half the size
    assert score("two.png", "bent.png", "--person", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["score"] > 99.9
    assert score("two.png", "bent.png", "--person", "2,1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["score"] < 99
    assert score("two.png", "two.png", "--person", "1,2", "--mirror", "no") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:3] == ["two.png: person 1 of 2 from the left", "two.png: person 2 of 2 from the left"]


def test_several_references_and_a_group(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = [f"member{i}.png" for i in range(6)]
    assert score(*members, "good.png") == 0
    said = capsys.readouterr().out
    assert "Best of 6 references, member0.png" in said
    assert "100 % of 6 references, each scored against the best of the others" in said
    Path("group").mkdir()
    for name in [*members, "half.png", "bad.png"]:
        Path(name).rename(Path("group", name))
    assert score("good.png", "group/bad.png", "--group", "group", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    # the attempt itself is no member; nor is half a person, which is no reason to stop
    assert answer["group"] == 6
    assert answer["warnings"][-1].startswith("left out of the group: half.png: only part of a person")
    assert answer["percentile"] == 0
    assert len(answer["references"]) == 1


def test_clips_of_a_cache_are_performances(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["score", "clips/squat_001.parquet", "clips/squat_002.parquet", "--mirror", "no"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("score ")
    assert "worst at " in said
    assert SYNTHETIC_LABEL in said
    assert Path("runs/score/squat_002-vs-squat_001.png").stat().st_size > 20_000


def test_another_checkpoint_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = load_checkpoint(SHIPPED)
    torch.save(checkpoint | {"epoch": 99}, "mine.ckpt")
    assert score("good.png", "bent.png", "--checkpoint", "mine.ckpt") == 0
    assert "model: model mine.ckpt" not in (said := capsys.readouterr().out)
    assert "model: mine.ckpt" in said


def test_help_reads_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run.main(["score", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for word in ("REFERENCE", "--mirror", "--person", "--group", "--keypoints", "--repetitions", "--json", "--output"):
        assert word in said


@pytest.mark.parametrize(
    ("words", "essential"),
    [
        (["good.png"], ["only good.png is given"]),
        (["good.png", "absent.png"], ["absent.png: no such file"]),
        (["good.png", "cache"], ["cache: is a folder"]),
        (["good.png", "good.png"], ["the same picture"]),
        (["good.png", "copy.png"], ["the same picture"]),
        (["good.png", "notes.txt"], ["notes.txt", "neither a photograph"]),
        (["good.png", "half.png"], ["half.png: only part of a person", "missing"]),
        (["good.png", "clip.mp4"], ["photograph", "video"]),
        (["good.png", "clips/squat_001.parquet"], ["is one pose", "frames"]),
        (["good.png", "bent.png", "--person", "2"], ["--person 2", "one person was found"]),
        (["good.png", "bent.png", "--person", "0"], ["--person 0"]),
        (["good.png", "bent.png", "--person", "left"], ["--person left"]),
        (["good.png", "bent.png", "--mirror", "maybe"], ["mirror"]),
        (["good.png", "bent.png", "--output", "x.bmp"], ["x.bmp", ".png"]),
        (["good.png", "bent.png", "--output", "good.png"], ["one of the files"]),
        (["good.png", "bent.png", "--group", "good.png"], ["--group", "5"]),
        (["good.png", "bent.png", "--group", "empty"], ["--group", "empty"]),
        (["good.png", "bent.png", "--repetitions"], ["--repetitions"]),
        (["good.png", "bent.png", "--checkpoint", "absent.ckpt"], ["no such checkpoint"]),
        (["good.png", "bent.png", "--checkpoint", "notes.txt"], ["notes.txt"]),
        (["good.png", "bent.png", "--checkpoint", "hostile.ckpt"], ["hostile.ckpt", "refused"]),
        (["good.png", "bent.png", "--persons", "2"], ["persons"]),
        (["good.png", "alien.png"], ["alien"]),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    words: list[str], essential: list[str], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.txt").write_text("hello")
    Path("clip.mp4").write_bytes(b"hello")
    Path("empty").mkdir()
    Path("copy.png").write_bytes(Path("good.png").read_bytes())
    Image.new("RGB", (64, 48)).save("alien.png")
    torch.save({"state_dict": print, "global_step": 0}, "hostile.ckpt")
    assert_refused(capsys, files, ["score", "--keypoints", "cache", *words], *essential)
