"""Pages of pictures that let a person check who was chosen in each clip, and what was found of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from drawing.overlay import Image, draw_box, draw_skeleton, draw_text, text_width
from drawing.skeleton import INK

THUMBNAIL: Final = (256, 192)
"""Width and height, in pixels, that every image is fitted into."""
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
FINER: Final = 3
"""Skeletons are drawn on images so many times larger, which makes their lines smooth."""


class Clip(Protocol):
    """What is shown."""

    @property
    def clip_id(self) -> str:
        """Its name."""
        ...


class Track(Protocol):
    """One person through the clip, as `keypoints.performers.Track`."""

    @property
    def frame(self) -> npt.NDArray[np.int64]:
        """[n]."""
        ...

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """[n, 4]."""
        ...

    @property
    def xy(self) -> npt.NDArray[np.float32]:
        """[n, 15, 2]."""
        ...

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """[n, 15]."""
        ...


class Selection(Protocol):
    """Who performs, as `keypoints.performers.Selection`."""

    @property
    def performers(self) -> list[list[int]]:
        """Per performer the indices of its tracks."""
        ...

    @property
    def reasons(self) -> list[str]:
        """Per track."""
        ...


@dataclass
class _Moment:
    index: int
    thumbnail: Image
    scale: npt.NDArray[np.float64]  # [2], thumbnail pixels a pixel


class StripBuilder:
    """Makes one picture of a clip, a few moments side by side, while its frames pass by.

    It does not know how long the clip will be: it keeps every frame, small, then every second, every fourth, ...

    Args:
        clip: whose picture it is.
    """

    def __init__(self, clip: Clip) -> None:
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
        size = np.array(image.shape[1::-1])
        width, height = np.maximum(1, (size * min(THUMBNAIL / size)).round().astype(int)).tolist()
        smaller = width < size[0]
        thumbnail = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        self.moments.append(_Moment(index, np.asarray(thumbnail, np.uint8), np.array([width, height]) / size))

    def finish(self, tracks: Sequence[Track], selection: Selection) -> Image:
        """The picture: performers with their skeletons in numbered boxes, everybody else in thin grey ones."""
        which = np.linspace(0, len(self.moments) - 1, min(SHOWN, len(self.moments))).round().astype(int)
        pictures = [self._picture(self.moments[i], tracks, selection.performers) for i in which.tolist()]
        row = beside(pictures) if pictures else np.full((1, THUMBNAIL[0], 3), 255, np.uint8)
        lines = wrap([self.clip.clip_id, *self._facts(tracks, selection)], row.shape[1])
        kept = {part for parts in selection.performers for part in parts}
        longest = sorted(set(range(len(tracks))) - kept, key=lambda part: -len(tracks[part].frame))
        dropped = [selection.reasons[part] for part in longest]
        if self.frames > 1 and dropped:
            chosen = [selection.reasons[parts[0]] for parts in selection.performers]
            more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
            lines += [shorten(line, row.shape[1]) for line in (*chosen, dropped[0] + more)]
        return below([caption(lines, row.shape[1]), row])

    def _picture(self, moment: _Moment, tracks: Sequence[Track], performers: list[list[int]]) -> Image:
        picture = moment.thumbnail.repeat(FINER, axis=0).repeat(FINER, axis=1)
        scale = FINER * moment.scale
        chosen = {part: rank for rank, parts in enumerate(performers) for part in parts}
        rows = [(part, int(row)) for part, t in enumerate(tracks) for row in np.flatnonzero(t.frame == moment.index)]
        for part, row in sorted(rows, key=lambda one: -chosen.get(one[0], len(tracks))):  # performers come on top
            box = tracks[part].boxes[row] * np.tile(scale, 2)
            if part not in chosen:
                picture = draw_box(picture, box, "", DROPPED, text_size=FINER * TEXT)
                continue
            picture = draw_skeleton(picture, tracks[part].xy[row] * scale)
            rank = chosen[part]
            number = str(rank + 1)
            picture = draw_box(picture, box, number, PERFORMERS[rank % len(PERFORMERS)], text_size=FINER * TEXT)
        height, width = moment.thumbnail.shape[:2]
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        if self.frames > 1:
            seen = any(part in chosen and _seen(tracks[part])[row] for part, row in rows)
            label = f"{moment.index}" if seen else f"{moment.index}: performer not seen"
            picture = draw_text(picture, (0, height), label, TEXT - 2, "#FFFFFF", "#222222")
        return picture

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
        missing = f"missing in {counted(unseen, 'frame', 'frames')}" if unseen else "seen in all frames"
        return [
            counted(self.frames, "frame", "frames"),
            f"{counted(kept, 'performer', 'performers')}, {dropped} dropped",
            *sure,
            *([missing] if kept else []),
        ]


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
        page.append(caption([f"and {counted(more, 'more clip', 'more clips')}"], width))
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


def counted(count: int, one: str, many: str) -> str:
    """Such as "1 frame" and "2 frames"."""
    return f"{count} {one if count == 1 else many}"
