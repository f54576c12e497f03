"""AQA-7: six sports scored by judges, with the official split lists."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel
from datamodules.matlab_lists import read_list
from errors import InputError, quoted
from extraction.reading.media import ClipMedia, matching

SPORTS: dict[int, str] = {
    1: "diving",
    2: "gym_vault",
    3: "ski_big_air",
    4: "snowboard_big_air",
    5: "sync_diving_3m",
    6: "sync_diving_10m",
}
UNLISTED_SPORT = "trampoline"  # 83 clips of the dataset that the official split leaves out
SCORE_RANGES: dict[int, tuple[float, float]] = {  # lowest and highest score of the official lists
    1: (21.6, 102.6),
    2: (12.3, 16.87),
    3: (8.0, 50.0),
    4: (8.0, 50.0),
    5: (46.2, 104.88),
    6: (49.8, 99.36),
}
ROUNDING = 0.006  # lists with scores x 100 may have been rounded to whole numbers

ListPart = Literal["train", "test"]


@dataclass(frozen=True)
class SplitList:
    """One of the two official lists.

    Shapes:
        sport: [N] int64, class number.
        clip: [N] int64, number of the clip within its sport.
        score: [N] float64, in points.
    """

    path: Path
    sport: NDArray[np.int64]
    clip: NDArray[np.int64]
    score: NDArray[np.float64]
    times_100: bool
    """Whether the file held the scores multiplied by 100."""


class AQA7(PoseDataModule):
    """AQA-7 (Parmar and Morris, "Action Quality Assessment Across Multiple Actions", WACV 2019, arXiv 1812.06367).

    Six sports with the judges' scores: single diving, gymnastic vault, big air skiing and snowboarding, synchronised
    diving from 3 m and 10 m; 803 clips to train and 303 to test. The 83 trampoline clips are in no split.

    Files: `<root>/Split_4/split_4_train_list.mat` and `split_4_test_list.mat` (MATLAB v5) with the float64 arrays
    `consolidated_train_list` [803, 3] and `consolidated_test_list` [303, 3] of class, clip number and score. Two
    variants of these files are in circulation: scores x 100 are recognised by the sports' known score ranges, divided
    by 100 and reported; rows of classes 7 and 8 are refused unless `extra_classes` is set.

    Keypoints: clip 21 of diving is `diving_021` in the cache. Cached clips of the chosen sports that no list names have
    no score and can only be predicted; clips of other sports and of trampoline are left alone.

    Media, to extract keypoints from: the frames of clip 21 of diving are `<root>/diving-out/021/img_00001.jpg` and so
    on, numbered as in their names; other releases hold the video `<root>/Actions/diving/021.avi`. Of a clip that is
    there as both, the frames are taken.

    Where to get it: http://rtis.oit.unlv.edu/datasets.html (AQA-7.zip). Scores of the sports have different ranges, so
    the headline is the Fisher mean of rho over the sports, never a number on the scores of all sports together.

    Args:
        root: folder that holds `Split_4`.
        sports: the sports to use, by name; all six if None. "trampoline" may be named beside others, to be predicted.
        extra_classes: also use rows of classes above 6, as actions "class_7", "class_8", ...
        cache: folder of the keypoint cache.
        kwargs: see `PoseDataModule`.

    Raises:
        InputError: no such sport.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "fisher"
    how_to_get: ClassVar[str] = (
        "AQA-7 is at http://rtis.oit.unlv.edu/datasets.html: put its Split_4 folder and its frames (diving-out, ...) "
        "or videos (Actions) into {root}; then, with your options: python run.py extract --config aqa7.yaml, or write "
        "keypoints of your own (docs/keypoint-cache.md) into {cache}; then: python run.py fit --config aqa7.yaml"
    )

    def __init__(
        self,
        root: str = "data/aqa7",
        sports: list[str] | None = None,
        extra_classes: bool = False,
        cache: str = "data/cache/aqa7",
        **kwargs: Any,
    ) -> None:
        super().__init__(cache=cache, **kwargs)
        self.root = Path(root)
        self.sports = None if sports is None else check_sports(sports, extra_classes)
        self.extra_classes = extra_classes

    def labels(self) -> list[ClipLabel]:
        """The rows of the two lists, and the cached clips of the same sports that have no score."""
        labels = self._listed()
        return labels + unlisted_labels(self.cached_clips(), labels, self.sports)

    def known_extra(self, clip_id: str) -> bool:
        """Clips of the dataset whose sport is not in use."""
        return sport_of(clip_id) is not None

    def media(self) -> list[ClipMedia]:
        """The clips of the chosen sports that are on the disk, listed or not; synchronised divers are two performers.

        Clips that the lists name and that are not there are rejected, if the lists are there at all.
        """
        self.rejected = []
        clips = [clip for sport in self.sports or SPORTS.values() for clip in self._media_of(sport)]
        if not clips and not self.rejected:
            raise InputError(
                f"{self.root}: neither frames (diving-out/001/img_00001.jpg, ...) nor videos (Actions/diving/001.avi, "
                f"...) of the chosen sports are there. {self.with_folders(self.how_to_get)}"
            )
        if (self.root / "Split_4").is_dir():
            known = {clip.clip_id for clip in clips}.union(name for name, _ in self.rejected)
            missing = [label for label in self._listed() if label.clip_id not in known]
            self.rejected += not_there(missing, {clip.action for clip in clips}, self.root)
        return clips

    def _media_of(self, sport: str) -> Iterator[ClipMedia]:
        folders = matching(self.root / f"{sport}-out", r"([0-9]{3,9})")
        videos = matching(self.root / "Actions" / sport, r"([0-9]{3,9})\.avi")
        performers = 2 if sport.startswith("sync") else 1
        for number in sorted({*folders, *videos}):
            name = clip_id(sport, number)
            frames: dict[int, Path] = {}
            if number in folders:
                try:
                    frames = matching(folders[number], r"img_([0-9]{5,9})\.jpg")
                except InputError as problem:
                    self.rejected.append((name, str(problem)))
                    continue
            if frames:
                yield ClipMedia(name, sport, tuple(frames.values()), tuple(frames), performers, self.root)
            elif number in videos:
                yield ClipMedia(name, sport, (videos[number],), None, performers, self.root)
            else:
                self.rejected.append((name, f"{folders[number]}: holds no img_00001.jpg or any other frame"))

    def _listed(self) -> list[ClipLabel]:
        folder = self.root / "Split_4"
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder. {self.with_folders(self.how_to_get)}")
        train, test = read_split_list(folder, "train"), read_split_list(folder, "test")
        for file in (train, test):
            if file.times_100:
                rank_zero_info(f"{file.path}: the scores are multiplied by 100; divided again.")
        return split_labels(train, test, self.sports, self.extra_classes)


def clip_id(sport: str, clip: int) -> str:
    """Id of a clip in the keypoint cache."""
    return f"{sport}_{clip:03d}"


def sport_of(name: str) -> str | None:
    """The sport that a clip id names; None if it is no id of this dataset."""
    match = re.fullmatch(r"(.+)_[0-9]{3,}", name)
    sport = match.group(1) if match else None
    known = sport in (*SPORTS.values(), UNLISTED_SPORT) or (sport and re.fullmatch(r"class_[0-9]+", sport))
    return sport if known else None


def check_sports(sports: Sequence[str], extra_classes: bool = False) -> list[str]:
    """The sports as given.

    Raises:
        InputError: none, one twice, or one that the dataset does not have.
    """
    if not sports:
        raise InputError("sports is empty: name at least one, or leave it out for all six")
    known = [*SPORTS.values(), UNLISTED_SPORT]
    for sport in sports:
        if sport not in known and not (extra_classes and re.fullmatch(r"class_[0-9]+", sport)):
            near = difflib.get_close_matches(sport, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"sports: AQA-7 has no {quoted(sport)}; {hint}it has {', '.join(known)}")
        if list(sports).count(sport) > 1:
            raise InputError(f"sports: {quoted(sport)} is named twice")
    if list(sports) == [UNLISTED_SPORT]:
        raise InputError(f"sports: {UNLISTED_SPORT} alone cannot be trained, the official split has no clip of it")
    return list(sports)


def read_split_list(folder: Path, part: ListPart) -> SplitList:
    """Read and check one of the official lists.

    Args:
        folder: the `Split_4` folder.
        part: which list.

    Raises:
        InputError: no such file, not MATLAB v5, no such array in it, wrong shape, values that are no class, clip number
            or score of AQA-7, or a clip listed twice.
    """
    path, key = folder / f"split_4_{part}_list.mat", f"consolidated_{part}_list"
    rows = _read_array(path, key)
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iuf" or len(rows) == 0:
        raise InputError(
            f"{path}: {key} is {rows.dtype} {list(rows.shape)}, expected numbers [rows, 3] of class, clip and score"
        )
    rows = rows.astype(np.float64)
    for i, row in enumerate(rows):
        if not np.isfinite(row).all() or (row[:2] < 1).any() or (row[:2] % 1 != 0).any():
            raise InputError(
                f"{path}: row {i + 1} of {key} is {row.tolist()}, expected a class from 1, a clip number from 1 and a "
                "finite score; get the official list again"
            )
    sport, clip = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    pairs, count = np.unique(np.stack([sport, clip], axis=1), axis=0, return_counts=True)
    if (count > 1).any():
        raise InputError(f"{path}: class {pairs[count > 1][0, 0]}, clip {pairs[count > 1][0, 1]} is listed twice")
    score, times_100 = _in_points(path, sport, clip, rows[:, 2])
    return SplitList(path, sport, clip, score, times_100)


def split_labels(
    train: SplitList, test: SplitList, sports: Sequence[str] | None = None, extra_classes: bool = False
) -> list[ClipLabel]:
    """Labels of the two lists, train first, rows in the order of the files.

    Args:
        train: the training list.
        test: the test list.
        sports: names of the sports to keep; None for all.
        extra_classes: keep classes above 6 instead of refusing them.

    Raises:
        InputError: a class above 6 that was not asked for, a clip in both lists, or no training or test clip left.
    """
    files: list[tuple[ListPart, SplitList]] = [("train", train), ("test", test)]
    for _, file in files:
        extra = sorted(set(file.sport.tolist()) - set(SPORTS))
        if extra and not extra_classes:
            raise InputError(
                f"{file.path}: holds classes {', '.join(map(str, extra))}, AQA-7's official lists hold 1 to 6; use the "
                "official lists, or set extra_classes: true to train on the extra ones too"
            )
    both = set(zip(train.sport.tolist(), train.clip.tolist(), strict=True))
    both &= set(zip(test.sport.tolist(), test.clip.tolist(), strict=True))
    if both:
        sport, clip = min(both)
        raise InputError(
            f"class {sport}, clip {clip} is in both {train.path} and {test.path}; training on test clips would make "
            "the result worthless: get the official lists again"
        )
    labels = []
    for part, file in files:
        for number, clip, score in zip(file.sport.tolist(), file.clip.tolist(), file.score.tolist(), strict=True):
            sport = SPORTS.get(number, f"class_{number}")
            if sports is None or sport in sports:
                labels.append(ClipLabel(clip_id(sport, clip), sport, score, part))
        if not any(label.part == part for label in labels):
            raise InputError(f"{file.path}: has no clip of {', '.join(sports or SPORTS.values())}")
    return labels


def unlisted_labels(
    cached: Iterable[str], labels: Sequence[ClipLabel], sports: Sequence[str] | None = None
) -> list[ClipLabel]:
    """Labels "predict" for cached clips of the sports in use that no list names.

    Args:
        cached: ids of the clips in the keypoint cache.
        labels: the listed clips.
        sports: names of the sports in use; None for those of `labels`.
    """
    listed = {label.clip_id for label in labels}
    used = {label.action for label in labels} if sports is None else set(sports)
    return [
        ClipLabel(name, str(sport_of(name)), float("nan"), "predict")
        for name in cached
        if name not in listed and sport_of(name) in used
    ]


def not_there(missing: Sequence[ClipLabel], sports: Collection[str], root: Path) -> list[tuple[str, str]]:
    """Name and reason of listed clips without media; a sport without any is named once.

    Args:
        missing: the clips.
        sports: the sports of which other clips are there.
        root: where they were looked for.
    """
    count = Counter(label.action for label in missing)
    whole = [
        (sport, f"none of its {number} listed clips is in {root / f'{sport}-out'} or {root / 'Actions' / sport}")
        for sport, number in count.items()
        if sport not in sports
    ]
    return whole + [
        (label.clip_id, f"is listed, but neither its frames nor its video are in {root}")
        for label in missing
        if label.action in sports
    ]


def _read_array(path: Path, key: str) -> NDArray[np.float64]:
    if not path.is_file():
        raise InputError(f"{path}: no such file. {AQA7.how_to_get.format(root=path.parents[1], cache='the cache')}")
    try:
        return read_list(path, key)
    except ValueError as error:
        raise InputError(f"{path}: not a readable MATLAB v5 list ({error}); get the official list again") from None


def _in_points(
    path: Path, sport: NDArray[np.int64], clip: NDArray[np.int64], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], bool]:
    """Scores in points, and whether they were multiplied by 100."""
    known = np.isin(sport, list(SPORTS))
    bounds = np.array([SCORE_RANGES.get(number, (-np.inf, np.inf)) for number in sport.tolist()])

    def outside(points: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.flatnonzero(known & ((points < bounds[:, 0] - ROUNDING) | (points > bounds[:, 1] + ROUNDING)))

    if not len(strange := outside(score)):
        return score, False
    if not len(outside(score / 100)):
        return score / 100, True
    # an official list has no such row at all, so the reading that fits more rows shows which ones are wrong
    fewer = min((strange, outside(score / 100)), key=len)
    row = int(fewer[0])
    low, high = SCORE_RANGES[int(sport[row])]
    raise InputError(
        f"{path}: {SPORTS[int(sport[row])]} clip {clip[row]} has the score {score[row]:g}, AQA-7 has {low:g} to "
        f"{high:g} (or 100 times that in every row); get the official list again, or use KeypointFolder for scores of "
        "your own"
    )
