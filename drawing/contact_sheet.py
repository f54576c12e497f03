"""Pages of pictures that let a person check who was chosen in each clip, and what was found of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drawing.overlay import Image, draw_box, draw_skeleton, draw_text, text_width
from drawing.stick_figures import INK
from errors import counted
from extraction.people.performers import Selection, Track
from extraction.reading.media import ClipMedia

THUMBNAIL: Final = (256, 192)
"""Width and height, in pixels, that every image is fitted into."""
STORED: Final = (480, 360)
"""And that it is remembered in at the most."""
CLOSE: Final = 150
"""Height of the close-ups of small performers."""
SMALL: Final = 90
"""Pixels of a thumbnail; who is longer is seen well enough in it."""
KEPT: Final = 12
"""Moments that are remembered of a clip."""
SHOWN: Final = 6
"""Moments that are shown."""
GAP: Final = 6
TEXT: Final = 13
TITLE: Final = 22
GREY: Final = "#6B6B6B"
DROPPED: Final = "#B0B0B0"
PERFORMERS: Final = ("#F0E442", "#CC79A7", "#56B4E9", "#009E73")
"""Colours of the first performers' boxes, then the same again; Okabe and Ito's, none of them a skeleton's."""
FINER: Final = 2
"""Skeletons are drawn on images so many times larger, which makes their lines smooth."""


@dataclass
class _Moment:
    index: int
    image: Image  # small
    size: npt.NDArray[np.float64]  # [2], width and height of the image as it was

    def view(self, window: npt.NDArray[np.float64], size: tuple[int, int]) -> Image:
        """The part (left, top, right, bottom) of the image as it was, brought to a width and height."""
        small = np.tile(self.image.shape[1::-1] / self.size, 2)
        left, top, right, bottom = window * small
        across, down = size[0] / (right - left), size[1] / (bottom - top)
        # (0, 0) is the middle of the first pixel, on both sides
        matrix = np.array([[across, 0, (0.5 - left) * across - 0.5], [0, down, (0.5 - top) * down - 0.5]])
        white = (255, 255, 255)
        return np.asarray(cv2.warpAffine(self.image, matrix, size, borderValue=white), np.uint8)


class StripBuilder:
    """Makes one picture of a clip, a few moments side by side, while its frames pass by.

    It does not know how long the clip will be: it keeps every frame, small, then every second, every fourth, ...

    Args:
        clip: whose picture it is.
    """

    def __init__(self, clip: ClipMedia) -> None:
        self.clip = clip
        self.frames = 0
        self.step = 1
        self.moments: list[_Moment] = []

    def add(self, image: Image, index: int) -> None:
        """Frame `index` of the clip, uint8 [H, W, 3]; called for every frame, in order."""
        self.frames = index + 1
        if index % self.step:
            return
        if len(self.moments) == KEPT:
            self.moments = self.moments[::2]
            self.step *= 2
            if index % self.step:
                return
        size = np.array(image.shape[1::-1], np.float64)
        if (size > STORED).any():
            image = np.asarray(cv2.resize(image, fitted(size, STORED), interpolation=cv2.INTER_AREA), np.uint8)
        self.moments.append(_Moment(index, image.copy(), size))

    def finish(self, tracks: Sequence[Track], selection: Selection) -> Image:
        """The picture: performers with their skeletons in numbered boxes, everybody else in thin grey ones.

        Small performers are shown again, from near.
        """
        which = np.linspace(0, len(self.moments) - 1, min(SHOWN, len(self.moments))).round().astype(int)
        moments = [self.moments[i] for i in which.tolist()]
        pictures = [self._picture(moment, tracks, selection.performers) for moment in moments]
        row = beside(pictures) if pictures else np.full((1, THUMBNAIL[0], 3), 255, np.uint8)
        lines = wrap([self.clip.clip_id, *self._facts(tracks, selection)], row.shape[1])
        kept = {part for parts in selection.performers for part in parts}
        longest = sorted(set(range(len(tracks))) - kept, key=lambda part: -len(tracks[part].frame))
        dropped = [selection.reasons[part] for part in longest]
        if self.frames > 1 and dropped:
            chosen = [selection.reasons[parts[0]] for parts in selection.performers]
            more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
            lines += [shorten(line, row.shape[1]) for line in (*chosen, dropped[0] + more)]
        rows = [caption(lines, row.shape[1]), row]
        if self.frames > 1 and self._small([tracks[part] for part in sorted(kept)]):
            rows.append(beside([self._close(moment, tracks, selection.performers) for moment in moments]))
        return below(rows)

    def _picture(self, moment: _Moment, tracks: Sequence[Track], performers: list[list[int]]) -> Image:
        width, height = fitted(moment.size, THUMBNAIL)
        everywhere = np.array([0, 0, *moment.size])
        picture = self._drawn(moment, everywhere, (width, height), tracks, performers, dropped=True)
        if self.frames > 1:
            seen = any(_seen(tracks[part])[row] for part, row in _there(tracks, moment, performers))
            label = f"{moment.index}" if seen else f"{moment.index}: performer not seen"
            picture = draw_text(picture, (0, height), label, TEXT - 2, "#FFFFFF", "#222222")
        return picture

    def _close(self, moment: _Moment, tracks: Sequence[Track], performers: list[list[int]]) -> Image:
        """The performers of a moment from near; white where there is none."""
        size = (fitted(moment.size, THUMBNAIL)[0], CLOSE)
        boxes = np.array([tracks[part].boxes[row] for part, row in _there(tracks, moment, performers)])
        if not len(boxes):
            return np.full((size[1], size[0], 3), 255, np.uint8)
        low, high = boxes[:, :2].min(axis=0).astype(np.float64), boxes[:, 2:].max(axis=0)
        sides = (high - low) + 0.3 * (high - low).max()
        sides = np.array(size) * max((sides / size).max(), 1e-6)
        # moved into the image where that is possible
        corner = np.clip((low + high - sides) / 2, 0, np.maximum(moment.size - sides, 0))
        window = np.concatenate([corner, corner + sides])
        return self._drawn(moment, window, size, tracks, performers, dropped=False)

    def _small(self, chosen: Sequence[Track]) -> bool:
        if not chosen or not self.moments:
            return False
        boxes = np.concatenate([track.boxes for track in chosen])
        length = float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))
        return length * float(min(THUMBNAIL / self.moments[0].size)) < SMALL

    def _drawn(
        self,
        moment: _Moment,
        window: npt.NDArray[np.float64],
        size: tuple[int, int],
        tracks: Sequence[Track],
        performers: list[list[int]],
        dropped: bool,
    ) -> Image:
        """Part of a moment's image, brought to a size, and the people on it."""
        picture = moment.view(window, (FINER * size[0], FINER * size[1]))
        scale = FINER * np.array(size) / (window[2:] - window[:2])
        if dropped:
            chosen = {part for parts in performers for part in parts}
            others = [part for part in range(len(tracks)) if part not in chosen]
            for part, row in _there(tracks, moment, [others]):
                box = (tracks[part].boxes[row].reshape(2, 2) - window[:2]) * scale
                picture = draw_box(picture, box.ravel(), "", DROPPED, text_size=FINER * TEXT)
        for rank, parts in reversed(list(enumerate(performers))):  # the first comes on top
            for part, row in _there(tracks, moment, [parts]):
                picture = draw_skeleton(picture, (tracks[part].xy[row] - window[:2]) * scale)
                box = (tracks[part].boxes[row].reshape(2, 2) - window[:2]) * scale
                colour = PERFORMERS[rank % len(PERFORMERS)]
                picture = draw_box(picture, box.ravel(), str(rank + 1), colour, text_size=FINER * TEXT)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _facts(self, tracks: Sequence[Track], selection: Selection) -> list[str]:
        parts = [part for performer in selection.performers for part in performer]
        confidence = np.concatenate([np.empty(0), *(tracks[part].confidence.ravel() for part in parts)])
        known = confidence[np.isfinite(confidence)]
        sure = [f"confidence {known.mean():.2f}"] if len(known) else []
        kept, dropped = len(selection.performers), len(tracks) - len(parts)
        if self.frames == 1:
            lost = [f"{dropped} without a pose"] if dropped else []
            return [counted(kept, "person", "people"), *lost, *sure]
        unseen = self.frames * kept - sum(int(_seen(tracks[part]).sum()) for part in parts)
        missing = f"missing in {counted(unseen, 'frame')}" if unseen else "seen in all frames"
        return [
            counted(self.frames, "frame"),
            f"{counted(kept, 'performer')}, {dropped} dropped",
            *sure,
            *([missing] if kept else []),
        ]


def _there(tracks: Sequence[Track], moment: _Moment, people: list[list[int]]) -> list[tuple[int, int]]:
    """Index and row of the tracks of some people that are there in a moment."""
    parts = [part for one in people for part in one]
    return [(part, int(row)) for part in parts for row in np.flatnonzero(tracks[part].frame == moment.index)]


def fitted(size: npt.NDArray[np.float64], place: tuple[int, int]) -> tuple[int, int]:
    """Width and height of an image that is made as large as it can be in a place."""
    width, height = np.maximum(1, (size * min(place / size)).round().astype(int)).tolist()
    return width, height


def _seen(track: Track) -> npt.NDArray[np.bool_]:
    """[n], False where the estimator saw nobody in the box."""
    seen: npt.NDArray[np.bool_] = ~(track.confidence <= 0).all(axis=1)
    return seen


def contact_sheet(strips: Sequence[Image], title: str, more: int) -> Image:
    """A page of the pictures of clips, each in its place; narrow ones, as of photographs, stand side by side.

    Args:
        strips: from `StripBuilder.finish`, uint8 [h, w, 3].
        title: of the page.
        more: how many clips are not on it.
    """
    widest = max([SHOWN * (THUMBNAIL[0] + GAP) - GAP, *(strip.shape[1] for strip in strips)])
    rows: list[list[Image]] = []
    for strip in strips:
        if rows and sum(one.shape[1] + GAP for one in rows[-1]) + strip.shape[1] <= widest:
            rows[-1].append(strip)
        else:
            rows.append([strip])
    body = [beside(row) for row in rows]
    width = max([2 * THUMBNAIL[0], *(row.shape[1] for row in body)])
    title = shorten(title, width, TITLE)
    page = [caption([title], width, TITLE), *body]
    if more:
        page.append(caption([f"and {counted(more, 'more clip')}"], width))
    sheet = below(page, 2 * GAP)
    framed = np.full((sheet.shape[0] + 4 * GAP, sheet.shape[1] + 4 * GAP, 3), 255, np.uint8)
    framed[2 * GAP : -2 * GAP, 2 * GAP : -2 * GAP] = sheet
    return framed


def beside(images: Sequence[Image]) -> Image:
    """Images next to one another on white, their upper edges in line."""
    row = np.full(
        (max(one.shape[0] for one in images), sum(one.shape[1] + GAP for one in images) - GAP, 3), 255, np.uint8
    )
    left = 0
    for one in images:
        row[: one.shape[0], left : left + one.shape[1]] = one
        left += one.shape[1] + GAP
    return row


def below(images: Sequence[Image], gap: int = 2) -> Image:
    """Images below one another on white, their left edges in line."""
    column = np.full(
        (sum(one.shape[0] + gap for one in images) - gap, max(one.shape[1] for one in images), 3), 255, np.uint8
    )
    top = 0
    for one in images:
        column[top : top + one.shape[0], : one.shape[1]] = one
        top += one.shape[0] + gap
    return column


def caption(lines: Sequence[str], width: int, size: int = TEXT) -> Image:
    """Lines of text on white, the first darker than the others."""
    height = round(1.35 * size)
    image = np.full((height * len(lines), width, 3), 255, np.uint8)
    for i, line in enumerate(lines):
        image = draw_text(image, (0, i * height), line, size, GREY if i else INK)
    return image


def wrap(pieces: Sequence[str], width: int) -> list[str]:
    """Pieces of text put into as few lines as they fit into, in order."""
    lines: list[str] = []
    for piece in pieces:
        longer = f"{lines[-1]}  ·  {piece}" if lines else piece
        if lines and text_width(longer, TEXT) <= width:
            lines[-1] = longer
        else:
            lines.append(shorten(piece, width))
    return lines


def shorten(text: str, width: int, size: int = TEXT) -> str:
    """The text, or its beginning and its end with … between if it is wider than `width` pixels; control codes as �."""
    text = "".join(letter if letter.isprintable() else "�" for letter in text)
    if text_width(text, size) <= width:
        return text
    for left in range(len(text) - 1, 1, -1):
        shorter = f"{text[: left - left // 2]}…{text[len(text) - left // 2 :]}"
        if text_width(shorter, size) <= width:
            return shorter
    return "…"
