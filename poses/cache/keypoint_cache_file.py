"""One file of the keypoint cache: Parquet bytes to arrays and back (format: docs/keypoint-cache.md)."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from errors import InputError, quoted
from poses.cache.clip_columns import (
    CLIP_ID,
    as_bools,
    check_name,
    floats,
    integers,
    lists,
    metadata_entry,
    one_array,
    opened,
    read_columns,
    written,
)
from poses.cache.clip_files import Kind, facts_of, wrong_type
from poses.skeleton import JOINTS, SKELETON

KEYPOINTS = Kind(
    name="keypoint",
    key=b"pose_cache",
    version=1,
    again="copy the file again, or write the clip with poses.cache.keypoint_cache.write_clip",
    whence=", check the path",
    how="extract or copy them into the cache",
)
_JOINTS = len(JOINTS)
_INTERPOLATED = pa.field("interpolated", pa.bool_(), nullable=False)  # only where something is
_SCHEMA = pa.schema(
    [
        CLIP_ID,
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
    with opened(KEYPOINTS, content) as (file, metadata):
        provenance = _provenance(metadata.get(KEYPOINTS.key))
        table = read_columns(KEYPOINTS, file, _SCHEMA.names, [_INTERPOLATED.name])
        check_name(KEYPOINTS, table[CLIP_ID.name], clip_id)
    return table.drop_columns(CLIP_ID.name), provenance


def provenance_of(content: bytes) -> Provenance:
    """What a clip's file says of where its poses come from.

    Raises:
        InputError: the file is damaged, or not a clip of this format (says what, not where).
    """
    with opened(KEYPOINTS, content) as (_, metadata):
        return _provenance(metadata.get(KEYPOINTS.key))


def to_rows(table: pa.Table) -> ClipRows:
    """Arrow columns as arrays, NaN for null; column types and list lengths are checked, values are not.

    Raises:
        InputError: a column has the wrong type, or holds what the types of `ClipRows` cannot hold.
    """
    try:
        return ClipRows(
            person=integers(KEYPOINTS, table, "person"),
            frame=integers(KEYPOINTS, table, "frame"),
            time=floats(KEYPOINTS, one_array(table["time"]), "time", pa.float64()),
            xy=lists(KEYPOINTS, table["xy"], "xy", 2 * _JOINTS).reshape(-1, _JOINTS, 2),
            confidence=lists(KEYPOINTS, table["confidence"], "confidence", _JOINTS),
            interpolated=_marks(table),
        )
    except pa.ArrowException as error:
        raise InputError(f"unreadable columns ({' '.join(str(error).split())[:150]}); {KEYPOINTS.again}") from error


def encode(clip_id: str, rows: ClipRows, provenance: Provenance) -> memoryview:
    """The file of a clip."""
    count = len(rows.frame)
    xy = rows.xy.reshape(count, -1)
    nobody = np.isnan(xy).all(axis=1, keepdims=True).repeat(xy.shape[1], axis=1)
    schema = _SCHEMA.append(_INTERPOLATED) if rows.interpolated.any() else _SCHEMA
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [clip_id]),
        rows.person,
        rows.frame,
        pa.array(rows.time, mask=np.isnan(rows.time)),
        pa.FixedSizeListArray.from_arrays(pa.array(xy.ravel(), mask=nobody.ravel()), xy.shape[1]),
        pa.FixedSizeListArray.from_arrays(
            pa.array(rows.confidence.ravel(), mask=np.isnan(rows.confidence).ravel()), _JOINTS
        ),
        rows.interpolated,
    ]
    metadata = metadata_entry(KEYPOINTS, {"skeleton": SKELETON, **asdict(provenance)})
    return written(pa.table(columns[: len(schema)], schema=schema.with_metadata(metadata)))


@lru_cache(maxsize=16)
def _provenance(entry: bytes | None) -> Provenance:
    """What the file's metadata says, once skeleton and version are found right."""
    facts = facts_of(KEYPOINTS, entry)
    if facts.get("skeleton") != SKELETON:
        raise InputError(
            f"skeleton {quoted(facts.get('skeleton'))} instead of {SKELETON!r}; convert the joints with "
            "poses.convert and write the clip again"
        )
    values: list[Any] = [facts.get(name) for name in Provenance.__dataclass_fields__]
    if not values[0] or any(value is not None and not isinstance(value, str) for value in values):
        raise InputError(
            f"{KEYPOINTS.key.decode()!r} in the file's metadata names no source, or not in words; {KEYPOINTS.again}"
        )
    return Provenance(*values)


def _marks(table: pa.Table) -> npt.NDArray[np.bool_]:
    """The column `interpolated`; False throughout where there is none."""
    if _INTERPOLATED.name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    column = one_array(table[_INTERPOLATED.name])
    if not pa.types.is_boolean(column.type) or column.null_count:
        raise wrong_type(KEYPOINTS, _INTERPOLATED.name, column.type, "booleans without nulls")
    return as_bools(column)
