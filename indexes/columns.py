"""Columns of Arrow from and to numpy and lists, none of them with nulls.

What pyarrow has for this, `pa.array`, `pa.scalar` and `to_numpy`, imports pandas where it is installed: a third of a
second and 50 MB, for an `embed` that finds nothing new as for `similar`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Number = TypeVar("Number", np.int32, np.int64, np.float32)


def numbers(values: NDArray[Number]) -> pa.Array:
    """Return a column of numbers (n,), without copying them where they lie side by side."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def number_lists(values: NDArray[Number]) -> pa.FixedSizeListArray:
    """Return a column of rows of numbers (n, width)."""
    return pa.FixedSizeListArray.from_arrays(numbers(values.ravel()), values.shape[1])


def flags(values: NDArray[np.bool_]) -> pa.BooleanArray:
    """Return a column of truths (n,), such as `Table.filter` takes."""
    packed = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])


def texts(values: Sequence[str]) -> pa.StringArray:
    """Return a column of text; raises UnicodeEncodeError for a surrogate, OverflowError for more than 2 GiB."""
    return binaries([value.encode() for value in values], pa.string())


def binaries(values: Sequence[bytes], kind: pa.DataType | None = None) -> pa.Array:
    """Return a column of bytes; raises OverflowError for more than 2 GiB."""
    offsets = pa.py_buffer(_bounds(map(len, values), len(values)))
    return pa.Array.from_buffers(kind or pa.binary(), len(values), [None, offsets, pa.py_buffer(b"".join(values))])


def text_lists(values: Sequence[Sequence[str]]) -> pa.ListArray:
    """Return a column of lists of text; raises as `texts` does."""
    offsets = numbers(_bounds(map(len, values), len(values)))
    return pa.ListArray.from_arrays(offsets, texts([*chain.from_iterable(values)]))


def _bounds(lengths: Iterable[int], count: int) -> NDArray[np.int32]:
    """Where each of `count` values begins, and where the last one ends, (count + 1,)."""
    bounds = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, count), out=bounds[1:])
    if bounds[-1] > np.iinfo(np.int32).max:
        raise OverflowError("more than 2 GiB of text")
    return bounds.astype(np.int32)


def to_numbers(column: pa.Array | pa.ChunkedArray, kind: type[Number]) -> NDArray[Number]:
    """Return numbers (n,): a view of the column where it is in one piece."""
    array = whole(column)
    if not len(array):
        return np.empty(0, kind)
    return np.frombuffer(array.buffers()[1], kind)[array.offset : array.offset + len(array)]


def to_flags(column: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return truths (n,)."""
    array = whole(column)
    if not len(array):
        return np.empty(0, bool)
    bits = np.unpackbits(np.frombuffer(array.buffers()[1], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)


def whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 0:
        return pa.nulls(0, column.type)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
