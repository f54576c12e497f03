"""`features` on a made-up world: what it writes and says, killed and continued, and several processes on one cache."""

import importlib.util
import json
import os
import random
import shlex
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import run
from extraction.ledger import FOLDER
from poses.cache.feature_cache import list_features, read_feature_provenance, read_features
from poses.cache.keypoint_cache import list_clips
from tests.data.aqa7.make import make as make_aqa7
from tests.data.finediving.make import make as make_finediving
from tests.datasets import FAST
from tests.datasets import options as dataset_options
from tests.extraction.fakes import write_frames, write_photograph
from tests.extraction.features.feature_fakes import Means, said_of, shades
from tests.extraction.media_files import write_video
from tests.forks import python
from tests.refusal import assert_one_line, assert_refused

KILLS = 12
WINDOWS = (20, 8, (0, 5, 12))
FAKE = [
    "--extractor=tests.extraction.features.feature_fakes.Means", "--windows.frames=20", "--windows.length=8",
    "--windows.starts=[0, 5, 12]", "--trainer.accelerator=cpu",
]  # fmt: skip
SLOW = [
    "--extractor.delay=0.1",
    "--extractor.batch=1",
]  # so that the moments of a kill fall into the work, not beside it


def make_media(folder: Path, clips: int = 6) -> dict[str, int]:
    """A folder of clips; gives by id the shade that a clip of 9, 10, ... frames begins with."""
    for number in range(clips):
        write_frames(folder / "shades é" / f"clip {number}", shades(9 + number, 20 * number))
    return {f"shades é_clip {number}": 20 * number for number in range(clips)}


def words(media: Path, output: Path, *more: str) -> list[str]:
    cache = media.parent / "keypoints"
    return [
        "features", "--config=media_folder.yaml", f"--data.root={media}", f"--data.cache={cache}", *FAKE,
        f"--output={output}", *more,
    ]  # fmt: skip


def contents(cache: Path) -> dict[str, bytes]:
    """Every clip of a cache and its record, to the last byte; fails if anything half-written is there."""
    files = [path for path in cache.rglob("*") if path.is_file() and "locks" not in path.parts]
    assert not [path for path in files if path.suffix == ".tmp"]
    kept = [path for path in files if path.suffix == ".parquet" or path.parent.name == "clips"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media") / "m"
    make_media(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """A cache made in a single run."""
    cache = tmp_path_factory.mktemp("whole") / "cache"
    assert run.main(words(media, cache)) == 0
    return cache


def test_every_clip_is_there_with_its_provenance(whole: Path) -> None:
    table = read_features(whole)
    assert table.clip_ids == [f"shades é_clip {number}" for number in range(6)]
    wanted = [said_of(shades(9 + number, 20 * number), *WINDOWS) for number in range(6)]
    np.testing.assert_allclose(table.features, wanted, atol=1e-4)
    provenance = read_feature_provenance(whole, "shades é_clip 1")
    assert provenance is not None
    assert (provenance.source, provenance.extractor) == ("media_folder", "Mean colours (random)")
    assert (provenance.weights_sha256, provenance.weights_licence) == ("0" * 64, "MIT")
    settings = json.loads(provenance.settings or "")
    assert settings["windows"] == {"frames": 20, "length": 8, "starts": [0, 5, 12]}
    assert settings["extractor"]["class_path"] == "tests.extraction.features.feature_fakes.Means"
    assert settings["extractor"]["init_args"]["weights"] == "random"
    assert "batch" not in settings["extractor"]["init_args"]
    assert settings["decided"] == "exact"


def test_a_second_run_passes_everything_over(whole: Path, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((whole / FOLDER / "summary.json").read_text())
    assert (summary["done"], summary["skipped"], summary["failed"], summary["elsewhere"]) == (6, 0, [], [])
    assert (summary["frames"], summary["windows"]) == (sum(range(9, 15)), 18)
    assert summary["windows_per_second"] > 0
    before = contents(whole)
    assert run.main(words(media, whole, "--extractor.batch=3")) == 0  # no property of the features
    said = capsys.readouterr().out
    assert "6 of 6 clips are done; 0 go into" in said
    assert "clips: 0 done, 6 done before, 0 failed" in said
    assert "frames: 69, seen in 18 windows" in said
    assert said.splitlines()[-1].endswith(
        "--config keypoint_folder.yaml --config core_features.yaml --model.source.windows 3 --model.source.width 18 "
        f"--data.features {whole}"
    )
    assert contents(whole) == before


def test_one_bad_clip_is_reported_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "m"
    make_media(folder, 2)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (folder / "film.mp4").write_bytes(b"")
    write_photograph(folder / "back\\slash.png", shades(1)[0])
    assert run.main(words(folder, tmp_path / "cache")) == 1
    said = capsys.readouterr().out
    assert "clips: 2 done, 0 done before, 2 failed, 1 left out" in said
    for name in ("failed: broken: ", "failed: film: ", "left out: back"):
        (line,) = [line for line in said.splitlines() if line.startswith(name)]
        assert len(line) > 30
    summary = json.loads((tmp_path / "cache" / FOLDER / "summary.json").read_text())
    assert sorted(entry["clip"] for entry in summary["failed"]) == ["broken", "film"]
    (folder / "back\\slash.png").unlink()
    (folder / "broken.jpg").unlink()
    write_video(folder / "film.mp4", shades(12))
    assert run.main(words(folder, tmp_path / "cache")) == 0
    assert "clips: 1 done, 2 done before, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "essential"),
    [
        (["--windows.starts=[0, 5]"], ["made in another way", "settings", "--output"]),
        (["--extractor.weights=others"], ["made in another way", "extractor Mean colours (random)", "(others)"]),
        (["--extractor.shift=1"], ["made in another way"]),
    ],
)
def test_clips_made_in_another_way_are_refused(
    whole: Path, media: Path, capsys: pytest.CaptureFixture[str], more: list[str], essential: list[str]
) -> None:
    assert_refused(capsys, whole, words(media, whole, *more), *essential)


@pytest.mark.parametrize(
    ("more", "essential"),
    [
        (["--windows.length=16"], ["windows: a window of 16 of 20 frames starts between 0 and 4, got 5"]),
        (["--windows.length=30"], ["windows: a window has 1 to 20 frames"]),
        (["--windows.starts=[]"], ["windows: no starts"]),
        (["--windows.starts=[5, 0]"], ["windows: starts must rise"]),
        (["--windows.starts=[-1]"], ["windows: a window of 8", "got -1"]),
        (["--windows.starts=3"], ["windows.starts is '3'"]),
        (["--windows.frames=0"], ["windows: a clip has at least 1 frame"]),
        (["--windows.frames=many"], ["windows.frames is 'many', expected a whole number"]),
        (["--windows.lenght=8"], ["windows.lenght", "did you mean 'windows.length'?"]),
        (["--windows.length=4"], ["Mean colours takes windows of 8 frames or more, asked for are 4"]),
        (["--extractor.length=16"], ["Mean colours takes windows of 16 frames, asked for are 8"]),
        (["--extractor.wieghts=a"], ["did you mean 'extractor.weights'?"]),
        (["--extractor=extraction.features.i3d.I4D"], ["did you mean 'extraction.features.i3d.I3D'?"]),
        (["--extractor=no.such.Network"], ["no.such.Network"]),
        (["--extractor=tests.extraction.fakes.BarDetector"], ["extractor"]),
        (["--extractor=null"], ["extractor"]),
        (["--trainer.devices=many"], ["devices"]),
        (["--trainer.max_epochs=3"], ["trainer.max_epochs"]),
        (["--config=nothing.yaml"], ["nothing.yaml"]),
        (["--data.root=no/such/folder"], ["no/such/folder"]),
        (["--data.root=m/notes.txt"], ["m/notes.txt", "by its name no video or image"]),
        (["--data.root=empty"], ["empty", "no videos and no images"]),
        (["--data.cache=new"], ["new: is the keypoint cache; give the features a folder of their own (--output)"]),
        (["--output=m/notes.txt"], ["m/notes.txt"]),
        (["--output=m/notes.txt/new"], ["m/notes.txt"]),
        (["--output"], ["output"]),
        (["--config=demo.yaml"], ["no photographs or videos"]),
        (["park.mp4"], ["park.mp4"]),
    ],
)
def test_wrong_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str],
    essential: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make_media(Path("m"), 1)
    Path("m/notes.txt").write_text("clip 0 is from August")
    Path("empty").mkdir()
    if more == ["--config=demo.yaml"]:
        assert_refused(capsys, tmp_path, ["features", *FAKE, *more], *essential)
    else:
        assert_refused(capsys, tmp_path, [*words(Path("m"), Path("new")), *more], *essential)


def test_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, tmp_path, ["features", *FAKE], "no dataset is named", "--config media_folder.yaml")


def test_a_keypoint_cache_is_no_place_for_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_aqa7(tmp_path)
    name = next(name for name in list_clips(tmp_path / "cache") if name.startswith("diving_"))
    write_frames(root / "diving-out" / name[-3:], shades(6))
    for path in (root / "diving-out" / name[-3:]).iterdir():
        path.rename(path.with_suffix(".jpg"))
    arguments = words(root, tmp_path / "cache")
    arguments[1] = "--config=aqa7.yaml"
    before = {path: path.read_bytes() for path in (tmp_path / "cache").glob("*.parquet")}
    assert run.main(arguments) == 2
    assert_one_line(capsys.readouterr().err, f"{name}.parquet: holds keypoints, not features")
    assert {path: path.read_bytes() for path in (tmp_path / "cache").glob("*.parquet")} == before


def test_aqa7_and_finediving_into_caches_named_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aqa7, finediving = make_aqa7(tmp_path / "a"), make_finediving(tmp_path / "f")
    write_video(aqa7 / "Actions" / "diving" / "001.avi", shades(6))
    write_frames(finediving / "01" / "0", shades(60))
    for path in sorted((finediving / "01" / "0").iterdir()):
        path.rename(path.with_name(f"{int(path.stem[4:]):05d}.jpg"))
    monkeypatch.chdir(tmp_path)
    for name, root, clip in (("aqa7", aqa7, "diving_001"), ("finediving", finediving, "01_0")):
        capsys.readouterr()
        assert run.main(["features", f"--config={name}.yaml", f"--data.root={root}", *FAKE]) == 1  # others are left out
        said = capsys.readouterr().out
        cache = Path("data") / "features" / f"{name}_mean_colours"
        assert list_features(cache) == [clip]
        assert read_features(cache).provenance[0].source == name
        assert "left out: " in said
        assert said.splitlines()[-1] == (
            f"train on them: python run.py fit --config {name}.yaml --config core_features.yaml "
            f"--model.source.windows 3 --model.source.width 18 --data.features {cache}"
        )


def test_one_video_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "m" / "a video.mp4", shades(30), codec="png")
    write_video(tmp_path / "m" / "another.mp4", shades(30))
    assert run.main(words(path, tmp_path / "cache")) == 0
    table = read_features(tmp_path / "cache")
    assert table.clip_ids == ["a video"]
    np.testing.assert_allclose(table.features[0], said_of(shades(30), *WINDOWS), atol=1e-4)


@pytest.mark.parametrize("name", ["tpt_windows.yaml", "features.yaml"])
def test_the_shipped_windows(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "m" / "clip", shades(12))
    arguments = ["features", "--config=media_folder.yaml", f"--data.root={tmp_path / 'm'}", f"--config={name}"]
    arguments += ["--extractor=tests.extraction.features.feature_fakes.Means", f"--output={tmp_path / 'new'}"]
    assert run.main([*arguments, f"--data.cache={tmp_path / 'keypoints'}", "--trainer.accelerator=cpu"]) == 0
    starts, length = ([*range(0, 100, 5)], 8) if name.startswith("tpt") else ([*range(0, 90, 10), 86], 16)
    wanted = said_of(shades(12), 103, length, starts)
    np.testing.assert_allclose(read_features(tmp_path / "new").features[0], wanted, atol=1e-4)
    overlay = "tpt_features.yaml" if length == 8 else "core_features.yaml"
    assert f"--config {overlay} --model.source.width 18 --data.features" in capsys.readouterr().out


def test_the_line_that_it_ends_with_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = dataset_options("keypoint_folder.yaml", tmp_path)
    for number, clip in enumerate(list_clips(tmp_path / "keypoint_folder" / "cache")):
        write_photograph(tmp_path / "m" / f"{clip}.png", shades(1, number)[0])
    assert run.main(words(tmp_path / "m", tmp_path / "my features", "--data.images=photographs")) == 0
    line = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert line[:8] == ["train", "on", "them:", "python", "run.py", "fit", "--config", "keypoint_folder.yaml"]
    saved = f"--trainer.logger.save_dir={tmp_path / 'runs'}"
    assert run.main([*line[5:], *options[2:], *FAST, saved]) == 0, capsys.readouterr().err


class Others(Means):
    """Another extractor with options of the same names."""


def test_an_extractor_laid_over_another_takes_none_of_its_options(tmp_path: Path) -> None:
    make_media(tmp_path / "m", 1)
    (tmp_path / "one.yaml").write_text(
        "extractor: {class_path: tests.commands.test_features.Others, init_args: {shift: 5, broken: 0}}"
    )
    (tmp_path / "other.yaml").write_text("extractor: {class_path: tests.extraction.features.feature_fakes.Means}")
    configs = [f"--config={tmp_path / name}.yaml" for name in ("one", "other")]
    arguments = [word for word in words(tmp_path / "m", tmp_path / "new") if not word.startswith("--extractor")]
    assert run.main([*arguments, *configs]) == 0
    np.testing.assert_allclose(read_features(tmp_path / "new").features[0], said_of(shades(9), *WINDOWS), atol=1e-4)


def _child(arguments: list[str]) -> int:
    """Process id of a copy of this process that runs a command, quietly."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(run.main(arguments))
    return child


def test_killed_at_any_moment_and_continued_equals_a_single_run(tmp_path: Path, media: Path, whole: Path) -> None:
    cache = tmp_path / "cache"
    moments = random.Random(0)
    killed = 0
    sizes = []
    for _ in range(KILLS):
        child = _child(words(media, cache, *SLOW))
        time.sleep(moments.uniform(0.05, 0.6))
        os.kill(child, signal.SIGKILL)
        killed += os.waitpid(child, 0)[1] == signal.SIGKILL
        sizes.append(len(list_features(cache)) if cache.exists() else 0)
        if sizes[-1] == len(list_features(whole)):  # a quick machine has finished it: the next kills hit another
            assert sizes == sorted(sizes)
            cache, sizes = cache.with_name(f"{cache.name}_more"), []
    assert killed >= KILLS // 2  # the others had finished
    assert sizes == sorted(sizes)  # what is done stays done
    assert run.main(words(media, cache, *SLOW)) == 0
    single = tmp_path / "single"
    assert run.main(words(media, single, *SLOW)) == 0
    assert contents(cache) == contents(single)
    np.testing.assert_array_equal(read_features(cache).features, read_features(whole).features)


def test_two_processes_at_once_write_no_clip_twice(tmp_path: Path, media: Path) -> None:
    cache = tmp_path / "cache"
    children = [_child(words(media, cache, *SLOW)) for _ in range(2)]
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    single = tmp_path / "single"
    assert run.main(words(media, single, *SLOW)) == 0
    assert contents(cache) == contents(single)


def test_two_ranks_make_the_cache_of_one(tmp_path: Path, media: Path, whole: Path) -> None:
    cache = tmp_path / "cache"
    two = words(media, cache, "--trainer.devices=2", "--trainer.strategy=ddp")
    done = python("run.py", *two)
    assert done.returncode == 0, done.stderr[-2000:]
    assert contents(cache) == contents(whole)
    assert done.stdout.count("clips: ") == 1
    summary = json.loads((cache / FOLDER / "summary.json").read_text())
    assert (summary["done"], summary["failed"], summary["elsewhere"]) == (6, [], [])


def test_i3d_with_random_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "m" / "tiny.mp4", shades(20, size=(64, 48)))
    arguments = ["features", "--config=media_folder.yaml", f"--data.root={tmp_path / 'm' / 'tiny.mp4'}"]
    arguments += [f"--data.cache={tmp_path / 'keypoints'}", "--extractor.weights=random", "--windows.frames=16"]
    arguments += ["--windows.length=8", "--windows.starts=[0, 8]", "--trainer.accelerator=cpu"]
    outputs = [tmp_path / "one", tmp_path / "two"]
    for output in outputs:
        assert run.main([*arguments, f"--output={output}"]) == 0, capsys.readouterr().err
    first, second = (read_features(output) for output in outputs)
    assert first.features.shape == (1, 2, 1024)
    assert first.features[0].std() > 0
    np.testing.assert_array_equal(first.features, second.features)
    assert "i3d" in first.provenance[0].extractor.lower()


@pytest.mark.parametrize("name", ["s3d.yaml", "mvit.yaml"])
def test_the_networks_of_torchvision(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "tiny.mp4", shades(20, size=(64, 48)))
    arguments = [
        "features", "--config=media_folder.yaml", f"--data.root={tmp_path / 'tiny.mp4'}",
        f"--data.cache={tmp_path / 'keypoints'}", f"--output={tmp_path / 'new'}", f"--config={name}",
        "--extractor.weights=random", "--windows.frames=16", "--windows.starts=[0]", "--trainer.accelerator=cpu",
    ]  # fmt: skip
    if importlib.util.find_spec("torchvision") is None:
        assert run.main(arguments) == 2
        assert_one_line(capsys.readouterr().err, "torchvision", "requirements.txt")
        return
    assert run.main(arguments) == 0, capsys.readouterr().err
    assert read_features(tmp_path / "new").features.shape[:2] == (1, 1)
