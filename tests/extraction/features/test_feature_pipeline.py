"""Clips come out as the features of the right frames, whatever shares a batch and however long they are."""

import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import extraction.features.feature_pipeline
from errors import InputError
from extraction.features.feature_pipeline import ClipFeatures, FeaturePipeline
from extraction.features.windows import Windows
from extraction.people.clip_poses import FailedClip
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from extraction.types import Image
from tests.extraction.fakes import frame_folder, photograph, write_frames, write_photograph
from tests.extraction.features.feature_fakes import Means, said_of, shades
from tests.extraction.media_files import cut, number_of, numbered_images, write_video

SMALL = Windows(frames=20, length=8, starts=(0, 5, 12))


def video(path: Path) -> ClipMedia:
    return ClipMedia(path.stem, "videos", (path,), None, 1, path.parent)


def features(pipeline: FeaturePipeline, media: Iterable[ClipMedia]) -> dict[str, ClipFeatures | FailedClip]:
    return {made.media.clip_id: made for made in pipeline.run(media)}


def found(made: ClipFeatures | FailedClip) -> ClipFeatures:
    assert isinstance(made, ClipFeatures), made
    return made


@pytest.mark.parametrize("windows", [SMALL, Windows()])
def test_features_are_those_of_the_frames_in_the_windows(tmp_path: Path, windows: Windows) -> None:
    counts = [1, 2, 7, 20, 33, 120]
    clips = [frame_folder(write_frames(tmp_path / str(count), shades(count, 7))) for count in counts]
    extractor = Means(batch=4)
    pipeline = FeaturePipeline(extractor, windows)
    pipeline.place("cpu")
    made = features(pipeline, clips)
    assert extractor.device == "cpu"
    for count in counts:
        one = found(made[str(count)])
        wanted = said_of(shades(count, 7), windows.frames, windows.length, windows.starts)
        assert one.features.dtype == np.float32
        np.testing.assert_allclose(one.features, wanted, atol=1e-4)
        assert one.frames == count
    number = len(counts) * len(windows.starts)
    full, rest = divmod(number, 4)
    assert extractor.batches == [4] * full + [rest] * (rest > 0)  # across clips
    assert extractor.decided == [None]


def test_batches_do_not_change_what_is_said_of_a_clip(tmp_path: Path) -> None:
    clips = [frame_folder(write_frames(tmp_path / str(count), shades(count))) for count in (3, 11, 30)]
    alone = features(FeaturePipeline(Means(batch=1), SMALL), clips)
    for batch in (2, 5, 100):
        for name, one in features(FeaturePipeline(Means(batch=batch), SMALL), clips[::-1]).items():
            np.testing.assert_array_equal(found(one).features, found(alone[name]).features)


@pytest.mark.parametrize("limit", [5, 39, 40, 1024])
def test_a_long_video_is_read_twice_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    path = write_video(tmp_path / "long.mp4", numbered_images(40), codec="png")
    opened = 0

    def counted(media: ClipMedia) -> Iterable[object]:
        nonlocal opened
        opened += 1
        return read_frames(media)

    monkeypatch.setattr(extraction.features.feature_pipeline, "read_frames", counted)
    monkeypatch.setattr(extraction.features.feature_pipeline, "KEPT", limit)
    seen: list[list[int]] = []

    class Numbers(Means):
        def crop(self, image: Image) -> Image:
            self.crops += 1
            return image

        def network(self, windows: Image) -> np.ndarray:
            seen.extend([number_of(frame) for frame in window] for window in windows)
            return super().network(windows)

    extractor = Numbers()
    assert found(features(FeaturePipeline(extractor, SMALL), [video(path)])["long"]).frames == 40
    places = [round(k * 39 / 19) for k in range(20)]
    assert seen == [places[start : start + 8] for start in SMALL.starts]
    assert opened == (1 if limit >= 40 else 2)
    assert extractor.crops == (40 if limit >= 40 else limit + len({place for window in seen for place in window}))


def test_a_video_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", shades(12))
    good = frame_folder(write_frames(tmp_path / "good", shades(12)))
    monkeypatch.setattr(extraction.features.feature_pipeline, "KEPT", 5)

    def changing(media: ClipMedia) -> Iterable[object]:
        yield from read_frames(media)
        write_video(path, shades(9))

    monkeypatch.setattr(extraction.features.feature_pipeline, "read_frames", changing)
    made = features(FeaturePipeline(Means(), SMALL), [video(path), good])
    failed = made["a"]
    assert isinstance(failed, FailedClip)
    assert "a.mp4: had 12 frames at first and 9 when it was read again; run" in failed.reason
    found(made["good"])


def test_bad_clips_do_not_stop_the_others(tmp_path: Path) -> None:
    write_frames(tmp_path / "good", shades(12))
    write_frames(tmp_path / "late", shades(12, 100))
    half = cut(write_video(tmp_path / "whole.avi", shades(30)), 0.5)
    (tmp_path / "words.mp4").write_text("just words")
    write_frames(tmp_path / "uneven", [*shades(3), *shades(1, size=(30, 24))])
    (tmp_path / "photo.png").write_bytes(b"")
    write_frames(tmp_path / "strange", shades(12, 50))
    clips = [
        video(half), frame_folder(tmp_path / "good"), video(tmp_path / "words.mp4"), frame_folder(tmp_path / "uneven"),
        frame_folder(tmp_path / "strange"), photograph(tmp_path / "photo.png"), frame_folder(tmp_path / "late"),
    ]  # fmt: skip
    made = features(FeaturePipeline(Means(batch=5, broken=50), SMALL), clips)
    reasons = {name: one.reason for name, one in made.items() if isinstance(one, FailedClip)}
    assert set(made) - set(reasons) == {"good", "late"}
    for name, essential in {
        "cut_whole": "cut off or damaged", "words": "is no video", "uneven": "has 30 x 24 pixels",
        "photo": "is empty", "strange": "not finite; choose precision fp32",
    }.items():  # fmt: skip
        assert essential in reasons[name]
        assert reasons[name].isprintable()
    np.testing.assert_allclose(found(made["late"]).features, said_of(shades(12, 100), 20, 8, SMALL.starts), atol=1e-4)


def test_a_clip_is_given_as_soon_as_it_is_done_and_asked_for_shortly_before(tmp_path: Path) -> None:
    clips = [frame_folder(write_frames(tmp_path / str(i), shades(4, i))) for i in range(8)]
    asked: list[int] = []
    looked: list[int] = []

    def one_by_one() -> Iterable[ClipMedia]:
        for i, clip in enumerate(clips):
            asked.append(i)
            yield clip

    run = FeaturePipeline(Means(batch=3), SMALL).run(one_by_one(), looked=looked.append)
    assert next(run).media.clip_id == "0"
    assert len(asked) <= 4  # one in the network, one that waits, one that is read, one more
    assert looked == [3]
    threads = threading.active_count()
    run.close()
    assert threading.active_count() == threads - 1


def test_a_photograph_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "a.png", shades(1, 9)[0])
    one = found(features(FeaturePipeline(Means(), SMALL), [photograph(path)])["a"])
    assert one.frames == 1
    np.testing.assert_allclose(one.features, np.tile([9, 0, 255], (3, 6)), atol=1e-4)


@pytest.mark.parametrize(
    ("length", "windows", "message"),
    [
        (16, SMALL, "Mean colours takes windows of 16 frames, asked for are 8; give another --windows.length"),
        (8, Windows(), "takes windows of 8 frames, asked for are 16"),
        (None, Windows(20, 7, (0, 5)), "takes windows of 8 frames or more, asked for are 7"),
    ],
)
def test_windows_that_the_extractor_does_not_take(length: int | None, windows: Windows, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeaturePipeline(Means(length=length), windows)


def test_fitting_windows_are_taken() -> None:
    for length, windows in ((16, Windows()), (8, SMALL), (None, SMALL), (None, Windows())):
        assert FeaturePipeline(Means(length=length), windows).windows == windows
