"""SPEED21: real 2D poses of speed climbing runs with their official times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel
from errors import InputError, quoted
from poses.cache.keypoint_cache import Provenance, check_clip_id, clip_path, read_clip, write_clip
from poses.skeleton import convert

ACTION = "speed climbing"
FOLD_COUNT = 5
COLUMNS = "id_run;id_climber;date;run_number;URL;start;end;time_sec;time_frames;finished;side;fps"
PROVENANCE = Provenance(source="speed21 skeletons (mpii16)")

_JOINTS = 16
_NUMBERS = b"0123456789.+-eE \r"
_POSE = b"#" + b";".join([b","] * _JOINTS)
_NO_POSE = b"#NULL"

Folds = Literal["climber", "event"]


@dataclass(frozen=True)
class Run:
    """One row of `metadata.txt`.

    Attributes:
        run_id: id of the run, of its skeleton file and of its clip.
        climber: number of the climber.
        date: date of the event; no two events share one.
        seconds: official time.
        side: side of the wall, seen from the camera: "l" or "r".
        fps: frames per second of the video.
    """

    run_id: str
    climber: int
    date: str
    seconds: float
    side: str
    fps: float


class Speed21(PoseDataModule):
    """SPEED21 (Elias, Skvarlova and Zezula, "SPEED21: Speed Climbing Motion Dataset", MMSports 2021).

    362 runs of 55 climbers at 17 events up the same standard wall. The score is minus the official time in seconds, so
    higher is better; there is one action.

    Files: `<root>/metadata.txt` (no header; columns id_run;id_climber;date;run_number;URL;start;end;time_sec;
    time_frames;finished;side;fps) and `<root>/skeletons/<id_run>.data`, one line a frame: its number, "#", and 16
    joints "x,y" in the order of MPII, in pixels, separated by ";", or "NULL" where no pose was found. They are
    converted once into the keypoint cache; `root` may be read-only. Start and end of a run in its video are not used,
    which is as well: one row has them swapped. A clip's frames are those of its file (one begins at frame 3).

    Leaks: frames / fps is the score to .035 s. The poses are only ever indexed by relative time, so neither the length
    of a clip nor the times in its cache reach a model.

    Folds: `sklearn.model_selection.GroupKFold(5)` over the rows in the order of `metadata.txt`, groups being the
    climbers (as numbers) or the events (dates); fold `fold` is the test part, the others are the training part. By
    climber no one is in both parts; by event climbers are, and the covariate "climber" shows what knowing them is
    worth.

    Where to get it: the supplemental material of the paper in the ACM Digital Library; for research.

    Args:
        root: folder that holds `metadata.txt` and `skeletons`.
        folds: what the folds keep together, and the group of every clip: "climber" or "event".
        fold: which fold is the test part, 0 to 4.
        cache: folder of the keypoint cache, written when it is not there yet.
        kwargs: see `PoseDataModule`.

    Raises:
        InputError: no such fold.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "pooled"
    how_to_get: ClassVar[str] = (
        "SPEED21 is the supplemental material of the paper of that name (MMSports 2021, ACM Digital Library): put its "
        "metadata.txt and skeletons folder into {root} (data.root says where), then: "
        "python run.py fit --config speed21.yaml"
    )

    def __init__(
        self,
        root: str = "data/speed21",
        folds: Folds = "climber",
        fold: int = 0,
        cache: str = "data/cache/speed21",
        **kwargs: Any,
    ) -> None:
        super().__init__(cache=cache, **kwargs)
        if not 0 <= fold < FOLD_COUNT:
            raise InputError(f"fold is {fold}, there are folds 0 to {FOLD_COUNT - 1}")
        self.root = Path(root)
        self.folds: Folds = folds
        self.fold = fold

    def prepare_data(self) -> None:
        """Convert the skeleton files that the cache does not hold yet."""
        runs = read_metadata(self.root)
        for run in runs:
            if not skeleton_path(self.root, run).is_file():
                raise InputError(f"{skeleton_path(self.root, run)}: no such file. {self.with_folders(self.how_to_get)}")
        for run in runs:
            convert_run(self.root, run, self.cache)

    def labels(self) -> list[ClipLabel]:
        """Every run, in the order of `metadata.txt`."""
        runs = read_metadata(self.root)
        in_test = fold_of_runs(runs, self.folds) == self.fold
        return [
            ClipLabel(
                clip_id=run.run_id,
                action=ACTION,
                score=-run.seconds,
                part="test" if test else "train",
                group=_group(run, self.folds),
                covariates={"climber": str(run.climber), "side": run.side, "fps": f"{run.fps:g}"},
            )
            for run, test in zip(runs, in_test.tolist(), strict=True)
        ]


def read_metadata(root: Path) -> list[Run]:
    """The rows of `metadata.txt`.

    Raises:
        InputError: no such file, or a line with missing columns, a bad number or an id that occurred before.
    """
    path = root / "metadata.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. {Speed21.how_to_get.format(root=root)}") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read ({problem}); it should be a text file") from None
    runs: dict[str, Run] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            run = _parse_run(line)
        except (ValueError, InputError) as problem:
            raise InputError(f"{path}, line {number}: {problem}") from None
        if run.run_id in runs:
            raise InputError(f"{path}, line {number}: run {quoted(run.run_id)} is listed twice")
        runs[run.run_id] = run
    if not runs:
        raise InputError(f"{path}: lists no run. {Speed21.how_to_get.format(root=root)}")
    return list(runs.values())


def fold_of_runs(runs: Sequence[Run], folds: Folds) -> NDArray[np.int64]:
    """Fold [N] of every run, 0 to 4.

    Args:
        runs: the rows of `metadata.txt`, in its order.
        folds: what stays together.

    Raises:
        InputError: fewer than five climbers or events.
    """
    groups = np.array([run.climber if folds == "climber" else run.date for run in runs])
    if len(np.unique(groups)) < FOLD_COUNT:
        raise InputError(f"{FOLD_COUNT} folds by {folds} need as many {folds}s, the metadata has {len(set(groups))}")
    fold = np.empty(len(runs), dtype=np.int64)
    for number, (_, test) in enumerate(GroupKFold(FOLD_COUNT).split(groups, groups=groups)):
        fold[test] = number
    return fold


def skeleton_path(root: Path, run: Run) -> Path:
    """File that holds the poses of a run."""
    return root / "skeletons" / f"{run.run_id}.data"


def convert_run(root: Path, run: Run, cache: Path) -> bool:
    """Write a run into the keypoint cache unless the cache holds what this function wrote from the same file.

    A clip that is damaged or older than its skeleton file is written again.

    Returns:
        Whether the clip was written.

    Raises:
        InputError: the skeleton file is missing or malformed, the cache holds poses of another source under this id
            (which are left alone), or it cannot be written.
    """
    source = skeleton_path(root, run)
    found = _provenance(cache, run)
    if found is not None and found != PROVENANCE:
        raise InputError(
            f"{clip_path(cache, run.run_id)}: holds poses from {quoted(found.source)}, which are not overwritten; name "
            "another folder with data.cache, or move that one away"
        )
    if found is not None and clip_path(cache, run.run_id).stat().st_mtime >= source.stat().st_mtime:
        return False
    frame, xy = read_skeletons(source)
    xy15, _ = convert(xy, None, "mpii16")
    write_clip(cache, run.run_id, xy=xy15, confidence=None, frame=frame, time=frame / run.fps, provenance=PROVENANCE)
    return True


def read_skeletons(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The poses of a skeleton file.

    Returns:
        Frame numbers [F], each one more than the last, and pixels [F, 16, 2], NaN where no pose was found.

    Raises:
        InputError: no such file, an empty one, or a malformed line (named).
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as problem:
        how = Speed21.how_to_get.format(root=path.parents[1])
        raise InputError(f"{path}: cannot be read ({problem.strerror}). {how}") from None
    if not lines:
        raise InputError(f"{path}: is empty; get the file again")
    try:
        frame, xy = _parse_lines(lines)
    except (ValueError, OverflowError):
        for number, line in enumerate(lines, start=1):  # find the line only once there is one to find
            try:
                _parse_lines([line])
            except (ValueError, OverflowError) as problem:
                raise InputError(
                    f"{path}, line {number}: {problem}, expected the frame number, '#' and {_JOINTS} points 'x,y' "
                    "separated by ';', or 'NULL'"
                ) from None
        raise
    if (jumps := np.flatnonzero(np.diff(frame) != 1)).size:
        row = int(jumps[0])
        raise InputError(
            f"{path}, line {row + 2}: frame {frame[row + 1]} follows frame {frame[row]}; every frame has one line, "
            "'NULL' where there is no pose"
        )
    return frame, xy


def _provenance(cache: Path, run: Run) -> Provenance | None:
    """Where the cached clip of a run comes from; None if there is none or it is damaged."""
    if not clip_path(cache, run.run_id).is_file():
        return None
    try:
        return read_clip(cache, run.run_id).provenance[0]
    except InputError:
        return None


def _parse_lines(lines: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    shapes = [line.translate(None, _NUMBERS) for line in lines]
    if not {_POSE, _NO_POSE}.issuperset(shapes):
        raise ValueError("cannot be read")
    parts = [line.split(b"#") for line in lines]
    frame = np.array([int(number) for number, _ in parts], dtype=np.int64)
    seen = np.array([shape == _POSE for shape in shapes])
    numbers = b",".join(points.replace(b";", b",") for (_, points), found in zip(parts, seen, strict=True) if found)
    values = np.fromiter(map(float, numbers.split(b",") if numbers else ()), dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a coordinate is not finite")
    xy = np.full((len(lines), _JOINTS, 2), np.nan)
    xy[seen] = values.reshape(-1, _JOINTS, 2)
    return frame, xy


def _parse_run(line: str) -> Run:
    fields = [field.strip() for field in line.split(";")]
    if len(fields) != COLUMNS.count(";") + 1:
        raise ValueError(f"has {len(fields)} columns, expected {COLUMNS}")
    run_id, climber, date, _, _, _, _, seconds, _, _, side, fps = fields
    check_clip_id(run_id)
    if not date:
        raise ValueError("the date is empty")
    return Run(run_id, _climber(climber), date, _positive("time_sec", seconds), side, _positive("fps", fps))


def _climber(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"id_climber is {quoted(text)}, expected a whole number") from None


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {quoted(text)}, expected a number above 0")
    return value


def _group(run: Run, folds: Folds) -> str:
    return str(run.climber) if folds == "climber" else run.date
