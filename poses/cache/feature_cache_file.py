"""One file of the feature cache: Parquet bytes to arrays and back (format: docs/clip-features.md)."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from errors import InputError, some
from poses.cache.clip_files import Kind, check_whole, facts_of, unreadable, wrong_type
from poses.cache.keypoint_cache_file import KEYPOINTS

FEATURES = Kind(
    name="feature",
    key=b"feature_cache",
    version=1,
    again="copy the file again, or make the clip again with `python run.py features`",
    whence=": check the path, or make one with `python run.py features`",
    how="make them with `python run.py features`",
)
_AGAIN = FEATURES.again
_COLUMNS = ("clip_id", "window", "features")


class OtherKind(InputError):
    """The file is whole, but a clip of a keypoint cache."""


@dataclass(frozen=True)
class FeatureProvenance:
    """Where the features of a clip come from.

    Args:
        source: dataset or recording, never empty: "aqa7", "media_folder".
        extractor: name of the network and of its weights, never empty.
        weights_sha256: hash of those weights; None if unknown, or if there is no file.
        weights_licence: SPDX name of their licence; None if unknown.
        settings: how the features were made, a JSON object; None if unknown.
        media: fingerprint of the photographs or the video behind the clip; None if unknown.
    """

    source: str
    extractor: str
    weights_sha256: str | None = None
    weights_licence: str | None = None
    settings: str | None = None
    media: str | None = None


def decode(content: bytes, clip_id: str) -> tuple[npt.NDArray[np.float32], FeatureProvenance]:
    """The features [W, C] of a clip's file, all of them checked.

    Raises:
        InputError: the file is damaged, not a clip of this format and name, or holds a number that is not finite (says
            what, not where).
    """
    check_whole(FEATURES, content)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            provenance = _provenance(file.metadata.metadata or {})
            names = file.schema_arrow.names
            if wrong := [name for name in _COLUMNS if names.count(name) != 1]:
                raise InputError(f"has no column {some(wrong)}, or has it twice; {_AGAIN}")
            table = file.read(list(_COLUMNS), use_threads=False)
        if not table.num_rows:
            raise InputError("no rows; a clip has at least one window")
        _check_name(table["clip_id"], clip_id)
        _check_windows(table["window"])
        return _features(table["features"]), provenance
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(FEATURES, error) from error


def provenance_of(content: bytes) -> FeatureProvenance:
    """What a clip's file says of where its features come from.

    Raises:
        OtherKind: it is a clip of a keypoint cache.
        InputError: the file is damaged, or not a clip of this format (says what, not where).
    """
    check_whole(FEATURES, content)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            return _provenance(file.metadata.metadata or {})
    except (pa.ArrowException, OSError) as error:
        raise unreadable(FEATURES, error) from error


def encode(clip_id: str, features: npt.NDArray[np.float32], provenance: FeatureProvenance) -> bytes:
    """The file of a clip."""
    count, width = features.shape
    schema = pa.schema(
        [
            pa.field("clip_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
            pa.field("window", pa.int32(), nullable=False),
            pa.field("features", pa.list_(pa.float32(), width), nullable=False),
        ],
        {FEATURES.key: json.dumps({"format_version": FEATURES.version, **asdict(provenance)})},
    )
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [clip_id]),
        np.arange(count, dtype=np.int32),
        pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), width),
    ]
    sink = pa.BufferOutputStream()
    # as in the keypoint cache: a clip is read whole, so codec, dictionaries and statistics would only cost time
    pq.write_table(
        pa.table(columns, schema=schema),
        sink,
        row_group_size=count,
        compression="none",
        use_dictionary=["clip_id"],
        write_statistics=False,
    )
    return bytes(memoryview(sink.getvalue()))


def check_provenance(provenance: FeatureProvenance) -> None:
    """Refuse a provenance without source or extractor, or with anything that is no text.

    Raises:
        InputError: says what, not where.
    """
    facts = list(asdict(provenance).values())
    if not all(facts[:2]) or any(not isinstance(fact, str | None) for fact in facts):
        raise InputError("its provenance names no source or no extractor, or not in words")


def _provenance(metadata: dict[bytes, bytes]) -> FeatureProvenance:
    """What the file's metadata say, once the version is found right."""
    if FEATURES.key not in metadata and KEYPOINTS.key in metadata:
        raise OtherKind("holds keypoints, not features; give the folder of a feature cache")
    facts = facts_of(FEATURES, metadata.get(FEATURES.key))
    values: list[Any] = [facts.get(name) for name in FeatureProvenance.__dataclass_fields__]
    provenance = FeatureProvenance(*values)
    try:
        check_provenance(provenance)
    except InputError as error:
        raise InputError(f"{FEATURES.key.decode()!r} in the file's metadata: {error}; {_AGAIN}") from None
    return provenance


def _check_name(column: pa.ChunkedArray, clip_id: str) -> None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise wrong_type(FEATURES, "clip_id", column.type, "strings")
    ids = column.cast(kind).unique().to_pylist()
    if ids != [clip_id]:
        raise InputError(
            f"its column clip_id says {some([str(name) for name in ids])}, not {clip_id!r}; a file bears the name of "
            "its one clip: rename the file, or make the clip again"
        )


def _check_windows(column: pa.ChunkedArray) -> None:
    if not pa.types.is_integer(column.type):
        raise wrong_type(FEATURES, "window", column.type, "int32")
    if column.to_pylist() != list(range(len(column))):
        raise InputError(f"column window does not count 0, 1, ..., {len(column) - 1}; {_AGAIN}")


def _features(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise wrong_type(FEATURES, "features", kind, "lists of float32")
    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise wrong_type(FEATURES, "features", kind, "lists of float32")
    lists = pa.concat_arrays(column.chunks)
    values = lists.flatten()
    lengths = {kind.list_size} if pa.types.is_fixed_size_list(kind) else set(lists.value_lengths().to_pylist())
    if lists.null_count or values.null_count:
        raise InputError(f"column features holds nulls; {_AGAIN}")
    if len(lengths) > 1 or lengths == {0}:
        found = " and ".join(map(str, sorted(lengths)[:3]))
        raise InputError(f"column features holds lists of {found} numbers instead of one length above 0; {_AGAIN}")
    features = np.array(np.from_dlpack(values.cast(pa.float32(), safe=False)))
    features = features.reshape(len(lists), -1)
    check_finite(features)
    return features


def check_finite(features: npt.NDArray[np.float32]) -> None:
    """Refuse features [W, C] with a number that is not finite.

    Raises:
        InputError: names the first window with one.
    """
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        window = int(wrong.argmax())
        number = features[window][~np.isfinite(features[window])][0]
        raise InputError(f"window {window}: holds {number:g}, which is no finite number; make the clip again")
