from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from drawing.contact_sheet import (
    CLOSE,
    KEPT,
    SHOWN,
    STORED,
    TEXT,
    THUMBNAIL,
    StripBuilder,
    contact_sheet,
    fitted,
    shorten,
    wrap,
)
from drawing.overlay import text_width
from extraction.people.performers import Selection, Track
from extraction.reading.media import ClipMedia


def named(clip_id: str = "a clip") -> ClipMedia:
    return ClipMedia(clip_id, "action", (), None, None, Path())


def track(number: int, frames: Sequence[int], box: tuple[float, float, float, float], sure: float = 0.8) -> Track:
    left, top, right, bottom = box
    n = len(frames)
    xy = np.linspace((left, top), (right, bottom), 15, dtype=np.float32)
    boxes = np.tile(np.array(box, np.float32), (n, 1))
    return Track(number, np.array(frames, np.int64), boxes, np.tile(xy, (n, 1, 1)), np.full((n, 15), sure, np.float32))


def strip_of(
    frames: int,
    tracks: list[Track],
    selection: Selection,
    size: tuple[int, int] = (640, 360),
    clip: ClipMedia | None = None,
) -> np.ndarray:
    builder = StripBuilder(clip or named())
    for index in range(frames):
        builder.add(np.full((size[1], size[0], 3), 60, np.uint8), index)
    return builder.finish(tracks, selection)


NOBODY = Selection([], [])


@pytest.mark.parametrize("frames", [1, 2, 6, 11, 12, 13, 100, 1000, 4096])
def test_few_moments_are_kept_small_and_they_cover_the_clip(frames: int) -> None:
    builder = StripBuilder(named())
    image = np.zeros((4, 3000, 3), np.uint8)
    for index in range(frames):
        builder.add(image, index)
        assert len(builder.moments) <= KEPT
    indices = [moment.index for moment in builder.moments]
    assert indices == list(range(0, frames, builder.step))
    assert len(indices) >= min(frames, KEPT // 2 + 1)
    assert indices[-1] >= frames - builder.step
    assert sum(moment.image.nbytes for moment in builder.moments) <= KEPT * 3 * STORED[0] * STORED[1]


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1, 1), (12000, 9), (3, 4000), (256, 192)])
def test_images_of_any_shape_fit_into_their_place(size: tuple[int, int]) -> None:
    builder = StripBuilder(named())
    builder.add(np.zeros((size[1], size[0], 3), np.uint8), 0)
    height, width = builder.moments[0].image.shape[:2]
    assert 1 <= width <= STORED[0]
    assert 1 <= height <= STORED[1]
    strip = builder.finish([], NOBODY)
    width, height = fitted(np.array(size, np.float64), THUMBNAIL)
    assert width == THUMBNAIL[0] or height == THUMBNAIL[1]
    assert strip.shape[1] == width
    assert strip.shape[0] > height


def test_the_strip_shows_at_most_six_moments() -> None:
    assert strip_of(40, [], NOBODY).shape[1] == SHOWN * THUMBNAIL[0] + (SHOWN - 1) * 6
    assert strip_of(2, [], NOBODY).shape[1] == 2 * THUMBNAIL[0] + 6
    assert strip_of(1, [], NOBODY).shape[1] == THUMBNAIL[0]


def test_performers_are_in_colour_and_the_others_in_grey() -> None:
    tracks = [track(0, range(30), (100, 60, 200, 340)), track(1, range(30), (400, 60, 500, 340))]
    selection = Selection([[1]], ["dropped: moves less", "performer 1: moves"])
    shown = strip_of(30, tracks, selection).astype(int)
    saturation = shown.max(axis=2) - shown.min(axis=2)
    scale = THUMBNAIL[0] / 640
    top = shown.shape[0] - round(360 * scale)
    for column in range(SHOWN):
        left = column * (THUMBNAIL[0] + 6)
        performer = saturation[top:, left + round(380 * scale) : left + round(520 * scale)]
        other = saturation[top:, left + round(80 * scale) : left + round(220 * scale)]
        assert (performer > 80).sum() > 100
        assert (other > 20).sum() == 0
        assert (shown[top:, left + round(80 * scale) : left + round(220 * scale)] > 100).sum() > 100


def test_small_performers_are_shown_again_from_near() -> None:
    """The joints of the close-up lie where they are in the image."""
    image = np.full((720, 1280, 3), 60, np.uint8)
    image[300:400, 600:650] = (200, 60, 60)
    one = track(0, range(2), (600, 300, 650, 400))
    one.xy[:, :10] = np.nan
    one.xy[:, 10:] = (625, 350)  # one point in the middle of what is red
    builder = StripBuilder(named())
    builder.add(image, 0)
    builder.add(image, 1)
    strip = builder.finish([one], Selection([[0]], ["performer 1"])).astype(int)
    close = strip[-CLOSE:, : THUMBNAIL[0]]
    red = np.argwhere((close[..., 0] > 180) & (close[..., 1] < 90) & (close[..., 2] < 90))
    height, width = np.ptp(red, axis=0)
    assert 1.6 < height / width < 2.4
    assert height > 80
    low, high = red.min(axis=0), red.max(axis=0)
    inside = close[low[0] + 10 : high[0] - 10, low[1] + 10 : high[1] - 10]
    joint = np.argwhere(inside[..., 0] < 150) + low + 10
    assert len(joint)
    assert np.abs(joint.mean(axis=0) - (low + high) / 2).max() < 1.5
    large = [track(0, range(2), (600, 100, 900, 700))]
    assert builder.finish(large, Selection([[0]], ["performer 1"])).shape[0] < strip.shape[0] - CLOSE + 5
    assert builder.finish([one], Selection([], ["dropped"])).shape[0] < strip.shape[0] - CLOSE + 30


def test_the_two_performers_have_different_colours_and_the_order_of_drawing_is_right() -> None:
    """The performer's box lies over that of somebody dropped in the same place."""
    box = (100.0, 100.0, 200.0, 300.0)
    tracks = [track(0, [0], box), track(1, [0], box)]
    first = StripBuilder(named())
    first.frames = 2
    first.add(np.full((360, 640, 3), 60, np.uint8), 0)
    one = first.finish(tracks, Selection([[0]], ["performer 1", "dropped"]))
    other = first.finish(tracks, Selection([[1]], ["dropped", "performer 1"]))
    np.testing.assert_array_equal(one[-140:], other[-140:])
    alone = [first.finish(tracks[:1], Selection(performers, ["performer"])) for performers in ([[0]], [[], [0]])]
    assert (alone[0] != alone[1]).any()


def captions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that is written, as it is written."""
    written: list[str] = []
    from drawing import contact_sheet as module
    from drawing.overlay import draw_text

    def record(image: np.ndarray, place: tuple[int, int], text: str, *rest: object) -> np.ndarray:
        written.append(text)
        return draw_text(image, place, text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "draw_text", record)
    return written


def test_the_caption_says_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written = captions(monkeypatch)
    tracks = [
        track(0, range(0, 10), (0, 0, 50, 50), 0.5),
        track(1, range(12, 20), (0, 0, 50, 50), 0.5),
        track(2, range(3), (0, 0, 50, 50)),
        track(3, range(9), (0, 0, 50, 50)),
    ]
    reasons = [
        "performer 1 (part 1 of 2): moves",
        "performer 1 (part 2 of 2): moves",
        "dropped: brief",
        "dropped: still",
    ]
    strip_of(24, tracks, Selection([[0, 1]], reasons), clip=named("Прыжок 1"))
    text = written[SHOWN]
    for words in ("Прыжок 1", "24 frames", "1 performer, 2 dropped", "confidence 0.50", "missing in 6 frames"):
        assert words in text
    assert written[SHOWN + 1] == reasons[0]
    assert written[SHOWN + 2] == "dropped: still (and 1 more)"
    assert written[0] == "0"
    assert written[SHOWN - 1] == "22: performer not seen"


def test_the_caption_of_a_photograph_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    written = captions(monkeypatch)
    tracks = [track(0, [0], (0, 0, 50, 50), 0.5), track(1, [0], (60, 0, 90, 50), 0.7), track(2, [0], (0, 0, 9, 9), 0)]
    strip_of(1, tracks, Selection([[1], [0]], ["performer 2", "performer 1", "dropped: no body"]))
    assert "  ·  ".join(written) == "a clip  ·  2 people  ·  1 without a pose  ·  confidence 0.60"


def test_a_frame_in_which_the_estimator_saw_nobody_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    written = captions(monkeypatch)
    one = track(0, range(4), (0, 0, 50, 50))
    one.confidence[2:] = 0
    strip_of(4, [one], Selection([[0]], ["performer 1"]))
    assert written[:4] == ["0", "1", "2: performer not seen", "3: performer not seen"]
    assert "missing in 2 frames" in " ".join(written)


def test_unknown_confidence_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    written = captions(monkeypatch)
    strip_of(3, [track(0, range(3), (0, 0, 50, 50), np.nan)], Selection([[0]], ["performer 1"]))
    assert "confidence" not in " ".join(written)
    assert "seen in all frames" in " ".join(written)


def test_long_names_are_shortened_and_hostile_ones_harmless() -> None:
    name = "folder/" * 40 + "clip.mp4"
    short = shorten(name, 300)
    assert text_width(short, TEXT) <= 300
    assert short.startswith("folder/")
    assert short.endswith("clip.mp4")
    assert "…" in short
    assert shorten("a\n\x1b[31mb", 300) == "a��[31mb"
    assert shorten("anything", 1) == "…"
    strip = strip_of(1, [], NOBODY, clip=named(name))
    assert strip.shape[1] == THUMBNAIL[0]
    lines = wrap(["one", "two", "three " * 9, "four"], 200)
    assert lines[0] == "one  ·  two"
    assert all(text_width(line, TEXT) <= 200 for line in lines)


def test_photographs_stand_side_by_side_and_clips_below_one_another() -> None:
    photograph = strip_of(1, [], NOBODY)
    clip = strip_of(20, [], NOBODY)
    six = contact_sheet([photograph] * 6, "photographs", 0)
    seven = contact_sheet([photograph] * 7, "photographs", 0)
    assert seven.shape[0] > six.shape[0] + 0.9 * photograph.shape[0]
    assert seven.shape[1] == six.shape[1]
    many = contact_sheet([clip] * 24, "videos", 3)
    assert many.dtype == np.uint8
    assert many.shape[0] > 24 * clip.shape[0]
    assert clip.shape[1] < many.shape[1] < clip.shape[1] + 60
    assert (many[:4] == 255).all()
    assert contact_sheet([], "nothing", 0).ndim == 3


def test_the_page_says_what_is_not_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    written = captions(monkeypatch)
    strip = np.zeros((10, 10, 3), np.uint8)
    contact_sheet([strip], "прыжки в воду", 3)
    assert written == ["прыжки в воду", "and 3 more clips"]
    written.clear()
    contact_sheet([strip], "diving", 1)
    contact_sheet([strip], "diving", 0)
    assert written == ["diving", "and 1 more clip", "diving"]


def test_lines_are_smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the colours of lines and ground there are many more than where lines are drawn in their final size."""

    def colours() -> int:
        shown = strip_of(1, [track(0, [0], (100, 100, 300, 300))], Selection([[0]], ["performer 1"]))
        return len(np.unique(shown[-100:].reshape(-1, 3), axis=0))

    smooth = colours()
    monkeypatch.setattr("drawing.contact_sheet.FINER", 1)
    assert smooth > 1.5 * colours()
