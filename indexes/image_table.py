"""The table of an index: the rows that count, with the labels laid over, in a file that is mapped into memory.

It is derived from the shards and the labels, as the FAISS files are: a missing, damaged or outdated file costs time and
nothing else. Where it fits, an index is opened without reading it: what is asked for is read from the disk when it is.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedkit.indexes.checked_files import Bytes, CheckedFile, Tell, open_checked, say_nothing, tell_unusable
from embedkit.indexes.columns import flags, numbers, texts, to_flags, to_numbers, whole
from embedkit.indexes.manifest import Manifest, labels_name, table_name
from embedkit.indexes.rows import BAD_VECTOR, read_live_rows
from embedkit.indexes.shards import FACTS_SCHEMA
from embedkit.indexes.storage import Put, write_atomically

_ID, HEADER_REGION, _BY_IMAGE_ID = "id", "header_region", "by_image_id"
TABLE_SCHEMA = pa.schema(
    [
        *FACTS_SCHEMA,
        pa.field(_ID, pa.int64(), nullable=False),
        pa.field(HEADER_REGION, pa.string(), nullable=False),
        pa.field(_BY_IMAGE_ID, pa.int64(), nullable=False),
    ]
)
_ROWS_A_BATCH = 1 << 20
"""A column of text in one batch holds at most 2 GiB."""


@dataclass(frozen=True)
class ImageTable:
    """Images, and behind them rejected files; both ordered by path and frame."""

    stored: pa.Table
    """With the columns of `TABLE_SCHEMA`."""
    images: pa.Table
    """Facts, with labels laid over."""
    rejected: pa.Table
    """The same columns."""
    file: CheckedFile | None = None
    """The mapped file in which all of it lies; None where it is in memory."""

    @classmethod
    def of(cls, stored: pa.Table, images: int, file: CheckedFile | None = None) -> ImageTable:
        """Tell the first rows, which are images, from rejected files."""
        facts = stored.select(FACTS_SCHEMA.names)
        return cls(stored, facts.slice(0, images), facts.slice(images), file)

    def refuse_if_changed(self) -> None:
        """Raise `IndexFolderError` ``index-damaged`` where the file was cut or written to; to be called before use."""
        if self.file:
            self.file.refuse_if_changed()

    @cached_property
    def image_files(self) -> int:
        """How many files the images are of."""
        return int(_begin_files(self.images["path"]).sum())

    @cached_property
    def rejected_files(self) -> pa.Table:
        """Path and reason of each file of which no frame is an image."""
        import pyarrow.compute as pc  # noqa: PLC0415 (who finds the table made needs none of it, and it takes long)

        files = self.rejected.filter(flags(_begin_files(self.rejected["path"]))).select(["path", "reason"])
        may_be_torn = pc.is_in(files["reason"], value_set=texts([BAD_VECTOR]))  # only such a one may have other frames
        torn = files["path"].filter(may_be_torn)
        shown = self.images["path"].filter(pc.is_in(self.images["path"], value_set=whole(torn))) if len(torn) else torn
        return files.filter(pc.invert(pc.is_in(files["path"], value_set=whole(shown))))

    @cached_property
    def rejected_frames(self) -> Counter[str]:
        """How many of the rejected rows are frames that were read, by reason; the others are whole files."""
        rows = zip(self.rejected["reason"].to_pylist(), self.rejected["frame"].to_pylist(), strict=True)
        return Counter(reason for reason, frame in rows if frame)

    @property
    def header_regions(self) -> pa.ChunkedArray:
        """The region of each image by its file alone."""
        return self.stored[HEADER_REGION].slice(0, len(self.images))

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The place of each image in the concatenation of all shards, int64 (images,)."""
        return self._numbers(_ID)

    def row_of_path(self, path: str) -> int:
        """Return the first image with this path, -1 where there is none."""
        self.refuse_if_changed()
        return _search(self.images["path"], path, range(len(self.images)))

    def row_of_image(self, image_id: str) -> int:
        """Return the image with this `image_id`, -1 where there is none."""
        self.refuse_if_changed()
        return _search(self.images["image_id"], image_id, self._by_image_id)

    @cached_property
    def _by_image_id(self) -> NDArray[np.int64]:
        return self._numbers(_BY_IMAGE_ID)

    def _numbers(self, name: str) -> NDArray[np.int64]:
        self.refuse_if_changed()
        return to_numbers(self.stored[name].slice(0, len(self.images)), np.int64)

    def fits(self, manifest: Manifest, images: int) -> bool:
        """Tell whether it has so many images, and all of their numbers are those of rows that there are."""
        stored = sum(shard.rows for shard in manifest.shards)
        ranges = ((self.ids, stored), (self._by_image_id, images))
        return len(self.images) == images and all(
            not len(values) or (values.min() >= 0 and values.max() < stop) for values, stop in ranges
        )

    def write(self, path: Path) -> str:
        """Write atomically; return the sha256."""

        def stream(put: Put) -> None:
            with pa.PythonFile(_Writer(put), "w") as file, pa.ipc.new_file(file, TABLE_SCHEMA) as writer:
                writer.write_table(self.stored, _ROWS_A_BATCH)

        return write_atomically(path, stream)


def load(folder: Path, manifest: Manifest, *, tell: Tell = say_nothing) -> tuple[ImageTable, bool]:
    """Return the table, and whether its file is just that; else it was made in memory.

    `tell` is told where there is a file that cannot be used.

    Raises
    ------
    IndexFolderError
        ``index-damaged`` where it has to be made, and shards or labels cannot be read.
    """
    mapped = _map(folder, manifest, tell)
    return (mapped, True) if mapped else (_make(folder, manifest), False)


def read_columns(folder: Path, manifest: Manifest, columns: Sequence[str]) -> pa.Table:
    """Return columns of files, images or rejected, that labels do not change; raises as `load` does."""
    mapped = _map(folder, manifest, say_nothing)
    if mapped:
        return mapped.stored.select(columns)
    live = read_live_rows(folder, manifest, columns)
    return live.table.append_column(_ID, numbers(live.ids)).select(columns)


def _map(folder: Path, manifest: Manifest, tell: Tell) -> ImageTable | None:
    """Map the file into memory; None where it is outdated, missing or not what was written."""
    entry = manifest.table
    if entry is None:
        return None
    name = table_name(entry.number)
    file = open_checked(folder, name, entry.sha256, _is_sound)
    stored = _parse(file.data) if file else None
    table = None if stored is None else ImageTable.of(stored, entry.images, file)
    if table and table.fits(manifest, entry.images):
        return table
    tell_unusable(folder / name, tell)
    return None


def _parse(data: Bytes) -> pa.Table | None:
    try:
        table = pa.ipc.open_file(pa.py_buffer(data)).read_all()
    except (OSError, pa.ArrowException, ValueError):
        return None
    return table if table.schema.equals(TABLE_SCHEMA) else None  # another version's has other columns


def _is_sound(data: Bytes) -> bool:
    """Tell whether no length and no offset in a table leads out of it: one that somebody else made may do harm."""
    try:
        table = _parse(data)
        if table is not None:
            table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return table is not None and not any(column.null_count for column in table.columns)


def _make(folder: Path, manifest: Manifest) -> ImageTable:
    import pyarrow.compute as pc  # noqa: PLC0415 (who finds the table made needs neither, and both take long)

    from embedkit.indexes.overlay import lay_over, read_overlay  # noqa: PLC0415

    live = read_live_rows(folder, manifest)
    images, rejected = (live.table.filter(flags(which)) for which in (live.is_image, ~live.is_image))
    regions = images["region"]
    if manifest.labels:
        images = lay_over(images, read_overlay(folder / labels_name(manifest.labels.number)))
    by_image_id = pc.sort_indices(images["image_id"]).cast(pa.int64())
    parts = [
        _extend(images, live.ids[live.is_image], regions, by_image_id),
        _extend(rejected, live.ids[~live.is_image], rejected["region"], numbers(np.full(len(rejected), -1))),
    ]
    return ImageTable.of(pa.concat_tables(parts), len(images))


def _extend(facts: pa.Table, ids: NDArray[np.int64], regions: pa.ChunkedArray, order: pa.Array) -> pa.Table:
    return pa.Table.from_arrays([*facts.columns, numbers(ids), regions, order], schema=TABLE_SCHEMA)


def _begin_files(paths: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Tell of rows in the order of their paths which ones are the first of their file."""
    import pyarrow.compute as pc  # noqa: PLC0415 (as above)

    first = np.ones(len(paths), bool)
    first[1:] = to_flags(pc.not_equal(paths.slice(1), paths.slice(0, max(0, len(paths) - 1))))
    return first


def _search(column: pa.ChunkedArray, value: str, order: Sequence[int] | NDArray[np.int64]) -> int:
    """Return the first row with a value, by bisection of the rows in the `order` of their values; -1 for none."""
    at = bisect_left(range(len(order)), value, key=lambda place: column[int(order[place])].as_py())
    row = int(order[at]) if at < len(order) else -1
    return row if row >= 0 and column[row].as_py() == value else -1


class _Writer(io.RawIOBase):
    """What Arrow writes to."""

    def __init__(self, put: Put) -> None:
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._put(memoryview(data))
