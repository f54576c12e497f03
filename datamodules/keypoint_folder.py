"""Bring your own: a keypoint cache and one CSV with a row a clip."""

import csv
import difflib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel, Part, hold_out
from errors import InputError, quoted
from extraction.reading.media import ClipMedia, entries, frames_of, is_image, is_video
from poses.cache.keypoint_cache import check_clip_id

REQUIRED = ("clip", "action", "score")
OPTIONAL = ("group", "split", "difficulty", "phases")
COLUMNS = (*REQUIRED, *OPTIONAL)
PARTS = ("train", "test", "predict")
SEPARATORS = ",;\t"


class KeypointFolder(PoseDataModule):
    """Skeletons and scores of any sport: a keypoint cache and a CSV file.

    The CSV is UTF-8 with a header and one row a clip, separated by commas (semicolons and tabs are recognised too):

    - `clip`: id of the clip in the cache, that is its file name without ".parquet";
    - `action`: what is performed; clips are compared within their action;
    - `score`: the expert's score, higher is better; empty where there is none: the clip is then one to predict;
    - `group` (optional): athlete or event; clips of a group stay on one side of every split;
    - `split` (optional): "train", "test" or "predict". Without this column a share `test_share` of the scored clips is
      drawn as the test part, by whole groups if there are any, else from each action alike;
    - `difficulty` (optional): degree of difficulty, above 0;
    - `phases` (optional): frame numbers, as in the cache, at which the second and later phases begin, such as "12;40".

    Media, to extract keypoints from, are optional: videos named by the clip (`anna_1.mp4`) or folders of the same name
    with its frames, numbered as their names end, or else from 0 in the order of their names. One person performs.

    Actions may have different score ranges, so the headline is the Fisher mean of rho over the actions (with one
    action: its rho).

    Args:
        labels_csv: the CSV file.
        test_share: share of the scored clips in the test part where the CSV has no column `split`; drawn by
            `split_seed`.
        media: folder of the clips' videos or frames; None if there are only keypoints.
        kwargs: see `PoseDataModule`; `cache` is the folder of the keypoint cache.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "fisher"
    how_to_get: ClassVar[str] = (
        "Write the poses with poses.cache.keypoint_cache.write_clip (docs/keypoint-cache.md) and a CSV with the "
        "columns clip, action and score, name both in a copy of configs/keypoint_folder.yaml, then: "
        "python run.py fit --config keypoint_folder.yaml"
    )

    def __init__(self, labels_csv: str, test_share: float = 0.25, media: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.labels_csv = Path(labels_csv)
        self.test_share = test_share
        self.media_root = None if media is None else Path(media)

    def labels(self) -> list[ClipLabel]:
        """The rows of the CSV, in its order."""
        labels, has_split = read_labels(self.labels_csv)
        return labels if has_split else draw_test_part(labels, self.test_share, self.split_seed)

    def media(self) -> list[ClipMedia]:
        """The clips of the CSV that are on the disk; those that are not, or twice, are rejected."""
        if self.media_root is None:
            raise InputError("data.media is not set; name the folder of the videos, or of one folder of frames a clip")
        self.rejected = []
        there: dict[str, list[Path]] = {}
        for path in entries(self.media_root):
            if path.is_dir() or is_video(path):
                there.setdefault(path.name if path.is_dir() else path.stem, []).append(path)
        labels = read_labels(self.labels_csv)[0]
        if not any(label.clip_id in there for label in labels):
            raise InputError(
                f"{self.media_root}: holds no clip of {self.labels_csv}; name videos or folders of frames as in its "
                "column clip"
            )
        clips = []
        for label in labels:
            try:
                clips.append(_media_of(label, there.get(label.clip_id, []), self.media_root))
            except InputError as problem:
                self.rejected.append((label.clip_id, str(problem)))
        return clips


def _media_of(label: ClipLabel, paths: Sequence[Path], root: Path) -> ClipMedia:
    if not paths:
        raise InputError(f"neither a video nor a folder of this name is in {root}")
    if len(paths) > 1:
        raise InputError(f"both {paths[0].name} and {paths[1].name} are in {root}; keep one")
    if not paths[0].is_dir():
        return ClipMedia(label.clip_id, label.action, (paths[0],), None, 1, root)
    images = list(filter(is_image, entries(paths[0])))
    if not images:
        raise InputError(f"{paths[0]}: holds no images")
    return ClipMedia(label.clip_id, label.action, *frames_of(images), 1, root)


def read_labels(path: Path) -> tuple[list[ClipLabel], bool]:
    """The rows of a label file, and whether it has a column `split` (if not, every scored clip is "train").

    Raises:
        InputError: the file is missing, not UTF-8 or not CSV, a column is missing, unknown or there twice, or a row
            holds a bad value (row and column are named) or a clip that occurred before.
    """
    rows = _rows(path)
    _, header = next(rows, (1, []))
    _check_header(path, header)
    labels: dict[str, ClipLabel] = {}
    line_of: dict[str, int] = {}
    for line, fields in rows:
        if len(fields) != len(header):
            raise InputError(
                f"{path}, row {line}: has {len(fields)} columns, the header has {len(header)}; put quotes around a "
                "value that holds the separator"
            )
        label = _Row(path, line, dict(zip(header, fields, strict=True))).label()
        if label.clip_id in labels:
            raise InputError(
                f"{path}, row {line}, column clip: {quoted(label.clip_id)} is labelled already in row "
                f"{line_of[label.clip_id]}; every clip has one row"
            )
        labels[label.clip_id], line_of[label.clip_id] = label, line
    if not labels:
        raise InputError(f"{path}: has no row below its header; give every clip a row")
    return list(labels.values()), "split" in header


def draw_test_part(labels: Sequence[ClipLabel], share: float, seed: int) -> list[ClipLabel]:
    """The labels with a drawn share of the training part turned into the test part.

    Args:
        labels: all clips.
        share: wanted share of the scored clips, in (0, 1).
        seed: seed of the draw (`datamodules.labels.hold_out`).

    Raises:
        InputError: the share is not in (0, 1), or the clips cannot be split (one clip, one group).
    """
    held = hold_out([label for label in labels if label.part == "train"], share, seed)
    return [replace(label, part="test") if label.clip_id in held else label for label in labels]


class _Row:
    """One row of the CSV; every complaint names file, row and column."""

    def __init__(self, path: Path, line: int, values: Mapping[str, str]) -> None:
        self.path = path
        self.line = line
        self.values = values

    def label(self) -> ClipLabel:
        clip, action = self.text("clip"), self.text("action")
        if not action:
            raise self.error("action", "is empty; name what is performed")
        try:
            check_clip_id(clip)
        except InputError as problem:
            raise self.error("clip", str(problem)) from None
        score = self.number("score")
        return ClipLabel(
            clip_id=clip,
            action=action,
            score=score,
            part="predict" if math.isnan(score) else self.part(),
            group=self.text("group") or None,
            difficulty=self.difficulty(),
            phases=self.phases(),
        )

    def text(self, column: str) -> str:
        return self.values.get(column, "").strip()

    def number(self, column: str) -> float:
        """The number in a column, NaN where it is empty or missing."""
        text = self.text(column)
        if not text:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            comma = " (write the decimal comma as a point)" if "," in text else ""
            raise self.error(column, f"{quoted(text)} is not a number{comma}") from None
        if not math.isfinite(value):
            raise self.error(column, f"{quoted(text)} is not a finite number; leave it empty where it is unknown")
        return value

    def difficulty(self) -> float:
        value = self.number("difficulty")
        if value <= 0:
            raise self.error("difficulty", f"{value:g} is not above 0; leave it empty where there is none")
        return value

    def part(self) -> Part:
        if "split" not in self.values:
            return "train"
        text = self.text("split")
        if text not in PARTS:
            near = difflib.get_close_matches(text, PARTS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "expected train, test or predict"
            if text in ("val", "validation", "valid", "dev"):
                hint = "write train: the validation part is split off the training part (val_share)"
            raise self.error("split", f"{quoted(text)}: {hint}")
        return cast(Part, text)

    def phases(self) -> tuple[int, ...]:
        text = self.text("phases")
        try:
            frames = [int(frame) for frame in text.split(";")] if text else []
        except ValueError:
            raise self.error("phases", f"{quoted(text)} is not a list of frame numbers such as '12;40'") from None
        if any(a >= b for a, b in pairwise(frames)):
            raise self.error("phases", f"{quoted(text)} does not increase from phase to phase")
        return tuple(frames)

    def error(self, column: str, what: str) -> InputError:
        return InputError(f"{self.path}, row {self.line}, column {column}: {what}")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and fields of every row that is not blank, the header first."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. {KeypointFolder.how_to_get}") from None
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16 text; save it as CSV UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise InputError(
            f"{path}, row {line}: byte {content[problem.start]:#04x} is not UTF-8; save the file as CSV UTF-8"
        ) from None
    header = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    separator = max(SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    before = 0
    try:
        for fields in reader:
            line, before = before + 1, reader.line_num  # a quoted value may go over several lines
            if any(field.strip() for field in fields):
                yield line, fields
    except csv.Error as problem:
        raise InputError(f"{path}, row {before + 1}: is not CSV ({problem})") from None


def _check_header(path: Path, header: list[str]) -> None:
    """Strip the names in place and check them."""
    header[:] = [name.strip() for name in header]
    missing = [name for name in REQUIRED if name not in header]
    for name in header:
        if not name:
            raise InputError(f"{path}, row 1: column {header.index(name) + 1} has no name; name or remove it")
        if name not in COLUMNS:
            near = difflib.get_close_matches(name.lower(), missing or COLUMNS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COLUMNS)}"
            raise InputError(f"{path}, row 1, column {name}: no such column; {hint}")
        if header.count(name) > 1:
            raise InputError(f"{path}, row 1, column {name}: is there twice")
    if missing:
        raise InputError(f"{path}, row 1: has no column {missing[0]!r}; the columns {', '.join(REQUIRED)} are needed")
