"""`extract` on a made-up world: what it writes and says, killed and continued, and several processes on one cache."""

import errno
import json
import os
import random
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import run
from extraction.ledger import FOLDER
from poses.cache.keypoint_cache import list_clips, read_cache, read_provenance
from tests.data.aqa7.make import make as make_aqa7
from tests.data.finediving.make import make as make_finediving
from tests.extraction.fakes import picture, walking, write_frames, write_photograph
from tests.extraction.media_files import write_video
from tests.forks import python
from tests.refusal import assert_one_line

KILLS = 20


def make_media(folder: Path, clips: int = 4, photographs: int = 3) -> Path:
    for number in range(clips):
        write_frames(folder / "walks" / f"walk {number}", walking(12 + number, start=5 + number))
    for number in range(photographs):
        people = [(10 + 45 * k, 10 + 3 * number, 20, 50) for k in range(number % 3 + 1)]
        write_photograph(folder / "fotos é" / f"{7 * number}.png", picture(*people))
    return folder


def words(media: Path, cache: Path, *more: str) -> list[str]:
    return [
        "extract", "--config=media_folder.yaml", f"--data.root={media}", f"--data.cache={cache}",
        "--pose.detector=tests.extraction.fakes.BarDetector", "--pose.estimator=tests.extraction.fakes.BarEstimator",
        "--trainer.accelerator=cpu", *more,
    ]  # fmt: skip


def contents(cache: Path) -> dict[str, bytes]:
    """Every clip of a cache, its record and its picture, to the last byte; fails if anything half-written is there."""
    files = [path for path in cache.rglob("*") if path.is_file() and "locks" not in path.parts]
    assert not [path for path in files if path.suffix == ".tmp"]
    kept = [path for path in files if path.suffix == ".parquet" or path.parent.name == "clips"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_media(tmp_path_factory.mktemp("media") / "m")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """A cache made in a single run."""
    cache = tmp_path_factory.mktemp("whole") / "cache"
    assert run.main(words(media, cache)) == 0
    return cache


def test_every_clip_is_extracted_with_its_provenance(whole: Path, media: Path) -> None:
    ids = [*(f"fotos é_{7 * number}" for number in range(3)), *(f"walks_walk {number}" for number in range(4))]
    assert list_clips(whole) == sorted(ids)
    table = read_cache(whole)
    assert np.isfinite(table.xy).all()
    provenance = read_provenance(whole, "walks_walk 1")
    assert provenance is not None
    assert (provenance.source, provenance.detector) == ("media_folder", "bars (none)")
    assert (provenance.estimator, provenance.weights_sha256) == ("bars (random)", "0" * 64)
    assert (provenance.weights_licence, provenance.detector_licence) == ("MIT", "Apache-2.0")
    settings = json.loads(provenance.settings or "")
    assert settings["detector"]["class_path"] == "tests.extraction.fakes.BarDetector"
    assert settings["turn_below"] == 0
    assert settings["decided"] == "exact"
    assert run.main(["check", str(whole)]) == 0


def test_summary_and_contact_sheets(whole: Path, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((whole / FOLDER / "summary.json").read_text())
    frames = 3 + 12 + 13 + 14 + 15
    assert (summary["done"], summary["skipped"], summary["failed"], summary["elsewhere"]) == (7, 0, [], [])
    assert (summary["frames"], summary["frames_without_person"], summary["people"]) == (frames, 0, 6 + 4)
    assert summary["mean_confidence"] == pytest.approx(0.9)
    assert summary["people_per_second"] > 0
    for action in ("walks", "fotos é"):
        content = np.frombuffer((whole / FOLDER / f"{action}.png").read_bytes(), np.uint8)
        sheet = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert sheet.shape[0] > 100
        assert sheet.std() > 10
    before = contents(whole)
    assert run.main(words(media, whole)) == 0
    said = capsys.readouterr().out
    assert "7 of 7 clips are done; 0 go into" in said
    assert "clips: 0 extracted, 7 done before, 0 failed" in said
    assert contents(whole) == before


def test_one_bad_clip_is_reported_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_media(tmp_path / "m", clips=2)
    (folder / "fotos é" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    write_photograph(folder / "fotos é" / "nobody.png", picture())
    (folder / "film.mp4").write_bytes(b"")
    assert run.main(words(folder, tmp_path / "cache")) == 1
    said = capsys.readouterr().out
    assert "clips: 5 extracted, 0 done before, 3 failed" in said
    for name in ("broken", "nobody", "film"):
        (line,) = [line for line in said.splitlines() if line.startswith("failed: ") and name in line]
        assert len(line) > 30
    failed = json.loads((tmp_path / "cache" / FOLDER / "summary.json").read_text())["failed"]
    assert sorted(entry["clip"] for entry in failed) == ["film", "fotos é_broken", "fotos é_nobody"]
    assert len(list_clips(tmp_path / "cache")) == 5
    (folder / "film.mp4").unlink()
    write_photograph(folder / "fotos é" / "nobody.png", picture((10, 10, 20, 60)))
    assert run.main(words(folder, tmp_path / "cache")) == 1  # the mended one is made, the broken one tried again
    assert "clips: 1 extracted, 5 done before, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "essential"),
    [
        (["--pose.turn_below=0.5"], "made in another way"),
        (["--pose.turn_bellow=0.5"], "did you mean"),
        (["--pose.estimator=tests.extraction.fakes.BarDetector"], "pose.estimator"),
        (["--pose.detector=no.such.Detector"], "no.such.Detector"),
        (["--pose.most_people=0"], "most_people"),
        (["--data.root=no/such/folder"], "no/such/folder"),
        (["--config=nothing.yaml"], "nothing.yaml"),
        (["--trainer.devices=many"], "devices"),
        (["--pose.interpolate=some"], "interpolate"),
    ],
)
def test_wrong_options(
    whole: Path, media: Path, capsys: pytest.CaptureFixture[str], more: list[str], essential: str
) -> None:
    before = contents(whole)
    capsys.readouterr()
    assert run.main(words(media, whole, *more)) == 2
    assert_one_line(capsys.readouterr().err, essential)
    assert contents(whole) == before


def test_a_config_for_training_serves_by_its_data_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["extract", "--config=demo.yaml", f"--data.root={tmp_path}"]) == 2
    assert_one_line(capsys.readouterr().err, "no photographs or videos")


def test_aqa7_from_frames_and_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_aqa7(tmp_path)
    diving = next(name for name in list_clips(tmp_path / "cache") if name.startswith("diving_"))
    synchronised = next(name for name in list_clips(tmp_path / "cache") if name.startswith("sync_diving_3m_"))
    for path in write_frames(root / "diving-out" / diving[-3:], walking(6)).iterdir():
        path.rename(path.with_suffix(".jpg"))
    two = [picture((10 + 3 * frame, 40, 20, 60), (60 + 3 * frame, 40, 20, 60)) for frame in range(6)]
    write_video(root / "Actions" / "sync_diving_3m" / f"{synchronised[-3:]}.avi", two)
    options = words(root, tmp_path / "new")
    options[1] = "--config=aqa7.yaml"
    assert run.main(options) == 1  # of the other listed clips nothing is there
    assert list_clips(tmp_path / "new") == [diving, synchronised]
    assert "left out: gym_vault" in capsys.readouterr().out
    frames, video = read_cache(tmp_path / "new", [diving]), read_cache(tmp_path / "new", [synchronised])
    assert frames.frame.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.isnan(frames.time).all()
    assert video.track_person.tolist() == [0, 1]
    assert video.frame.tolist() == [*range(6)] * 2
    assert (np.diff(video.time[:6]) > 0).all()


def test_finediving_keeps_the_numbers_of_the_competition(tmp_path: Path) -> None:
    root = make_finediving(tmp_path)
    dive = read_cache(tmp_path / "cache", ["01_0"])
    folder = write_frames(root / "01" / "0", walking(len(dive.frame)))
    for path, number in zip(sorted(folder.iterdir()), dive.frame, strict=True):
        path.rename(folder / f"{number:05d}.jpg")
    options = words(root, tmp_path / "new")
    options[1] = "--config=finediving.yaml"
    assert run.main(options) == 1  # the other dives are left out
    np.testing.assert_array_equal(read_cache(tmp_path / "new", ["01_0"]).frame, dive.frame)


def test_a_full_disk_ends_the_run_in_one_line(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Path.open
    written = []

    def full(self: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if mode == "wb" and ".parquet." in self.name:
            written.append(self)
            if len(written) > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, mode, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    assert run.main(words(media, tmp_path / "cache")) == 2
    assert_one_line(capsys.readouterr().err, os.strerror(errno.ENOSPC))
    monkeypatch.undo()
    assert len(list_clips(tmp_path / "cache")) == 3
    assert run.main(words(media, tmp_path / "cache")) == 0
    assert len(list_clips(tmp_path / "cache")) == 7


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
    slow = "--pose.detector.delay=0.05"  # so that the moments fall into the work, not beside it
    moments = random.Random(0)
    killed = 0
    sizes = []
    for _ in range(KILLS):
        child = _child(words(media, cache, slow))
        time.sleep(moments.uniform(0.05, 0.6))
        os.kill(child, signal.SIGKILL)
        killed += os.waitpid(child, 0)[1] == signal.SIGKILL
        sizes.append(len(list_clips(cache)) if cache.exists() else 0)
        if sizes[-1] == len(list_clips(whole)):  # a quick machine has finished it: the next kills hit another
            assert sizes == sorted(sizes)
            cache, sizes = cache.with_name(f"{cache.name}_more"), []
    assert killed >= KILLS // 2  # the others had finished
    assert sizes == sorted(sizes)  # what is done stays done
    assert run.main(words(media, cache, slow)) == 0
    single = tmp_path / "single"
    assert run.main(words(media, single, slow)) == 0
    assert contents(cache) == contents(single)


def test_two_processes_at_once_write_no_clip_twice(tmp_path: Path, media: Path) -> None:
    cache = tmp_path / "cache"
    slow = "--pose.detector.delay=0.05"
    children = [_child(words(media, cache, slow)) for _ in range(2)]
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    single = tmp_path / "single"
    assert run.main(words(media, single, slow)) == 0
    assert contents(cache) == contents(single)


def test_two_ranks_make_the_cache_of_one(tmp_path: Path, media: Path, whole: Path) -> None:
    cache = tmp_path / "cache"
    two = words(media, cache, "--trainer.devices=2", "--trainer.strategy=ddp")
    done = python("run.py", *two)
    assert done.returncode == 0, done.stderr[-2000:]
    assert contents(cache) == contents(whole)
    assert done.stdout.count("clips: ") == 1
    summary = json.loads((cache / FOLDER / "summary.json").read_text())
    assert (summary["done"], summary["failed"], summary["elsewhere"]) == (7, [], [])
