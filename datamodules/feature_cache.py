"""The cache of clip features: one Parquet file a clip, written atomically and read whole (docs/clip-features.md)."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from datamodules.cache import check_clip_id
from datamodules.feature_cache_file import (
    FeatureProvenance,
    OtherKind,
    check_finite,
    check_provenance,
    decode,
    encode,
    provenance_of,
)
from errors import InputError, some
from files import write_atomically

__all__ = [
    "FeatureProvenance",
    "FeatureTable",
    "OtherKind",
    "feature_path",
    "list_features",
    "read_feature_provenance",
    "read_features",
    "write_features",
]

SUFFIX = ".parquet"


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


def feature_path(root: str | Path, clip_id: str) -> Path:
    """Path of a clip's file, always directly inside `root`.

    Raises:
        InputError: see `datamodules.cache.check_clip_id`.
    """
    check_clip_id(clip_id)
    return Path(root) / f"{clip_id}{SUFFIX}"


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
    path = feature_path(root, clip_id)
    try:
        check_provenance(provenance)
        content = encode(clip_id, _checked(features), provenance)
    except InputError as error:
        raise InputError(f"clip {clip_id!r} not written: {error}") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); check that the folder may be written to and has space left"
        ) from error
    return path


def list_features(root: str | Path) -> list[str]:
    """Ids of all clips of a cache, sorted; empty if there are none.

    Raises:
        InputError: no such folder, or it cannot be listed.
    """
    root = Path(root)
    try:
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "no such folder"
            raise InputError(
                f"{root}: {what}; a feature cache is a folder of Parquet files: check the path, or make one with "
                "`python run.py features`"
            )
        with os.scandir(root) as entries:
            files = [entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.is_file()]
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({error.strerror}); check who may read it") from error
    return sorted(name.removesuffix(SUFFIX) for name in files if not name.startswith("."))


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
    asked = _clips_to_read(root, clip_ids)
    with ThreadPoolExecutor(2) as pool:  # more threads only wait for the interpreter lock
        files = list(pool.map(lambda clip_id: _read_file(root, clip_id), asked))
    first = _kind(*files[0])
    for clip_id, file in zip(asked, files, strict=True):
        if (other := _kind(*file)) != first:
            raise InputError(
                f"{feature_path(root, clip_id)}: holds {other}, {asked[0]}{SUFFIX} holds {first}; a cache is made in "
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
    path = feature_path(root, clip_id)
    try:
        return provenance_of(path.read_bytes())
    except FileNotFoundError:
        return None
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check who may read it") from error


def _clips_to_read(root: Path, clip_ids: Sequence[str] | None) -> Sequence[str]:
    there = list_features(root)
    asked = there if clip_ids is None else clip_ids
    if not asked:
        raise InputError(f"{root}: no clips to read; a feature cache holds one file <clip id>{SUFFIX} a clip")
    for clip_id in asked:
        check_clip_id(clip_id)
    if twice := [clip_id for clip_id, count in Counter(asked).items() if count > 1]:
        raise InputError(f"{root}: asked for {some(twice)} more than once; name every clip once")
    if absent := sorted(set(asked).difference(there)):
        raise InputError(
            f"{root}: {len(absent)} of {len(asked)} clips are not in this cache: {some(absent)}; make them with "
            "`python run.py features`, or leave them out"
        )
    return asked


def _read_file(root: Path, clip_id: str) -> tuple[npt.NDArray[np.float32], FeatureProvenance]:
    path = feature_path(root, clip_id)
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root.resolve()):
            raise InputError("a symbolic link that leaves the cache; copy the file itself into the cache")
        return decode(path.read_bytes(), clip_id)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it exists and may be read") from error


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
