"""FineDiving: 3,000 competition dives with dive numbers, phases, judges' marks and scores."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel, hold_out
from datamodules.safe_pickle import load_pickle
from errors import InputError, quoted
from extraction.reading.media import ClipMedia, matching
from poses.cache.keypoint_cache import check_clip_id

FINE = "fine-grained_annotation_aqa.pkl"
COARSE = "FineDiving_coarse_annotation.pkl"
SPLITS: dict[Literal["train", "test"], str] = {"train": "train_split.pkl", "test": "test_split.pkl"}
OFFICIAL_TEST_SHARE = 749 / 3000

Key = tuple[str, int]


@dataclass(frozen=True)
class FineDivingAnnotation:
    """What the annotations say about one dive.

    Attributes:
        competition: name of the competition's video, the first half of the dataset's key.
        index: number of the dive in that video, the second half.
        action_type: dive number, such as "407c".
        score: the dive's official score.
        difficulty: degree of difficulty.
        judge_scores: the judges' marks (7, 5 or 3 of them).
        start_frame: number of the first frame in the competition's video, as in the names of the frame files.
        end_frame: number of the last frame.
        phases: frame numbers, counted like `start_frame`, at which the second and later steps begin; empty where the
            annotated steps do not fit the clip.
    """

    competition: str
    index: int
    action_type: str
    score: float
    difficulty: float
    judge_scores: tuple[float, ...]
    start_frame: int
    end_frame: int
    phases: tuple[int, ...]

    @property
    def clip_id(self) -> str:
        """Id of the dive in the keypoint cache."""
        return f"{self.competition}_{self.index}"

    @property
    def event(self) -> str:
        """The competition without the number of its round or part: its videos show the same divers."""
        return re.sub(r"_r?\d+$", "", self.competition)

    @property
    def execution(self) -> float:
        """Score / difficulty: what the judges saw, without what was announced before the dive."""
        return self.score / self.difficulty


class FineDiving(PoseDataModule):
    """FineDiving (Xu et al., "FineDiving", CVPR 2022, arXiv 2204.03646): 3,000 dives of 52 dive numbers.

    Files in `root`, all pickles, read through an allow-list (`datamodules.safe_pickle`):

    - `fine-grained_annotation_aqa.pkl`: {(competition, index): [dive number, score, difficulty, frames at which steps
      begin, label of every frame]};
    - `FineDiving_coarse_annotation.pkl`: {(competition, index): {"start_frame", "end_frame", "judge_scores", ...}};
    - `train_split.pkl` (2,251 keys) and `test_split.pkl` (749).

    Keypoints: dive (competition, index) is `<competition>_<index>` in the cache, its frames numbered as in the names of
    the dataset's frame files, that is from `start_frame` to `end_frame` of the competition's video.

    Media, to extract keypoints from: `<root>/<competition>/<index>/%05d.jpg`, named by the number of the frame in the
    competition's video; of these the frames from `start_frame` to `end_frame` that are there.

    Phases: `steps_transit_frames` is read as frames of the competition's video or as frames of the clip counted from 0,
    whichever lies inside the clip and closer to where the label of the frames changes; the published code only uses
    those labels. Dives whose steps fit neither way have no phases, which is said once.

    Splits: "official" is the published one, in which every event of the test part also occurs in the training part.
    "events" holds out whole events of about the same share of dives (drawn by `events_seed` with
    `datamodules.labels.hold_out`, rounds of a competition together), so that no diver's other dives and no
    panel of judges are seen in training. Groups (for `val` and for intervals) are the events.

    Where to get it: https://github.com/xujinglin/FineDiving, after signing its release agreement. The headline is the
    rho of all test dives together, as published; on execution (score / difficulty) it is harder and reported beside.

    Args:
        root: folder that holds the four pickles.
        split: "official" or "events".
        events_seed: seed of the "events" split.
        dive_numbers: compare dives of one dive number, as published with "dive numbers"; else all with all, and only
            the trivial predictors know the numbers.
        cache: folder of the keypoint cache.
        kwargs: see `PoseDataModule`.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "pooled"
    how_to_get: ClassVar[str] = (
        "FineDiving's annotations come from https://github.com/xujinglin/FineDiving (release agreement): put its "
        f"{FINE}, {COARSE}, train_split.pkl, test_split.pkl and the folders of its frames (<competition>/<index>) into "
        "{root}; then, with your options: python run.py extract --config finediving.yaml, or write keypoints of your "
        "own (docs/keypoint-cache.md) into {cache}; then: python run.py fit --config finediving.yaml"
    )

    def __init__(
        self,
        root: str = "data/finediving",
        split: Literal["official", "events"] = "official",
        events_seed: int = 0,
        dive_numbers: bool = True,
        cache: str = "data/cache/finediving",
        **kwargs: Any,
    ) -> None:
        super().__init__(cache=cache, **kwargs)
        self.root = Path(root)
        self.split = split
        self.events_seed = events_seed
        self.dive_numbers = dive_numbers

    def labels(self) -> list[ClipLabel]:
        """The dives of the chosen split, the training part first."""
        self._check_files(FINE, COARSE, *SPLITS.values())
        annotations = read_annotations(self.root)
        train, test = read_split(self.root, annotations)
        if self.split == "events":
            train, test = split_by_event(annotations, self.events_seed)
        if odd := [key for key in train + test if not annotations[key].phases]:
            rank_zero_warn(
                f"{self.root / FINE}: the annotated steps of {len(odd)} of {len(train) + len(test)} dives do not fit "
                f"their frames (first: {odd[0]}); these dives have no phases."
            )
        labels = [label_of(annotations[key], "train") for key in train]
        labels += [label_of(annotations[key], "test") for key in test]
        return labels if self.dive_numbers else [replace(label, action="dive") for label in labels]

    def media(self) -> list[ClipMedia]:
        """The annotated dives whose frames are on the disk; two people perform where the competition is synchronised.

        Dives without frames are rejected.
        """
        self.rejected = []
        self._check_files(FINE, COARSE)
        annotations = read_annotations(self.root)
        there = {dive.competition for dive in annotations.values() if (self.root / dive.competition).is_dir()}
        if not there:
            raise InputError(
                f"{self.root}: holds no folder of a competition with frames in it. {self.with_folders(self.how_to_get)}"
            )
        missing = Counter(dive.competition for dive in annotations.values() if dive.competition not in there)
        for competition, count in missing.items():
            self.rejected.append(
                (competition, f"{self.root / competition}: no such folder; dives without frames: {count}")
            )
        dives = [dive for dive in annotations.values() if dive.competition in there]
        return [clip for dive in dives if (clip := self._media_of(dive)) is not None]

    def _media_of(self, dive: FineDivingAnnotation) -> ClipMedia | None:
        folder = self.root / dive.competition / str(dive.index)
        try:
            found = matching(folder, r"([0-9]{5,9})\.jpg")
        except InputError as problem:
            self.rejected.append((dive.clip_id, str(problem)))
            return None
        frames = {number: path for number, path in found.items() if dive.start_frame <= number <= dive.end_frame}
        if not frames:
            what = f"none of the frames {dive.start_frame:05d}.jpg to {dive.end_frame:05d}.jpg is there"
            self.rejected.append((dive.clip_id, f"{folder}: {what}"))
            return None
        performers = 2 if "sync" in dive.competition.lower() else 1
        return ClipMedia(dive.clip_id, dive.action_type, tuple(frames.values()), tuple(frames), performers, self.root)

    def _check_files(self, *names: str) -> None:
        for name in names:
            if not (self.root / name).is_file():
                raise InputError(f"{self.root / name}: no such file. {self.with_folders(self.how_to_get)}")


def label_of(dive: FineDivingAnnotation, part: Literal["train", "test"]) -> ClipLabel:
    """The label of a dive; its action is the dive number."""
    return ClipLabel(
        clip_id=dive.clip_id,
        action=dive.action_type,
        score=dive.score,
        part=part,
        group=dive.event,
        difficulty=dive.difficulty,
        phases=dive.phases,
        covariates={"action type": dive.action_type},
    )


def read_annotations(root: Path) -> dict[Key, FineDivingAnnotation]:
    """Every annotated dive, by key.

    Args:
        root: folder that holds the two annotation pickles.

    Raises:
        InputError: a file that is missing, refused or damaged, or an entry that is not as described in `FineDiving`.
    """
    fine, coarse = (load_pickle(root / name) for name in (FINE, COARSE))
    for name, content in ((FINE, fine), (COARSE, coarse)):
        if not isinstance(content, dict) or not content:
            raise InputError(f"{root / name}: holds {type(content).__name__}, expected a dict of dives")
    dives = {_key(root / FINE, key): _dive(root, key, entry, coarse) for key, entry in fine.items()}
    for dive in dives.values():
        try:
            check_clip_id(dive.clip_id)
        except InputError as problem:
            raise InputError(f"{root / FINE}: {dive.competition!r} is no usable competition name: {problem}") from None
    return dives


def read_split(root: Path, annotations: Mapping[Key, FineDivingAnnotation]) -> tuple[list[Key], list[Key]]:
    """Keys of the official training and test part, in the order of the files.

    Args:
        root: folder that holds the two split pickles.
        annotations: every annotated dive.

    Raises:
        InputError: a file that is refused or damaged, a dive without annotation, twice in a list or in both.
    """
    parts: dict[str, list[Key]] = {}
    for part, name in SPLITS.items():
        path = root / name
        content = load_pickle(path)
        if not isinstance(content, list | tuple) or not content:
            raise InputError(f"{path}: holds {type(content).__name__}, expected a list of (competition, index)")
        keys = parts[part] = [_key(path, key) for key in content]
        if unknown := [key for key in keys if key not in annotations]:
            raise InputError(f"{path}: names {unknown[0]}, which {FINE} does not annotate; both must be of one release")
        if len(set(keys)) < len(keys):
            raise InputError(f"{path}: names {next(key for key in keys if keys.count(key) > 1)} twice")
    if both := set(parts["train"]) & set(parts["test"]):
        raise InputError(
            f"{root}: {min(both)} is in both {SPLITS['train']} and {SPLITS['test']}; training on test dives would make "
            "the result worthless: get the official files again"
        )
    return parts["train"], parts["test"]


def split_by_event(
    annotations: Mapping[Key, FineDivingAnnotation], seed: int, share: float = OFFICIAL_TEST_SHARE
) -> tuple[list[Key], list[Key]]:
    """Keys of a training and a test part that share no event.

    Args:
        annotations: every annotated dive.
        seed: seed of the draw.
        share: wanted share of dives in the test part; the official one by default.

    Raises:
        InputError: all dives are of one event.
    """
    held = hold_out([label_of(dive, "train") for dive in annotations.values()], share, seed)
    test = [key for key, dive in annotations.items() if dive.clip_id in held]
    return [key for key, dive in annotations.items() if dive.clip_id not in held], test


def phases_in_clip(steps: NDArray[np.int64], frames_labels: NDArray[np.int64], start_frame: int) -> tuple[int, ...]:
    """Frame numbers in the competition's video at which the second and later steps begin.

    Args:
        steps: [P] annotated frames, of the video or of the clip counted from 0.
        frames_labels: [T] the step of every frame of the clip.
        start_frame: number of the clip's first frame.

    Returns:
        Strictly increasing numbers, all after the first frame; empty if the steps fit the clip in neither reading.
    """
    changes = np.flatnonzero(np.diff(frames_labels)) + 1
    readings = [
        steps - offset
        for offset in (start_frame, 0)
        if len(steps)
        and (np.diff(steps) > 0).all()
        and steps[0] - offset > 0
        and steps[-1] - offset < len(frames_labels)
    ]
    if not readings:
        return ()

    def distance(reading: NDArray[np.int64]) -> float:
        return float(np.abs(reading[:, None] - changes).min(axis=1).sum()) if len(changes) else 0.0

    return tuple((min(readings, key=distance) + start_frame).tolist())


def _key(path: Path, key: object) -> Key:
    match key:
        case (str(competition), int(index)) if type(index) is int and index >= 0:
            return competition, index
    raise InputError(f"{path}: {quoted(key)} is not a (competition, index) pair")


def _dive(root: Path, key: Key, entry: object, coarse: Mapping[Any, Any]) -> FineDivingAnnotation:
    path = root / FINE
    match entry:
        case [str(action), int() | float() as score, int() | float() as difficulty, steps, labels, *_] if action:
            pass
        case _:
            raise InputError(
                f"{path}: {key} is not [dive number, score, difficulty, frames at which steps begin, label of every "
                "frame]"
            )
    if not (math.isfinite(score) and score >= 0 and math.isfinite(difficulty) and difficulty > 0):
        raise InputError(
            f"{path}: {key} has score {score} and difficulty {difficulty}, expected finite numbers of at least 0 and "
            "above 0"
        )
    numbers = [_integers(values) for values in (steps, labels)]
    if numbers[0] is None or numbers[1] is None or not len(numbers[1]):
        raise InputError(f"{path}: the steps and frame labels of {key} are not two lists of whole numbers")
    if key not in coarse:
        raise InputError(f"{root / COARSE}: has no {key}, which {FINE} annotates; both must be of one release")
    match coarse[key]:
        case {"start_frame": int(start), "end_frame": int(end), "judge_scores": marks}:
            judges = _numbers(marks)
        case _:
            raise InputError(f"{root / COARSE}: {key} lacks start_frame, end_frame (whole numbers) or judge_scores")
    if judges is None:
        raise InputError(f"{root / COARSE}: the judge_scores of {key} are not a list of finite marks")
    if end - start + 1 != len(numbers[1]):
        raise InputError(
            f"{path}: {key} has labels for {len(numbers[1])} frames, but {COARSE} gives it the frames {start} to {end}"
        )
    return FineDivingAnnotation(
        competition=key[0],
        index=key[1],
        action_type=action,
        score=float(score),
        difficulty=float(difficulty),
        judge_scores=tuple(judges.tolist()),
        start_frame=start,
        end_frame=end,
        phases=phases_in_clip(numbers[0], numbers[1], start),
    )


def _numbers(values: object) -> NDArray[np.float64] | None:
    """A flat list of finite numbers; None for anything else."""
    try:
        numbers = np.asarray(values)
    except ValueError:  # lists of different lengths
        return None
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        return None
    return numbers.astype(np.float64)


def _integers(values: object) -> NDArray[np.int64] | None:
    """A flat list of whole numbers, also when written as floats; None for anything else."""
    numbers = _numbers(values)
    return None if numbers is None or (numbers % 1).any() else numbers.astype(np.int64)
