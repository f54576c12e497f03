"""One file of the keypoint cache: Parquet bytes to arrays and back (format: docs/keypoint-cache.md)."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from errors import InputError, quoted, some
from poses.cache.clip_files import Kind, check_whole, facts_of, unreadable, wrong_type
from poses.skeleton import JOINTS, SKELETON

KEYPOINTS = Kind(
    name="keypoint",
    key=b"pose_cache",
    version=1,
    again="copy the file again, or write the clip with poses.cache.keypoint_cache.write_clip",
    whence=", check the path",
    how="extract or copy them into the cache",
)
_AGAIN = KEYPOINTS.again
_JOINTS = len(JOINTS)
_INTERPOLATED = pa.field("interpolated", pa.bool_(), nullable=False)  # only where something is
_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("person", pa.int32(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("time", pa.float64()),
        # Elements are null, never the list: pyarrow before 26 cannot read a null fixed-size list back.
        pa.field("xy", pa.list_(pa.float32(), 2 * _JOINTS), nullable=False),
        pa.field("confidence", pa.list_(pa.float32(), _JOINTS), nullable=False),
    ]
)


@dataclass(frozen=True)
class Provenance:
    """Where the poses of a clip come from.

    Args:
        source: dataset or recording, never empty: "speed21", "aqa7", "synthetic".
        detector, estimator: names of the person detector and the pose estimator; None if there was none.
        weights_sha256: hash of the estimator's weights; None if unknown.
        weights_licence: SPDX name of the licence of those weights; None if unknown.
        detector_sha256, detector_licence: the same of the detector's weights.
        settings: how the poses were extracted, a JSON object; None if unknown.
        media: fingerprint of the photographs or the video behind the clip; None if unknown.
    """

    source: str
    detector: str | None = None
    estimator: str | None = None
    weights_sha256: str | None = None
    weights_licence: str | None = None
    detector_sha256: str | None = None
    detector_licence: str | None = None
    settings: str | None = None
    media: str | None = None


class ClipRows(NamedTuple):
    """Rows with the right types and shapes (those of `PoseTable`), their values not checked yet."""

    person: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    time: npt.NDArray[np.float64]
    xy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]


def decode(content: bytes, clip_id: str) -> tuple[pa.Table, Provenance]:
    """The columns of a clip's file but clip_id, once metadata and name are found right; see `to_rows`.

    Raises:
        InputError: the file is damaged, or not a clip of this format and name (says what, not where).
    """
    check_whole(KEYPOINTS, content)
    try:
        table, provenance = _table(content)
        ids = _names(table["clip_id"])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(KEYPOINTS, error) from error
    if not table.num_rows:
        raise InputError("no rows; a clip needs at least one frame")
    if ids != [clip_id]:
        raise InputError(
            f"its column clip_id says {some([str(name) for name in ids])}, not {clip_id!r}; a file bears the name of "
            "its one clip: rename the file, or write the clip again"
        )
    return table.select([name for name in table.column_names if name != "clip_id"]), provenance


def provenance_of(content: bytes) -> Provenance:
    """What a clip's file says of where its poses come from.

    Raises:
        InputError: the file is damaged, or not a clip of this format (says what, not where).
    """
    check_whole(KEYPOINTS, content)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            return _provenance((file.metadata.metadata or {}).get(KEYPOINTS.key))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(KEYPOINTS, error) from error


def to_rows(table: pa.Table) -> ClipRows:
    """Arrow columns as arrays, NaN for null; column types and list lengths are checked, values are not.

    Raises:
        InputError: a column has the wrong type, or holds what the types of `ClipRows` cannot hold.
    """
    try:
        return ClipRows(
            person=_integers(table, "person"),
            frame=_integers(table, "frame"),
            time=_floats(_one_array(table["time"]), "time", pa.float64()),
            xy=_lists(table["xy"], "xy", 2 * _JOINTS).reshape(-1, _JOINTS, 2),
            confidence=_lists(table["confidence"], "confidence", _JOINTS),
            interpolated=_marks(table),
        )
    except pa.ArrowException as error:
        raise InputError(f"unreadable columns ({' '.join(str(error).split())[:150]}); {_AGAIN}") from error


def encode(clip_id: str, rows: ClipRows, provenance: Provenance) -> memoryview:
    """The file of a clip."""
    count = len(rows.frame)
    xy = rows.xy.reshape(count, -1)
    nobody = np.isnan(xy).all(axis=1, keepdims=True).repeat(xy.shape[1], axis=1)
    facts = {"format_version": KEYPOINTS.version, "skeleton": SKELETON, **asdict(provenance)}
    schema = _SCHEMA.append(_INTERPOLATED) if rows.interpolated.any() else _SCHEMA
    table = pa.table(
        [
            pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [clip_id]),
            rows.person,
            rows.frame,
            pa.array(rows.time, mask=np.isnan(rows.time)),
            pa.FixedSizeListArray.from_arrays(pa.array(xy.ravel(), mask=nobody.ravel()), xy.shape[1]),
            pa.FixedSizeListArray.from_arrays(
                pa.array(rows.confidence.ravel(), mask=np.isnan(rows.confidence).ravel()), _JOINTS
            ),
            rows.interpolated,
        ][: len(schema)],
        schema=schema.with_metadata({KEYPOINTS.key: json.dumps(facts)}),
    )
    sink = pa.BufferOutputStream()
    # Poses hardly compress and a clip is read whole, so codec, dictionaries and statistics would only cost time.
    pq.write_table(
        table, sink, row_group_size=count, compression="none", use_dictionary=["clip_id"], write_statistics=False
    )
    return memoryview(sink.getvalue())


def _table(content: bytes) -> tuple[pa.Table, Provenance]:
    """The six columns of a Parquet file, and the seventh if it is there, once its metadata is found right."""
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        # the file's own key-value metadata: other tools do not repeat them in the Arrow schema
        provenance = _provenance((file.metadata.metadata or {}).get(KEYPOINTS.key))
        names = file.schema_arrow.names
        if wrong := [name for name in _SCHEMA.names if names.count(name) != 1]:
            raise InputError(f"has no column {some(wrong)}, or has it twice; {_AGAIN}")
        # naming columns costs time that a file without others need not spend
        known = _SCHEMA.names + [_INTERPOLATED.name] * (names.count(_INTERPOLATED.name) == 1)
        return file.read(None if names == _SCHEMA.names else known, use_threads=False), provenance


@lru_cache(maxsize=16)
def _provenance(metadata: bytes | None) -> Provenance:
    """What the file's metadata says, once skeleton and version are found right."""
    facts = facts_of(KEYPOINTS, metadata)
    if facts.get("skeleton") != SKELETON:
        raise InputError(
            f"skeleton {quoted(facts.get('skeleton'))} instead of {SKELETON!r}; convert the joints with "
            "poses.convert and write the clip again"
        )
    values: list[Any] = [facts.get(name) for name in Provenance.__dataclass_fields__]
    if not values[0] or any(value is not None and not isinstance(value, str) for value in values):
        raise InputError(
            f"{KEYPOINTS.key.decode()!r} in the file's metadata names no source, or not in words; {_AGAIN}"
        )
    return Provenance(*values)


def _names(column: pa.ChunkedArray) -> list[str | None]:
    """The different values of a column of strings."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        chunk = column.chunk(0) if column.num_chunks == 1 else None
        if chunk is not None and len(chunk) and not chunk.null_count and len(chunk.dictionary) == 1:
            return [chunk.dictionary[0].as_py()]
        column = column.cast(kind)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise wrong_type(KEYPOINTS, "clip_id", kind, "strings")
    names: list[str | None] = column.unique().to_pylist()
    return names


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    """A copy of an array without nulls; pyarrow's own to_numpy would import pandas, where there is one."""
    return np.array(np.from_dlpack(array))


def _integers(table: pa.Table, name: str) -> npt.NDArray[np.int32]:
    column = _one_array(table[name])
    if not pa.types.is_integer(column.type):
        raise wrong_type(KEYPOINTS, name, column.type, "int32")
    if column.null_count:
        raise InputError(f"column {name} holds nulls; every row names its {name}")
    if column.type != pa.int32():
        try:
            column = column.cast(pa.int32())
        except pa.ArrowInvalid:
            raise InputError(f"column {name} holds numbers that do not fit into int32; number from 0 on") from None
    return _numpy(column)


def _marks(table: pa.Table) -> npt.NDArray[np.bool_]:
    """The column `interpolated`; False throughout where there is none."""
    if _INTERPOLATED.name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    column = _one_array(table[_INTERPOLATED.name])
    if not pa.types.is_boolean(column.type) or column.null_count:
        raise wrong_type(KEYPOINTS, _INTERPOLATED.name, column.type, "booleans without nulls")
    return _numpy(column.cast(pa.uint8())).astype(np.bool_)


def _floats(column: pa.Array, name: str, target: Any) -> npt.NDArray[Any]:
    """An array of numbers, NaN for null."""
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise wrong_type(KEYPOINTS, name, kind, str(target))
    if kind != target:
        column = column.cast(target, safe=False)
    if not column.null_count:
        return _numpy(column)
    filled = pa.Array.from_buffers(target, len(column), [None, column.buffers()[1]], offset=column.offset)
    numbers = _numpy(filled)
    numbers[_numpy(column.is_null().cast(pa.uint8())).view(np.bool_)] = np.nan
    return numbers


def _lists(column: pa.ChunkedArray, name: str, size: int) -> npt.NDArray[np.float32]:
    """A column of lists of `size` numbers as [rows, size], NaN for a null list or element."""
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise wrong_type(KEYPOINTS, name, kind, f"lists of {size} float32")
    lists = _one_array(column)
    fixed = pa.types.is_fixed_size_list(kind)
    lengths = [kind.list_size] if fixed else pc.unique(pc.list_value_length(lists)).drop_null().to_pylist()
    if wrong := [length for length in lengths if length != size]:
        raise InputError(f"column {name} holds a list of {wrong[0]} numbers instead of {size}; {_AGAIN}")
    values = _floats(lists.flatten(), name, pa.float32())
    if not lists.null_count:
        return values.reshape(-1, size)
    rows = np.full((len(lists), size), np.nan, dtype=np.float32)
    rows[_numpy(lists.is_valid().cast(pa.uint8())).view(np.bool_)] = values.reshape(-1, size)
    return rows
