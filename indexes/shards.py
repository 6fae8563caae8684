"""Shards: immutable Parquet files for some hundred walked files, one of facts and pictures, and one of vectors a space.

Data pages carry checksums, which are verified whenever a page is read.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedkit.dicom.instance import InstanceFacts
from embedkit.errors import IndexFolderError
from embedkit.indexes.columns import binaries, number_lists, numbers, text_lists, texts, to_numbers
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.storage import Put, write_atomically

_VECTORS_A_GROUP = 64
"""So that the vector of one image is read without those of its whole shard: 0.6 ms and not 2.5."""
_MAGIC = b"PAR1"
EARLIER_DIGEST = "sha256:"
"""Begins the digest of a file's content where format 1 has one, which is no BLAKE3."""
_ARROW_TYPES = {"str": pa.string(), "int": pa.int32()}
FACTS_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("content_blake3", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
        *(
            pa.field(fact.name, _ARROW_TYPES[str(fact.type)], nullable=False)
            for fact in dataclasses.fields(InstanceFacts)
            if fact.name != "header_texts"
        ),
    ]
)
"""The columns of a shard that the table of images has too: the facts of an image, or of a rejected file, and why."""
_HEADER_TEXTS = pa.field("header_texts", pa.string(), nullable=False)
IMAGES_SCHEMA = FACTS_SCHEMA.append(_HEADER_TEXTS).append(pa.field("picture", pa.binary(), nullable=False))


class _Earlier(NamedTuple):
    """What earlier formats have in the place of a column: another one with a text before each value, or that text."""

    column: str
    text: str


_EARLIER = {
    "content_blake3": _Earlier("content_sha256", EARLIER_DIGEST),
    "header_texts": _Earlier("", ""),
    "attribute": _Earlier("", "region"),
}
_MAKERS: dict[pa.DataType, Callable[[Sequence[Any]], pa.Array]] = {
    pa.string(): texts,
    pa.binary(): binaries,
    pa.list_(pa.string()): text_lists,
    pa.int32(): lambda values: numbers(np.array(values, np.int32)),
    pa.int64(): lambda values: numbers(np.array(values, np.int64)),
}


def write_images(path: Path, rows: Sequence[ImageRow]) -> str:
    """Write the facts and pictures of a shard; return the file's sha256."""
    columns = [
        [getattr(row if hasattr(row, name) else row.facts, name) for row in rows] for name in IMAGES_SCHEMA.names
    ]
    arrays = [_MAKERS[field.type](column) for column, field in zip(columns, IMAGES_SCHEMA, strict=True)]
    return write_table(path, pa.Table.from_arrays(arrays, schema=IMAGES_SCHEMA))


def write_vectors(path: Path, vectors: NDArray[np.float32]) -> str:
    """Write the vectors (n, d) of a shard, row for row, zero where a row has no vector; return the sha256."""
    return write_table(path, pa.table({"vector": number_lists(vectors)}), _VECTORS_A_GROUP)


def _open(path: Path) -> Path | pa.BufferReader:
    """What pyarrow reads: a path that this locale cannot say is nothing to it."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return pa.BufferReader(path.read_bytes())
    return path


def read_facts(path: Path, rows: int, columns: Sequence[str]) -> pa.Table:
    """Read some columns of a shard's facts; raises `IndexFolderError` ``index-damaged`` where they are not there."""
    return read_table(path, pa.schema([FACTS_SCHEMA.field(name) for name in columns]), rows)


def read_pictures(path: Path, rows: int) -> list[bytes]:
    """Read the PNGs of a shard, b"" for a row without one; raises as `read_facts` does."""
    pictures: list[bytes] = read_table(path, pa.schema([IMAGES_SCHEMA.field("picture")]), rows)["picture"].to_pylist()
    return pictures


def read_vectors(path: Path, rows: int, dimension: int, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read `wanted` rows, at least one, of the vectors of a shard, float32 (wanted, dimension); raises as `read_facts`.

    Only the groups from the first to the last of them are read.
    """
    schema = pa.schema([pa.field("vector", pa.list_(pa.float32(), dimension))])
    groups = range(int(wanted.min()) // _VECTORS_A_GROUP, int(wanted.max()) // _VECTORS_A_GROUP + 1)
    first, stop = groups.start * _VECTORS_A_GROUP, min(groups.stop * _VECTORS_A_GROUP, rows)
    table = read_table(path, schema, groups=groups)
    if len(table) == rows:
        first = 0  # it has one group, or no more than are wanted
    else:
        _check_rows(path, table, stop - first)
    chunks = table["vector"].chunks
    values = [to_numbers(c.values.slice(c.offset * dimension, len(c) * dimension), np.float32) for c in chunks]
    return np.concatenate(values).reshape(-1, dimension)[wanted - first]


def write_table(path: Path, table: pa.Table, rows_a_group: int | None = None) -> str:
    """Write uncoded columns: they are read far more often than written, and LZ4 takes out what repeats."""
    coding = {"compression": "LZ4", "use_dictionary": False, "write_page_checksum": True}

    def write(put: Put) -> None:
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, row_group_size=rows_a_group, **coding)
        put(memoryview(buffer.getvalue()))

    return write_atomically(path, write)


def read_table(
    path: Path,
    schema: pa.Schema,
    rows: int | None = None,
    groups: range | None = None,
    data: NDArray[np.uint8] | None = None,
) -> pa.Table:
    """Read the columns of `schema` from a Parquet file of an index, which must have so many rows.

    Of a file with several groups of rows only `groups` are read. `data` is its content, where that was read before.

    Raises
    ------
    IndexFolderError
        ``index-damaged`` where the file is missing, or anything of it is not as it was written.
    """
    try:
        source = pa.BufferReader(pa.py_buffer(data)) if data is not None else _open(path)
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            _check_layout(file.metadata, path.stat().st_size if data is None else len(data))
            every = range(file.num_row_groups)
            chosen = every if groups is None or len(every) == 1 else groups
            earlier = {name: _EARLIER[name] for name in schema.names if name not in file.schema_arrow.names}
            names = [earlier[name].column if name in earlier else name for name in schema.names]
            table = file.read_row_groups([*chosen], columns=[*filter(None, names)], use_threads=len(schema) > 1)
            table = _upgrade(table, schema, earlier) if earlier else table
            table = table if table.schema.equals(schema) else table.cast(schema)
    except (OSError, pa.ArrowException, ValueError, LookupError) as error:
        raise IndexFolderError("index-damaged", f"{path}: it cannot be read; see `embedkit verify`") from error
    if rows is not None:
        _check_rows(path, table, rows)
    return table


def _upgrade(table: pa.Table, schema: pa.Schema, earlier: Mapping[str, _Earlier]) -> pa.Table:
    """Make a table of `schema` of one that an earlier version of embedkit wrote."""
    columns = []
    for field in schema:
        was = earlier.get(field.name, _Earlier(field.name, ""))
        if not was.column:
            columns.append(texts([was.text] * len(table)))
        elif was.text:
            values = table[was.column].to_pylist()
            columns.append(texts([was.text + value if value else "" for value in values]))
        else:
            columns.append(table[was.column])
    return pa.Table.from_arrays(columns, names=schema.names)


def _check_layout(metadata: pq.FileMetaData, size: int) -> None:
    """Raise ValueError where columns do not lie side by side: no checksum covers what says where they lie."""
    if metadata.num_rows == 0:
        return
    place = len(_MAGIC)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(metadata.num_columns):
            column = row_group.column(number)
            if column.data_page_offset != place or column.has_dictionary_page:
                raise ValueError("a column lies elsewhere")
            place += column.total_compressed_size
    if place + metadata.serialized_size + 4 + len(_MAGIC) != size:
        raise ValueError("columns do not fill the file")


def _check_rows(path: Path, table: pa.Table, rows: int) -> None:
    if len(table) != rows:
        message = f"{path}: it has {len(table)} rows and not {rows}; see `embedkit verify`"
        raise IndexFolderError("index-damaged", message)
