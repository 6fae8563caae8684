"""Writing shards anew without the rows that no longer count: what was removed, moved or changed takes room no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedkit.indexes.columns import binaries, flags, texts
from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.manifest import Manifest, Shard, Space, VectorFile, images_name, vectors_name
from embedkit.indexes.removal import read_removed
from embedkit.indexes.removed_images import RemovedImages
from embedkit.indexes.rows import VANISHED, read_live_rows
from embedkit.indexes.sealed_files import forget_rankings
from embedkit.indexes.shards import (
    FACTS_SCHEMA,
    IMAGES_SCHEMA,
    read_facts,
    read_table,
    read_vectors,
    write_table,
    write_vectors,
)
from embedkit.indexes.writer import open_existing
from embedkit.progress import OnProgress, ignore_progress

HISTORY = ("path", "sop_instance_uid", "content_blake3", "reason")


class _Choice(NamedTuple):
    """What becomes of the rows of a shard, each (n,)."""

    kept: NDArray[np.bool_]
    bare: NDArray[np.bool_]
    """Of the kept ones those that count no more, and stay without picture, texts and vectors."""


@dataclass(frozen=True)
class CompactionReport:
    """What became of the rows and bytes of an index."""

    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int


def compact(index_path: Path | str, *, on_progress: OnProgress = ignore_progress) -> CompactionReport:
    """Rid the index at `index_path` of the rows that no longer count; images and rejected files stay the same.

    A shard without such rows stays as it is. The state before is deleted: nothing can fall back on it.

    Raises
    ------
    IndexFolderError
        As `open_existing`, and ``index-damaged`` where a shard cannot be read; the index is as it was then.
    """
    folder = Path(index_path)
    before = _size(folder)
    with open_existing(folder) as writer:
        held = writer.manifest
        choices = _choose_in_shards(folder, held, read_removed(folder, held))
        shards: list[Shard] = []
        number = held.next_shard
        for done, (shard, choice) in enumerate(zip(held.shards, choices, strict=True), 1):
            if choice.kept.all() and not choice.bare.any():
                shards.append(shard)
            elif choice.kept.any():
                shards.append(_write_anew(folder, replace(shard, number=number), shard.number, held.spaces, choice))
                number += 1
            on_progress("Compacting", done, len(held.shards))
        if tuple(shards) != held.shards:
            writer.replace_shards(shards)
        table = refresh_table(writer)
        update_spaces(writer, table, on_progress)
        writer.forget_earlier()
        forget_rankings(folder)
    rows = [sum(shard.rows for shard in manifest) for manifest in (held.shards, shards)]
    return CompactionReport(rows[0], rows[1], before, _size(folder))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _choose_in_shards(folder: Path, manifest: Manifest, removed: RemovedImages) -> list[_Choice]:
    """What becomes of the rows of each shard."""
    tables = [read_facts(folder / images_name(shard.number), shard.rows, HISTORY) for shard in manifest.shards]
    bounds = np.cumsum([0, *(shard.rows for shard in manifest.shards)])
    live = np.zeros(bounds[-1], bool)
    live[read_live_rows(folder, manifest, HISTORY).ids] = True
    empty = pa.Table.from_batches([], pa.schema([FACTS_SCHEMA.field(name) for name in HISTORY]))
    rows = pa.concat_tables([empty, *tables])
    files = zip(rows["sop_instance_uid"].to_pylist(), rows["content_blake3"].to_pylist(), strict=True)
    kept, bare = choose_rows(rows, live, np.array([removed.hold(*names) for names in files], bool))
    return [_Choice(kept[start:end], bare[start:end]) for start, end in pairwise(bounds)]


def choose_rows(rows: pa.Table, live: NDArray[np.bool_], removed: NDArray[np.bool_]) -> _Choice:
    """Choose of rows with the columns `HISTORY`, oldest first, those that are kept: the `live` ones, and some bare.

    Of several files with one SOP Instance UID the content that came first is kept, for ever. So where there are several
    contents the rows that tell which one came first stay, and with them those that say that their paths are gone. An
    instance that ever had one content only needs none of that: should this be gone and come back, it comes anew.
    """
    path, uid, content, reason = (np.array(rows[name].to_pylist(), object) for name in HISTORY)
    contents = Counter(name for name, _ in {*zip(uid[~removed], content[~removed], strict=True)})
    bare = ~live & ~removed & np.array([bool(name) and contents[name] > 1 for name in uid], bool)
    settled = {*path[bare]}
    bare |= (reason == VANISHED) & np.array([name in settled for name in path], bool)
    return _Choice(live | bare, bare)


def _write_anew(folder: Path, shard: Shard, earlier: int, spaces: dict[str, Space], choice: _Choice) -> Shard:
    """Write some rows of the shard that had the number `earlier` under its own."""
    kept, bare = choice.kept, choice.bare[choice.kept]
    table = read_table(folder / images_name(earlier), IMAGES_SCHEMA, shard.rows).filter(flags(kept))
    if bare.any():
        makers: dict[str, Callable[[list[Any]], pa.Array]] = {"picture": binaries, "header_texts": texts}
        for name, make in makers.items():
            values = [value[:0] if empty else value for value, empty in zip(table[name].to_pylist(), bare, strict=True)]
            table = table.set_column(table.schema.get_field_index(name), IMAGES_SCHEMA.field(name), make(values))
    place = np.cumsum(kept) - 1
    vectors = {}
    for space, file in shard.vectors.items():
        every = np.arange(shard.rows)
        numbers = read_vectors(folder / vectors_name(earlier, space), shard.rows, spaces[space].dimension, every)
        numbers[choice.bare] = 0
        bad = tuple(int(place[row]) for row in file.bad if kept[row])
        vectors[space] = VectorFile(write_vectors(folder / vectors_name(shard.number, space), numbers[kept]), bad)
    sha256 = write_table(folder / images_name(shard.number), table)
    return replace(shard, rows=len(table), sha256=sha256, vectors=vectors)
