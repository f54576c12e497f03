"""The cache of clip features: one Parquet file a clip, written atomically and read whole (docs/clip-features.md)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from errors import InputError
from poses.cache.clip_columns import CLIP_ID, check_name, lists, metadata_entry, opened, read_columns, written
from poses.cache.clip_files import (
    SUFFIX,
    Kind,
    clip_path,
    clips_to_read,
    facts_of,
    list_files,
    read_file,
    read_if_there,
    write_file,
    wrong_type,
)
from poses.cache.keypoint_cache_file import KEYPOINTS

FEATURES = Kind(
    name="feature",
    key=b"feature_cache",
    version=1,
    again="copy the file again, or make the clip again with `python run.py features`",
    whence=": check the path, or make one with `python run.py features`",
    how="make them with `python run.py features`",
)


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


@dataclass
class FeatureTable:
    """The features of N clips, W windows each.

    Shapes:
        features: [N, W, C] float32, all finite.
        clip_ids, provenance: one entry a clip, in the order asked for.
    """

    features: npt.NDArray[np.float32]
    clip_ids: list[str]
    provenance: list[FeatureProvenance]


def write_features(root: str | Path, clip_id: str, features: npt.ArrayLike, provenance: FeatureProvenance) -> Path:
    """Write one clip, whole or not at all; several processes may write to one cache at once.

    Args:
        root: folder of the cache, made if it is not there.
        clip_id: name of the clip; an older clip of that name is replaced.
        features: [W, C] finite numbers, W and C at least 1.
        provenance: where they come from.

    Returns:
        The path of the file.

    Raises:
        InputError: a bad id, array or provenance, or the file cannot be written. Nothing is left half-written.
    """
    path = clip_path(root, clip_id)
    try:
        _check_provenance(provenance)
        content = _encode(clip_id, _checked(features), provenance)
    except InputError as error:
        raise InputError(f"clip {clip_id!r} not written: {error}") from None
    write_file(path, content)
    return path


def list_features(root: str | Path) -> list[str]:
    """Ids of all clips of a cache, sorted; empty if there are none.

    Raises:
        InputError: no such folder, or it cannot be listed.
    """
    return list_files(FEATURES, root)


def read_features(root: str | Path, clip_ids: Sequence[str] | None = None) -> FeatureTable:
    """Read clips of a cache and check metadata, columns and every number.

    Args:
        root: folder of the cache.
        clip_ids: the clips to read, in that order; None for all, sorted.

    Raises:
        InputError: no such folder or clips, an id twice, the first file with something wrong, or clips that differ in
            windows, width, extractor or weights. Names the file, what is wrong and what to do.
    """
    root = Path(root)
    asked = clips_to_read(FEATURES, root, clip_ids)
    with ThreadPoolExecutor(2) as pool:  # more threads only wait for the interpreter lock
        files = list(pool.map(lambda clip_id: read_file(root, clip_id, _decode), asked))
    first = _kind(*files[0])
    for clip_id, file in zip(asked, files, strict=True):
        if (other := _kind(*file)) != first:
            raise InputError(
                f"{clip_path(root, clip_id)}: holds {other}, {asked[0]}{SUFFIX} holds {first}; a cache is made in "
                "one way: give clips made in another way a folder of their own"
            )
    return FeatureTable(
        features=np.stack([features for features, _ in files]),
        clip_ids=list(asked),
        provenance=[provenance for _, provenance in files],
    )


def read_feature_provenance(root: str | Path, clip_id: str) -> FeatureProvenance | None:
    """Where the features of one clip come from, without reading them; None if the clip is not in the cache.

    Raises:
        OtherKind: the file is a clip of a keypoint cache.
        InputError: the file cannot be read, or is not a clip of this format.
    """
    return read_if_there(root, clip_id, _provenance_of)


def _kind(features: npt.NDArray[np.float32], provenance: FeatureProvenance) -> str:
    """What must be the same in all clips of a cache, in words."""
    windows, width = features.shape
    hashed = provenance.weights_sha256
    weights = f"weights {hashed[:12]}" if hashed else "weights without hash"
    return f"{windows} windows of {width} numbers by {provenance.extractor}, {weights}"


def _checked(features: npt.ArrayLike) -> npt.NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused as such
            array = np.asarray(features).astype(np.float32)
    except (TypeError, ValueError):
        raise InputError("features do not hold numbers") from None
    if array.ndim != 2 or not array.size:
        raise InputError(f"features have the shape {list(array.shape)}; give [W, C], both at least 1")
    _check_finite(array)
    return array


# One file -------------------------------------------------------------------------------------------------------------


def _decode(content: bytes, clip_id: str) -> tuple[npt.NDArray[np.float32], FeatureProvenance]:
    """The features [W, C] of a clip's file, all of them checked; what is wrong is said, not where."""
    with opened(FEATURES, content) as (file, metadata):
        provenance = _provenance(metadata)
        table = read_columns(FEATURES, file, (CLIP_ID.name, "window", "features"))
        check_name(FEATURES, table[CLIP_ID.name], clip_id)
        window = table["window"]
        if not pa.types.is_integer(window.type):
            raise wrong_type(FEATURES, "window", window.type, "int32")
        if window.to_pylist() != list(range(len(window))):
            raise InputError(f"column window does not count 0, 1, ..., {len(window) - 1}; {FEATURES.again}")
        features = lists(FEATURES, table["features"], "features")
        if table["features"].null_count or pc.list_flatten(table["features"]).null_count:
            raise InputError(f"column features holds nulls; {FEATURES.again}")
    _check_finite(features)
    return features, provenance


def _provenance_of(content: bytes) -> FeatureProvenance:
    with opened(FEATURES, content) as (_, metadata):
        return _provenance(metadata)


def _encode(clip_id: str, features: npt.NDArray[np.float32], provenance: FeatureProvenance) -> memoryview:
    count, width = features.shape
    fields = [
        CLIP_ID,
        pa.field("window", pa.int32(), nullable=False),
        pa.field("features", pa.list_(pa.float32(), width), nullable=False),
    ]
    columns = [
        pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [clip_id]),
        np.arange(count, dtype=np.int32),
        pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), width),
    ]
    return written(pa.table(columns, schema=pa.schema(fields, metadata_entry(FEATURES, asdict(provenance)))))


def _check_provenance(provenance: FeatureProvenance) -> None:
    """Refuse a provenance without source or extractor, or with anything that is no text."""
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
        _check_provenance(provenance)
    except InputError as error:
        raise InputError(f"{FEATURES.key.decode()!r} in the file's metadata: {error}; {FEATURES.again}") from None
    return provenance


def _check_finite(features: npt.NDArray[np.float32]) -> None:
    """Refuse features [W, C] with a number that is not finite, and name its window."""
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        window = int(wrong.argmax())
        number = features[window][~np.isfinite(features[window])][0]
        raise InputError(f"window {window}: holds {number:g}, which is no finite number; make the clip again")
