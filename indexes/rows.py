"""Which of the stored rows count.

Shards are only ever added, so of several rows for one path those in the newest shard count. Of several files with one
SOP Instance UID one is an image and the others are rejected: ``duplicate-instance`` where the content is the same, else
``conflicting-instance``. The content that came first is kept; among equal files, the first path. This is worked out
whenever rows are read and not when they are written, so that it depends only on what files there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedkit.errors import IndexFolderError
from embedkit.indexes.columns import numbers, texts, to_numbers, whole
from embedkit.indexes.manifest import Manifest, images_name, vectors_name
from embedkit.indexes.shards import FACTS_SCHEMA, read_facts, read_vectors

VANISHED, BAD_VECTOR = "vanished", "bad-vector"
_IDENTITY = ("path", "frame", "sop_instance_uid", "content_blake3", "reason")


@dataclass(frozen=True)
class LiveRows:
    """The rows that count, images and rejected files, ordered by path and frame."""

    table: pa.Table
    """With `reason` as worked out: "" for an image."""
    ids: NDArray[np.int64]
    """The place of each row in the concatenation of all shards."""

    @property
    def is_image(self) -> NDArray[np.bool_]:
        """Tell images from rejected files."""
        import pyarrow.compute as pc  # noqa: PLC0415 (who finds the table made needs none of it, and it takes long)

        lengths = to_numbers(pc.binary_length(self.table["reason"]), np.int32)
        return np.equal(lengths, 0)


def read_live_rows(folder: Path, manifest: Manifest, columns: Sequence[str] = FACTS_SCHEMA.names) -> LiveRows:
    """Read `columns` (and those that identify a row) of the rows that count; raises as `read_facts` does."""
    names = [name for name in FACTS_SCHEMA.names if name in columns or name in _IDENTITY]
    counts = np.array([shard.rows for shard in manifest.shards], dtype=np.int64)
    empty = pa.Table.from_batches([], pa.schema([FACTS_SCHEMA.field(name) for name in names]))
    tables = [read_facts(folder / images_name(shard.number), shard.rows, names) for shard in manifest.shards]
    stored = pa.concat_tables([empty, *tables])
    shards = np.repeat(np.arange(len(counts)), counts)
    bad = np.zeros(len(shards), bool)
    for start, shard in zip(np.cumsum(counts) - counts, manifest.shards, strict=True):
        for file in shard.vectors.values():
            bad[start + np.array(file.bad, dtype=np.int64)] = True
    ids, reasons = resolve(stored, shards, bad)
    table = stored.take(numbers(ids))
    place = table.schema.get_field_index("reason")
    return LiveRows(table.set_column(place, FACTS_SCHEMA.field("reason"), [texts(reasons.tolist())]), ids)


def resolve(
    stored: pa.Table, shards: NDArray[np.int64], bad: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return the ids and reasons of the rows that count, ordered by path and frame.

    `shards` is the shard number of each stored row, `bad` whether its vector cannot be used.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 (who finds the table made needs none of it, and it takes long)

    path, reason = _codes(stored["path"]), np.array(stored["reason"].to_pylist(), dtype=object)
    reason[(reason == "") & bad] = BAD_VECTOR
    newest = np.zeros(stored.num_rows, np.int64)
    np.maximum.at(newest, path, shards)
    live = (newest[path] == shards) & (reason != VANISHED)
    _set_repeats_aside(stored, path, live, reason)
    ids = np.flatnonzero(live)
    order = pc.sort_indices(
        stored.select(["path", "frame"]).take(numbers(ids)), [("path", "ascending"), ("frame", "ascending")]
    )
    ids = ids[to_numbers(order.cast(pa.int64()), np.int64)]
    return ids, reason[ids]


def _set_repeats_aside(
    stored: pa.Table, path: NDArray[np.int64], live: NDArray[np.bool_], reason: NDArray[np.object_]
) -> None:
    """Write the reason of every live row whose SOP Instance UID is another file's already."""
    uid, usable = _codes(stored["sop_instance_uid"]), reason == ""
    image = live & usable
    first, last = np.full(len(uid), len(uid)), np.full(len(uid), -1)
    np.minimum.at(first, uid[image], path[image])
    np.maximum.at(last, uid[image], path[image])
    contested = np.flatnonzero((first < last)[uid] & usable)
    paths, contents = (stored[name].take(numbers(contested)).to_pylist() for name in ("path", "content_blake3"))
    rows = list(zip(contested, uid[contested], contents, paths, strict=True))
    present = {(instance, content) for row, instance, content, _ in rows if live[row]}
    kept: dict[int, str] = {}
    for _, instance, content, _ in rows:
        if (instance, content) in present:
            kept.setdefault(instance, content)
    keeper: dict[int, str] = {}
    for row, instance, content, place in rows:
        if live[row] and content == kept[instance]:
            keeper[instance] = min(keeper.get(instance, place), place)
    for row, instance, content, place in rows:
        if place != keeper[instance]:
            reason[row] = "duplicate-instance" if content == kept[instance] else "conflicting-instance"


def read_vectors_by_shard(
    folder: Path, manifest: Manifest, space: str, ids: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield positions in `ids` and their vectors (n, d), a shard at a time.

    Raises
    ------
    IndexFolderError
        ``space-incomplete`` where a shard has no vectors of the space, ``index-damaged`` where they cannot be read.
    """
    for place, positions, local in by_shard(manifest, ids):
        shard = manifest.shards[place]
        if space not in shard.vectors:
            message = f"{folder}: some images have no vectors in space {space}; embed again with its encoder"
            raise IndexFolderError("space-incomplete", message)
        path = folder / vectors_name(shard.number, space)
        yield positions, read_vectors(path, shard.rows, manifest.spaces[space].dimension, local)


def by_shard(manifest: Manifest, ids: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for every shard with some of `ids`: its place in the list, their positions in `ids`, their rows in it."""
    ends = np.cumsum([shard.rows for shard in manifest.shards], dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    bounds = np.searchsorted(ids[order], np.concatenate([[0], ends]).astype(np.int64))
    for place in np.flatnonzero(np.diff(bounds)):
        positions = order[bounds[place] : bounds[place + 1]]
        start = ends[place] - manifest.shards[place].rows
        yield int(place), positions, ids[positions] - start


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number the distinct values of a column of text."""
    return to_numbers(whole(column).dictionary_encode().indices, np.int32).astype(np.int64)
