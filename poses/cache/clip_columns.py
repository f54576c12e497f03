"""Parquet bytes of one clip to Arrow columns and numpy arrays and back; what is wrong is said in words, not where."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from errors import InputError, some
from poses.cache.clip_files import Kind, check_whole, wrong_type

CLIP_ID = pa.field("clip_id", pa.dictionary(pa.int32(), pa.string()), nullable=False)

T = TypeVar("T")


@contextmanager
def opened(kind: Kind, content: bytes) -> Iterator[tuple[pq.ParquetFile, dict[bytes, bytes]]]:
    """The file, and its own key-value metadata: other tools do not repeat them in the Arrow schema.

    Raises:
        InputError: damaged, here or by what is read of it.
    """
    check_whole(kind, content)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            yield file, file.metadata.metadata or {}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"unreadable Parquet content ({' '.join(str(error).split())[:150]}); {kind.again}") from error


def read_columns(kind: Kind, file: pq.ParquetFile, needed: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """The columns needed, and the others that are there once.

    Raises:
        InputError: one that is needed is missing or there twice, or there is no row.
    """
    names = file.schema_arrow.names
    if wrong := [name for name in needed if names.count(name) != 1]:
        raise InputError(f"has no column {some(wrong)}, or has it twice; {kind.again}")
    known = [*needed, *(name for name in optional if names.count(name) == 1)]
    # naming columns costs time that a file without others need not spend
    table = file.read(None if names == known else known, use_threads=False)
    if not table.num_rows:
        raise InputError(f"no rows, which no clip has; {kind.again}")
    return table


def check_name(kind: Kind, column: pa.ChunkedArray, clip_id: str) -> None:
    """Refuse a column clip_id that says anything but the clip's id.

    Raises:
        InputError: it does.
    """
    ids: list[Any]
    encoded = pa.types.is_dictionary(column.type)
    value = column.type.value_type if encoded else column.type
    chunk = column.chunk(0) if encoded and column.num_chunks == 1 else None
    if chunk is not None and not chunk.null_count and len(chunk.dictionary) == 1:
        ids = [chunk.dictionary[0].as_py()]  # as this project writes it, without looking at every row
    elif pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value):
        ids = column.cast(value).unique().to_pylist()
    else:
        raise wrong_type(kind, CLIP_ID.name, value, "strings")
    if ids != [clip_id]:
        raise InputError(
            f"its column clip_id says {some([str(name) for name in ids])}, not {clip_id!r}; a file bears the name of "
            "its one clip: rename the file, or make the clip again"
        )


def written(table: pa.Table) -> memoryview:
    """A clip's file. Numbers hardly compress and a clip is read whole: codec and statistics would only cost time."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, row_group_size=len(table), compression="none", use_dictionary=[CLIP_ID.name],
        write_statistics=False,
    )  # fmt: skip
    return memoryview(sink.getvalue())


def metadata_entry(kind: Kind, facts: dict[str, Any]) -> dict[bytes, str]:
    """Metadata of a file, as `facts_of` reads them."""
    return {kind.key: json.dumps({"format_version": kind.version, **facts})}


# Columns as arrays ----------------------------------------------------------------------------------------------------


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def as_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """A copy of an array without nulls; pyarrow's own to_numpy would import pandas, where there is one."""
    return np.array(np.from_dlpack(array))


def as_bools(array: pa.Array) -> npt.NDArray[np.bool_]:
    """The same of booleans, which DLPack does not know."""
    return as_numpy(array.cast(pa.uint8())).view(np.bool_)


def integers(kind: Kind, table: pa.Table, name: str) -> npt.NDArray[np.int32]:
    """A column of whole numbers.

    Raises:
        InputError: another type, nulls, or numbers beyond int32.
    """
    column = one_array(table[name])
    if not pa.types.is_integer(column.type):
        raise wrong_type(kind, name, column.type, "int32")
    if column.null_count:
        raise InputError(f"column {name} holds nulls; every row names its {name}")
    if column.type != pa.int32():
        try:
            column = column.cast(pa.int32())
        except pa.ArrowInvalid:
            raise InputError(f"column {name} holds numbers that do not fit into int32; number from 0 on") from None
    return as_numpy(column)


def floats(kind: Kind, column: pa.Array, name: str, target: pa.DataType) -> npt.NDArray[Any]:
    """Numbers, NaN for null.

    Raises:
        InputError: another type.
    """
    found = column.type
    if not (pa.types.is_floating(found) or pa.types.is_integer(found) or pa.types.is_null(found)):
        raise wrong_type(kind, name, found, str(target))
    if found != target:
        column = column.cast(target, safe=False)
    if not column.null_count:
        return as_numpy(column)
    filled = pa.Array.from_buffers(target, len(column), [None, column.buffers()[1]], offset=column.offset)
    numbers = as_numpy(filled)
    numbers[as_bools(column.is_null())] = np.nan
    return numbers


def lists(kind: Kind, column: pa.ChunkedArray, name: str, size: int | None = None) -> npt.NDArray[np.float32]:
    """A column of lists of numbers, all of one length, as [rows, size], NaN for a null list or element.

    Args:
        kind: what the file is.
        column: the lists.
        name: of the column.
        size: numbers in each; None for whatever length they have.

    Raises:
        InputError: another type, or another length.
    """
    found = column.type
    if not (pa.types.is_fixed_size_list(found) or pa.types.is_list(found) or pa.types.is_large_list(found)):
        raise wrong_type(kind, name, found, f"lists of {size or 'one length of'} float32")
    rows = one_array(column)
    fixed = pa.types.is_fixed_size_list(found)
    lengths = [found.list_size] if fixed else pc.unique(pc.list_value_length(rows)).drop_null().to_pylist()
    if size is None and (len(lengths) > 1 or lengths == [0]):
        found = " and ".join(map(str, sorted(lengths)[:3]))
        raise InputError(f"column {name} holds lists of {found} numbers instead of one length above 0; {kind.again}")
    if wrong := [length for length in lengths if size not in (None, length)]:
        raise InputError(f"column {name} holds a list of {wrong[0]} numbers instead of {size}; {kind.again}")
    values = floats(kind, rows.flatten(), name, pa.float32()).reshape(-1, size or (lengths[0] if lengths else 1))
    if not rows.null_count:
        return values
    filled = np.full((len(rows), values.shape[1]), np.nan, dtype=np.float32)
    filled[as_bools(rows.is_valid())] = values
    return filled
