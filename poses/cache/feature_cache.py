"""The cache of clip features: one Parquet file a clip, written atomically and read whole (docs/clip-features.md)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from errors import InputError
from poses.cache.clip_files import SUFFIX, clip_path, clips_to_read, list_files, read_file, read_if_there, write_file
from poses.cache.feature_cache_file import (
    FEATURES,
    FeatureProvenance,
    OtherKind,
    check_finite,
    check_provenance,
    decode,
    encode,
    provenance_of,
)

__all__ = [
    "FeatureProvenance",
    "FeatureTable",
    "OtherKind",
    "list_features",
    "read_feature_provenance",
    "read_features",
    "write_features",
]


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
        check_provenance(provenance)
        content = encode(clip_id, _checked(features), provenance)
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
        files = list(pool.map(lambda clip_id: read_file(root, clip_id, decode), asked))
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
    return read_if_there(root, clip_id, provenance_of)


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
    check_finite(array)
    return array
