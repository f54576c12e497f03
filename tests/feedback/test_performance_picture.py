from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image as Pillow

from drawing.overlay import Image
from drawing.pictures import save_figure
from errors import InputError
from extraction.reading.frames import read_frames
from feedback.embedded_clips import load_measure
from feedback.performance_picture import performance_picture
from feedback.performances import compare_performances
from feedback.subjects import Subject
from poses.skeleton import flip
from run_folder.trained_model import TrainedModel
from tests.feedback.known_motion import filmed, in_a_row, subject, turned_by
from tests.feedback.stick_video import stick_video


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_measure(None)


def pair() -> tuple[Subject, Subject]:
    """A performance, and the same with a bent knee and an empty stretch."""
    reference = filmed(5, 0, name="reference")
    attempt = replace(turned_by(reference, "left knee", 40, 28, 36), name="attempt")
    attempt.xy[8:12] = np.nan
    return reference, attempt


def drawn(folder: Path, name: str, *arguments: object, **options: object) -> tuple[Image, list[str]]:
    """The picture as pixels, and all its words."""
    figure = performance_picture(compare_performances(*arguments, **options))  # type: ignore[arg-type]
    save_figure(figure, folder / name)
    with Pillow.open(folder / name) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return pixels, [artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text)]


def test_the_stick_video_is_what_its_keypoints_say(tmp_path: Path) -> None:
    clip = stick_video(tmp_path, pair()[1])
    assert clip.media is not None
    frames = list(read_frames(clip.media))
    assert len(frames) == len(clip.xy)
    assert [frame.time for frame in frames] == pytest.approx(clip.time, abs=1e-3)
    for row in (0, 30):
        x, y = clip.xy[row, 14].round().astype(int)  # the head: a coloured disc on the wall
        assert np.abs(frames[row].image[y, x].astype(int) - (206, 214, 222)).max() > 60
    empty = frames[9].image.astype(int)
    assert np.ptp(empty[:400], axis=(0, 1)).max() <= 8


def test_the_page_shows_curve_moments_words_and_warnings(tmp_path: Path, model: TrainedModel) -> None:
    reference, attempt = (stick_video(tmp_path, clip) for clip in pair())
    pixels, words = drawn(tmp_path, "page.png", [reference], attempt, model)
    assert pixels.shape[1] == 1400
    assert (tmp_path / "page.png").stat().st_size > 20_000
    text = "\n".join(words)
    assert "attempt.mp4 against reference.mp4: score 9" in text
    assert "synthetic poses only" in text
    assert "! attempt.mp4: 4 of 68 frames without a pose left out" in text
    assert "left knee: 40 degrees more bent" in text
    assert "no pose" in text
    wall = np.abs(pixels.astype(int) - (206, 214, 222)).max(-1) <= 6
    assert wall.sum() > 20_000  # frames of the videos are in it


def test_without_media_stick_figures_are_drawn(tmp_path: Path, model: TrainedModel) -> None:
    reference, attempt = pair()
    pixels, words = drawn(tmp_path, "page.png", [reference], attempt, model)
    assert "left knee: 40 degrees more bent" in words
    assert (np.abs(pixels.astype(int) - (206, 214, 222)).max(-1) <= 6).sum() < 3_000


def test_a_mirrored_reference_is_shown_mirrored(tmp_path: Path, model: TrainedModel) -> None:
    reference, attempt = filmed(5, 3, name="kick"), turned_by(filmed(5, 3), "left knee", 40, 20, 30)
    xy, _ = flip(attempt.xy, None, 640.0)
    _, words = drawn(tmp_path, "page.png", [stick_video(tmp_path, reference)], subject(xy, None, 30), model)
    text = "\n".join(words)
    assert "compared mirrored" in text
    assert " s, mirrored" in text
    assert "right knee" in text


def test_repetitions_are_spans_with_their_totals(tmp_path: Path, model: TrainedModel) -> None:
    reference = filmed(8, 2, name="reference")
    clip, _ = in_a_row([reference, turned_by(reference, "right elbow", 70, 25, 40)], np.random.default_rng(1))
    timeless = replace(clip, time=np.full(len(clip.xy), np.nan))
    for attempt, axis in ((clip, "seconds into several"), (timeless, "frames into several")):
        _, words = drawn(tmp_path, "page.png", [reference], attempt, model, repetitions=True)
        text = "\n".join(words)
        assert "several against reference: 2 attempts, " in text
        assert "attempt 1\n100.0" in words
        assert "attempt 2\n" in text
        assert axis in words


def test_equal_performances_have_a_page_too(tmp_path: Path, model: TrainedModel) -> None:
    reference, _ = pair()
    _, words = drawn(tmp_path, "page.png", [reference], reference, model)
    assert "No moment differs enough to be shown." in words


def test_a_clip_that_became_shorter_is_refused(tmp_path: Path, model: TrainedModel) -> None:
    reference, attempt = (stick_video(tmp_path, clip) for clip in pair())
    report = compare_performances([reference], attempt, model)
    # over the old one
    stick_video(tmp_path, replace(attempt, name="attempt", xy=attempt.xy[:20], time=attempt.time[:20]))
    with pytest.raises(InputError, match=r"attempt\.mp4: has no frame \d+, as the keypoints say"):
        performance_picture(report)
