"""Bringing up to date what is derived from shards and labels: the table and the FAISS files."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes import image_table
from embedkit.indexes.image_table import ImageTable
from embedkit.indexes.writer import IndexWriter
from embedkit.progress import OnProgress, ignore_progress


def refresh_table(writer: IndexWriter) -> ImageTable:
    """Return the table of the index, stored anew where it was outdated, missing or damaged."""
    table, as_stored = image_table.load(writer.folder, writer.manifest)
    if not as_stored:
        writer.set_table(table)
        table, _ = image_table.load(writer.folder, writer.manifest)  # a gigabyte less, where there are a million images
    return table


def update_spaces(writer: IndexWriter, table: ImageTable, on_progress: OnProgress = ignore_progress) -> None:
    """Make FAISS files that are outdated, missing or damaged."""
    ids = np.sort(table.ids)
    for name in writer.manifest.spaces:
        _update_space(writer, ids, name, on_progress)


def _update_space(writer: IndexWriter, ids: NDArray[np.int64], space: str, on_progress: OnProgress) -> None:
    """Bring what is derived from a space up to date; left as it is where some shard lacks vectors of the space."""
    from embedkit.indexes import search  # noqa: PLC0415 (FAISS takes long to import)

    if not all(space in shard.vectors for shard in writer.manifest.shards):
        return
    folder, advance = writer.folder, partial(on_progress, f"Search index of {space}")
    found, as_stored = search.load(folder, writer.manifest, space, ids, on_progress=advance)
    if not as_stored:
        writer.set_search(space, found)
