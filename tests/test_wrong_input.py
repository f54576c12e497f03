"""Wrong options, labels and keypoints: one clear line, exit code 2, nothing written."""

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import run
from poses.cache.keypoint_cache import Provenance, write_clip
from tests.data.aqa7.make import make as make_aqa7
from tests.data.keypoint_folder.make import make as make_keypoint_folder
from tests.data.speed21.make import make as make_speed21
from tests.refusal import FAST, assert_one_line, assert_refused

Capture = pytest.CaptureFixture[str]
Row = dict[str, str]

CLIP = "jeté 0-1"  # of the training part


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_keypoint_folder(folder)
    make_aqa7(folder / "sports")
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A folder of one's own with `keypoint_folder/labels.csv` and `cache/`."""
    shutil.copytree(made / "keypoint_folder", tmp_path / "keypoint_folder")
    shutil.copytree(made / "cache", tmp_path / "cache")
    return tmp_path


def words(folder: Path, *more: str, command: str = "fit") -> list[str]:
    """The command line of a fit on that folder."""
    return [
        command, "--config", "keypoint_folder.yaml", f"--data.labels_csv={folder / 'keypoint_folder' / 'labels.csv'}",
        f"--data.cache={folder / 'cache'}", f"--trainer.logger.save_dir={folder / 'runs'}", *FAST, *more,
    ]  # fmt: skip


def rewrite(folder: Path, change: Callable[[list[Row]], list[Row]]) -> None:
    """Change the rows of the labels."""
    path = folder / "keypoint_folder" / "labels.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = change(list(csv.DictReader(file)))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def metadata(**changes: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        facts = json.loads(table.schema.metadata[b"pose_cache"]) | changes
        return table.replace_schema_metadata({b"pose_cache": json.dumps(facts).encode()})

    return change


def coordinate(value: float, count: int = 1) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        lists = table["xy"].to_pylist()
        lists[7][:count] = [value] * count
        field = table.schema.field("xy")
        return table.set_column(table.schema.names.index("xy"), field, pa.array(lists, field.type))

    return change


POSES = np.random.default_rng(0).uniform(1, 500, (30, 15, 2))


def set_all(**changes: str) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row | changes for row in rows]


def set_one(**changes: str) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row | changes if row["clip"] == CLIP else row for row in rows]


def one_action(rows: list[Row]) -> list[Row]:
    return [row | {"score": "5", "action": "plié"} for row in rows]


def an_action_each(rows: list[Row]) -> list[Row]:
    return [row | {"action": f"action {i}"} for i, row in enumerate(rows)]


# The keypoint cache ---------------------------------------------------------------------------------------------------

Spoil = Callable[[Path], object]  # of the folder of the data


def file(change: Callable[[Path], object]) -> Spoil:
    return lambda folder: change(folder / "cache" / f"{CLIP}.parquet")


def stored(change: Callable[[pa.Table], pa.Table]) -> Spoil:
    """Changes what is stored, past the checks of `write_clip`."""
    return file(lambda path: pq.write_table(change(pq.read_table(path)), path))


def written(xy: np.ndarray, confidence: np.ndarray | None = None) -> Spoil:
    """Other poses for the clip."""
    return lambda folder: write_clip(
        folder / "cache", CLIP, xy=xy, confidence=confidence, frame=np.arange(100, 100 + len(xy)),
        provenance=Provenance(source="made up for tests"),
    )  # fmt: skip


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CACHES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "empty file": (file(lambda path: path.write_bytes(b"")), ("an empty file", "write_clip")),
    "truncated file": (
        file(lambda path: path.write_bytes(path.read_bytes()[:-300])),
        ("a truncated Parquet file", "write_clip"),
    ),
    "something else": (file(lambda path: path.write_bytes(b"keypoints" * 200)), ("Parquet",)),
    "other skeleton": (stored(metadata(skeleton="coco-17")), ("skeleton 'coco-17'", "convert")),
    "newer version": (stored(metadata(format_version=99)), ("format version 99", "update")),
    "no metadata": (stored(lambda table: table.replace_schema_metadata(None)), ("no 'pose_cache'", "write_clip")),
    "half a joint": (stored(coordinate(math.nan)), ("frame 107", "has y but no x")),
    "infinite": (stored(coordinate(math.inf)), ("frame 107", "infinite coordinate")),
    "no frame": (stored(lambda table: table.slice(0, 0)), ("no rows",)),
    "one frame": (written(POSES[:1]), ("1 frames with a visible joint", "a clip needs two")),
    "all joints missing": (written(POSES * math.nan), ("0 frames with a visible joint",)),
    "all joints unsure": (written(POSES, np.full((30, 15), 0.1)), ("0 frames with a visible joint", "0.2")),
    "all joints at one point": (written(POSES * 0 + 7), ("at one point",)),
    "not in the cache": (file(Path.unlink), ("no keypoints of", "labels")),
    "a folder of that name": (file(replaced_by_a_folder), ("no keypoints of",)),
    "not in the labels": (
        file(lambda path: shutil.copy(path, path.with_name("stranger.parquet"))),
        ("'stranger'", "no label names"),
    ),
}


@pytest.mark.parametrize("case", CACHES)
def test_a_wrong_cache(case: str, data: Path, capsys: Capture) -> None:
    spoil, essential = CACHES[case]
    spoil(data)
    named = () if case == "not in the labels" else (CLIP,)
    assert_refused(capsys, data, words(data), *named, *essential)


@pytest.mark.parametrize("case", ["empty file", "other skeleton", "infinite", "no frame", "all joints at one point"])
def test_check_names_the_clip(case: str, data: Path, capsys: Capture) -> None:
    spoil, essential = CACHES[case]
    spoil(data)
    assert run.main(["check", str(data / "cache")]) == 2
    said = capsys.readouterr()
    assert CLIP in said.out
    assert essential[0] in said.out
    assert "Traceback" not in said.err


def test_poses_that_are_one_point_here_and_there_are_no_error(data: Path) -> None:
    xy = POSES.copy()
    xy[2:5] = 7
    written(xy)(data)
    assert run.main(words(data)) == 0


def test_no_cache_and_an_empty_one(data: Path, capsys: Capture) -> None:
    (data / "empty").mkdir()
    assert_refused(
        capsys, data, words(data, f"--data.cache={data / 'nowhere'}"), "nowhere", "no keypoint cache", "write_clip"
    )
    assert_refused(capsys, data, words(data, f"--data.cache={data / 'empty'}"), "empty", "no keypoints of")
    assert_refused(
        capsys, data, words(data, f"--data.cache={data / 'keypoint_folder' / 'labels.csv'}"), "no keypoint cache"
    )


# Labels ---------------------------------------------------------------------------------------------------------------

LABELS: dict[str, tuple[Callable[[list[Row]], list[Row]], tuple[str, ...]]] = {
    "no scores": (set_all(score=""), ("no clip with a score",)),
    "no column of scores": (
        lambda rows: [{key: value for key, value in row.items() if key != "score"} for row in rows],
        ("no column 'score'",),
    ),
    "constant scores": (set_all(score="5"), ("have the score 5", "different quality")),
    "one action and one score": (one_action, ("have the score 5",)),
    "one clip an action": (an_action_each, ("no similar pairs", "at least four clips")),
    "a score that is none": (set_one(score="good"), ("row 4", "column score", "'good' is not a number")),
    "an infinite score": (set_one(score="inf"), ("column score", "not a finite number")),
    "a NaN score": (set_one(score="nan"), ("column score", "not a finite number")),
    "an id twice": (lambda rows: [*rows, rows[3]], ("row 34", "labelled already in row 5")),
    "an id that leaves the cache": (set_one(clip="../cache/jeté 0-1"), ("column clip", "'../cache/jeté 0-1'")),
    "an absolute id": (set_one(clip="/etc/passwd"), ("column clip", "'/etc/passwd'")),
    "a part that does not exist": (set_one(split="trian"), ("column split", "did you mean 'train'")),
    "no test clip to train on": (set_all(split="test"), ("no clip with a score",)),
    "phases outside the clip": (set_one(phases="3"), (CLIP, "phases", "frames 100 to 129")),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_wrong_labels(case: str, data: Path, capsys: Capture) -> None:
    change, essential = LABELS[case]
    rewrite(data, change)
    assert_refused(capsys, data, words(data), *essential)


def test_no_labels(data: Path, capsys: Capture) -> None:
    path = data / "keypoint_folder" / "labels.csv"
    content = path.read_bytes()
    for wrong, essential in (
        (b"", "no column 'clip'"),
        (content.decode().encode("latin-1"), "UTF-8"),
        (b"\xff\xfe" + content, "UTF-16"),
    ):
        path.write_bytes(wrong)
        assert_refused(capsys, data, words(data), "labels.csv", essential)
    path.unlink()
    assert_refused(capsys, data, words(data), "labels.csv", "no such file", "python run.py fit")


# Options --------------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, tuple[str, ...]] = {
    "--model.margin=-1": ("margin", "(0, 2]", "-1"),
    "--model.margin=0": ("margin", "(0, 2]"),
    "--model.margin=.nan": ("margin", "nan"),
    "--model.margin=nan": ("model.margin", "'nan'", "a number"),
    "--model.lr=0": ("lr above 0",),
    "--model.lr=-1e-4": ("lr above 0",),
    "--model.lr=.nan": ("lr above 0", "nan"),
    "--model.encoder.channels=0": ("channels", "at least 1"),
    "--model.scorers=[]": ("scorers", "at least one"),
    "--data.pairs.pairs_per_epoch=1": ("pairs_per_epoch must be at least 2",),
    "--data.pairs.score_gap=0": ("score_gap", "above 0"),
    "--data.val_share=0": ("between 0 and 1", "got 0"),
    "--data.val_share=1.5": ("between 0 and 1", "got 1.5"),
    "--data.frames_per_clip=0": ("frames_per_clip", "at least 1"),
    "--data.batch_size=0": ("batch_size", "at least 1"),
    "--data.normalisation.min_confidence=2": ("min_confidence", "0 to 1"),
    "--data.seed=3": ("data.seed is 3", "seed_everything"),
    "--seed_everything=true": ("seed_everything is true", "whole number"),
    "--seed_everything=-1": ("seed_everything is -1", "whole number"),
    "--trainer.max_epochs=-5": ("max_epochs", "-5"),
    "--trainer.max_epochs=some": ("trainer.max_epochs is 'some'", "a whole number"),
    "--trainer.accelerator=abacus": ("accelerator", "abacus", "cpu"),
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_wrong_options(option: str, made: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = [word for word in words(made) if not word.startswith(option.partition("=")[0] + "=")]
    arguments.append(f"--trainer.logger.save_dir={tmp_path / 'runs'}")
    assert_refused(capsys, tmp_path, [*arguments, option], *OPTIONS[option])


def test_a_sport_misspelt_and_a_fold_that_does_not_exist(made: Path, tmp_path: Path, capsys: Capture) -> None:
    save = f"--trainer.logger.save_dir={tmp_path / 'runs'}"
    aqa7 = [
        "fit",
        "--config",
        "aqa7.yaml",
        f"--data.root={made / 'sports' / 'aqa7'}",
        f"--data.cache={made / 'sports' / 'cache'}",
        save,
        *FAST,
    ]
    assert_refused(capsys, tmp_path, [*aqa7, "--data.sports=[divng]"], "no 'divng'", "did you mean 'diving'")
    assert_refused(capsys, tmp_path, [*aqa7, "--data.sports=[diving, diving]"], "'diving' is named twice")
    assert_refused(capsys, tmp_path, [*aqa7, "--data.sports=diving"], "data.sports is 'diving'", "a list")
    assert_refused(
        capsys, tmp_path, [*aqa7, f"--data.root={tmp_path}"], "Split_4", "no such folder", "rtis.oit.unlv.edu"
    )
    speed21 = [
        "fit",
        "--config",
        "speed21.yaml",
        f"--data.root={make_speed21(tmp_path)}",
        f"--data.cache={tmp_path / 'cache'}",
        save,
        *FAST,
    ]
    assert_refused(capsys, tmp_path, [*speed21, "--data.fold=7"], "fold is 7", "0 to 4")
    assert_refused(capsys, tmp_path, [*speed21, "--data.folds=climbers"], "data.folds", "did you mean 'climber'")


@pytest.mark.parametrize("config", ["aqa7", "finediving", "keypoint_folder", "speed21"])
def test_missing_data_says_how_to_get_it(
    config: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(
        capsys, tmp_path, ["fit", "--config", config, *FAST], "data/", f"python run.py fit --config {config}.yaml"
    )


ROOTS = ["--data.root=no/where", "--data.cache=other"]
MINE = ["--data.labels_csv=labels.csv", "--data.media=no/where", "--data.cache=no/where"]


@pytest.mark.parametrize(
    ("command", "config", "options"),
    [
        *((command, config, ROOTS) for command in ("fit", "extract", "features") for config in ("aqa7", "finediving")),
        *((command, "keypoint_folder", MINE) for command in ("fit", "extract", "features")),
        *((command, "media_folder", ROOTS) for command in ("extract", "features")),
        ("fit", "speed21", ROOTS),
    ],
)
def test_what_is_missing_was_looked_for_where_the_user_says(
    command: str, config: str, options: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("clip,action,score\n" + "".join(f"{i},kick,{i}\n" for i in range(9)))
    assert run.main([command, "--config", config, *options, *(FAST if command == "fit" else [])]) == 2
    said = capsys.readouterr().err
    assert_one_line(said, "no/where")
    assert "data/" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"labels.csv"}


def test_a_damaged_demo(tmp_path: Path, capsys: Capture) -> None:
    demo = [
        "fit",
        "--config",
        "demo.yaml",
        f"--data.root={tmp_path / 'demo'}",
        f"--trainer.logger.save_dir={tmp_path / 'runs'}",
        *FAST,
    ]
    assert_refused(capsys, tmp_path, [*demo, "--data.clips=3"], "at least 48", "got 3")
    (tmp_path / "demo" / "keypoints").mkdir(parents=True)
    (tmp_path / "demo" / "keypoints" / "mine.parquet").write_bytes(b"real work")
    assert_refused(capsys, tmp_path, [*demo, "--data.clips=48"], "did not make")
