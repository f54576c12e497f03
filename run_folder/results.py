"""What validate, test and predict leave in folders of their names: metrics.json, predictions.parquet, and more."""

import io
import json
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from errors import InputError
from files import write_atomically
from poses.batches import EmbeddedClips
from run_folder.layout import ATTENTION, BEST, CONFIG, EVALUATION, PAIRS, PREDICTIONS, reading
from scoring.evaluation import ClipTable, Evaluation, Headline
from scoring.pose_pairs import LEVELS, pick_pairs
from scoring.scorers import ClipScorer

Columns = Mapping[str, Sequence[Any]]
"""Of predictions.parquet, one entry a clip, None where unknown: those of `KNOWN`, and one a predictor."""

KNOWN = ("clip", "action", "group", "score", "difficulty")
NAMES = ("clip", "action", "group", "perturbation", "unit")
"""Columns of names, here and in robustness.parquet; all others hold numbers."""
METRICS = ("dataset", "headline", "synthetic", "collapsed", "rows", "calibrated")
"""Keys of metrics.json that are read again."""


class Pair(TypedDict):
    """Two poses in pairs.json; lists have an entry a pose.

    level: how alike they are, of `LEVELS`; score: by eq. (6), in (0, 100]; above: share of the random pairs that score
    less, in [0, 1); clips and actions: names; times: middle of the pose's part of the clip, in 0..1; poses: [15, 2] as
    the model sees them, y down, None where missing.
    """

    level: str
    score: float
    above: float
    clips: list[str]
    actions: list[str]
    times: list[float]
    poses: list[list[list[float | None]]]


class ClipNames(Protocol):
    """Whence clips come: a data module."""

    @property
    def clips(self) -> Sequence[Any]:
        """By clip index, each with a `clip_id` and a `group`, which is None where unknown."""

    @property
    def action_names(self) -> Sequence[str]:
        """By action index."""


class Judged(Protocol):
    """A model that has been evaluated."""

    evaluation: Evaluation | None
    scored: EmbeddedClips | None
    collapsed: bool
    attention: Tensor | None

    @property
    def scorers(self) -> Iterable[Any]:
        """The `ClipScorer`s."""


# Writing --------------------------------------------------------------------------------------------------------------


def write_results(run: Path, part: str, model: Judged, source: ClipNames) -> Path:
    """metrics.json, predictions.parquet and pairs.json of a model that has been evaluated; attention.npy if it has any.

    Args:
        run: folder of the run.
        part: "validate" or "test".
        model: with its `evaluation`, and the tracks `scored` behind it.
        source: of the clips.

    Returns:
        The folder that they are in.
    """
    assert model.evaluation is not None
    assert model.scored is not None
    folder = run / part
    folder.mkdir(parents=True, exist_ok=True)
    scorers = cast(Iterable[ClipScorer], model.scorers)
    content = {
        "part": part,
        "dataset": type(source).__name__,
        "collapsed": model.collapsed,
        "settings": {scorer.name: str(scorer.setting) for scorer in scorers},
        "calibrated": {scorer.name: scorer.calibrated for scorer in scorers},
        **model.evaluation.to_json(),
    }
    write_atomically(folder / EVALUATION, json.dumps(content, indent=2) + "\n")
    write_predictions(run, part, model.evaluation.table, source)
    write_atomically(folder / PAIRS, json.dumps({"pairs": pairs_of(model.scored, source)}) + "\n")
    if model.attention is not None:
        buffer = io.BytesIO()
        np.save(buffer, model.attention.float().numpy())
        write_atomically(folder / ATTENTION, buffer.getbuffer())
    return folder


def write_predictions(run: Path, part: str, table: ClipTable, source: ClipNames) -> Path:
    """predictions.parquet of a part of a run; returns its path."""
    path = run / part / PREDICTIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, parquet(clip_rows(table, source)))
    return path


def clip_rows(table: ClipTable, source: ClipNames) -> pa.Table:
    """One row a clip: the columns of `KNOWN`, and one for every predictor; null where unknown.

    Clips, actions and groups go by name, so that the files of several runs can be read together.
    """

    def column(values: Tensor) -> pa.Array:
        return pa.array(values.cpu().numpy(), from_pandas=True)  # NaN becomes null

    clips = [source.clips[i] for i in table.clip.tolist()]
    known = (
        [clip.clip_id for clip in clips],
        [source.action_names[i] for i in table.action.tolist()],
        pa.array([clip.group for clip in clips], pa.string()),
        column(table.score),
        column(table.difficulty),
    )
    predicted = {name: column(values) for name, values in table.predictions.items()}
    return pa.table({**dict(zip(KNOWN, known, strict=True)), **predicted})


def parquet(table: pa.Table) -> memoryview:
    """The content of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getbuffer()


def pairs_of(scored: EmbeddedClips, source: ClipNames) -> list[Pair]:
    """The pairs of `pick_pairs` with their poses: reports draw them again without the dataset."""

    def pose(track: int, time: int) -> list[list[float | None]]:
        xy = scored.middle_poses[track, time, :, :2].double().cpu()
        return [[round(value, 4) if math.isfinite(value) else None for value in joint] for joint in xy.tolist()]

    moments = scored.embedding.shape[1]
    return [
        {
            "level": level,
            "score": pair.score,
            "above": pair.above,
            "clips": [source.clips[int(scored.clip[track])].clip_id for track in pair.tracks],
            "actions": [source.action_names[int(scored.action[track])] for track in pair.tracks],
            "times": [(time + 0.5) / moments for time in pair.times],
            "poses": [pose(track, time) for track, time in zip(pair.tracks, pair.times, strict=True)],
        }
        for level, pair in zip(LEVELS, pick_pairs(scored), strict=False)
    ]


# Reading --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunResult:
    """What `test` left in a run's folder.

    Attributes:
        folder: the run's folder.
        metrics: metrics.json.
        columns: predictions.parquet, sorted by clip.
    """

    folder: Path
    metrics: dict[str, Any]
    columns: dict[str, list[Any]]

    @property
    def clips(self) -> list[str]:
        """Names of the clips."""
        return self.columns["clip"]

    @property
    def predictors(self) -> list[str]:
        """Names of the predictors, those under test first."""
        return predictors(self.columns)

    @property
    def trivial(self) -> set[str]:
        """Names of the trivial predictors."""
        return {row["name"] for row in self.metrics["rows"] if row["trivial"]}

    @property
    def uncalibrated(self) -> set[str]:
        """Names of the scorers whose scale is the model's own."""
        return {name for name, calibrated in self.metrics["calibrated"].items() if not calibrated}

    def rho(self, predictor: str) -> float | None:
        """The headline rho on this run's test part."""
        return next((row["rho"] for row in self.metrics["rows"] if row["name"] == predictor), None)


def predictors(columns: Columns) -> list[str]:
    """Names of the columns that are predictions."""
    return [name for name in columns if name not in KNOWN]


def read_result(folder: Path) -> RunResult:
    """What `test` wrote into a run's folder.

    Raises:
        InputError: no such run, not tested yet, or its files are broken.
    """
    test = folder / "test"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder; give folders such as runs/aqa7/version_0")
    if not (test / EVALUATION).is_file() or not (test / PREDICTIONS).is_file():
        raise InputError(
            f"{folder}: has not been tested; first: python run.py test --config {folder / CONFIG} "
            f"--ckpt_path {folder / BEST}"
        )
    with reading(test, "run `test` again"):
        metrics = json.loads((test / EVALUATION).read_bytes())
        _check_there(METRICS, metrics)
        if metrics["headline"] not in get_args(Headline):
            raise ValueError(f"headline is {metrics['headline']!r}")
        for row in metrics["rows"]:
            str(row["name"]), bool(row["trivial"]), float(row["rho"] or 0), float(row.get("relative_l2") or 0)
        dict(metrics["calibrated"])
        columns = read_columns(test / PREDICTIONS, KNOWN, sort_by="clip")
    return RunResult(folder, metrics, columns)


def read_columns(path: Path, needed: Sequence[str], sort_by: str | None = None) -> dict[str, list[Any]]:
    """The columns of a Parquet file, text in those of `NAMES` and numbers in the others.

    Raises:
        ValueError: one is missing or of another type; to be called within `reading`.
    """
    table = pq.read_table(path)
    _check_there(needed, table.column_names)
    for column in table.schema:
        number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if number == (column.name in NAMES) and not pa.types.is_null(column.type):
            raise ValueError(f"{column.name!r} holds {column.type}")
    columns: dict[str, list[Any]] = (table if sort_by is None else table.sort_by(sort_by)).to_pydict()
    return columns


def _check_there(needed: Sequence[str], found: Container[str]) -> None:
    if absent := [name for name in needed if name not in found]:
        raise ValueError(f"{absent[0]!r} is missing, another version wrote it")


def read_pairs(folder: Path) -> list[Pair]:
    """The pairs that `test` wrote into a run's folder.

    Raises:
        InputError: they cannot be read.
    """
    path = folder / "test" / PAIRS
    with reading(path):
        pairs: list[Pair] = json.loads(path.read_bytes())["pairs"]
        for pair in pairs:
            float(pair["score"]), float(pair["above"])
            words = (pair["level"], *pair["clips"], *pair["actions"])
            if len(words) != 5 or not all(isinstance(word, str) for word in words):
                raise ValueError("a pair has no level, or not two clips and actions")
            for key, shape in (("times", (2,)), ("poses", (2, 15, 2))):
                if np.array(pair[key], dtype=np.float64).shape != shape:  # type: ignore[literal-required]  # as above
                    raise ValueError(f"{key} of a pair must have the shape {list(shape)}")
    return pairs


def read_attention(folder: Path) -> npt.NDArray[np.floating[Any]]:
    """The attention [tracks, layers, parts, windows] that `test` wrote into a run's folder.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / "test" / ATTENTION
    with reading(path):
        attention: npt.NDArray[np.floating[Any]] = np.load(path, allow_pickle=False)
        if attention.dtype.kind != "f" or attention.ndim != 4 or not attention.size or not np.isfinite(attention).all():
            raise ValueError("not the attention of any clip")
    return attention
