"""Making an index good from the files that stand: a damaged newest manifest, and everything that is derived.

A manifest is one commit away from the one before it, so that what it named beside that is a file of labels under its
own number, a shard behind the last one, vectors of earlier shards, or a derived file. Whatever of these can be read in
full is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from embedkit.errors import IndexFolderError
from embedkit.indexes.checked_files import NOTE_NAME
from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.manifest import (
    LabelsFile,
    Manifest,
    Shard,
    Space,
    VectorFile,
    images_name,
    labels_name,
    manifest_name,
    vectors_name,
)
from embedkit.indexes.manifest_files import write_manifest
from embedkit.indexes.overlay import read_overlay
from embedkit.indexes.sealed_files import list_rankings, read_sealed
from embedkit.indexes.shards import FACTS_SCHEMA, read_facts, read_pictures, read_vectors
from embedkit.indexes.storage import remove_files, sha256_of
from embedkit.indexes.vectors import usable
from embedkit.indexes.writer import open_existing


def repair(path: Path | str) -> list[str]:
    """Make good what can be made good in the index at `path`; return what was done, a line each.

    Shards, labels and the patient key are not derived from anything: `verify` tells whether they are damaged.

    Raises
    ------
    IndexFolderError
        As `open_writer`.
    """
    folder, done = Path(path), []

    def rebuild(folder: Path, before: Manifest, damaged: Sequence[int]) -> Manifest:
        manifest = rebuild_manifest(folder, before, damaged)
        done.append(_describe(manifest, before))
        return manifest

    with open_existing(folder, rebuild, upgrade=True) as writer:
        remove_files([folder / NOTE_NAME])  # everything is checked anew
        if broken := [path for path in list_rankings(folder) if read_sealed(path) is None]:
            remove_files(broken)
            done.append("a ranking that was not what was written was deleted: the next one is made anew")
        before = writer.manifest
        try:
            update_spaces(writer, refresh_table(writer))
        except IndexFolderError as error:  # a damaged shard: `verify` names it
            if error.reason != "index-damaged":
                raise
        if writer.manifest != before:
            done.append("what is derived from the shards (table, FAISS files) was made anew")
    return done


def rebuild_manifest(folder: Path, before: Manifest, damaged: Sequence[int]) -> Manifest:
    """Put a manifest in the place of the newest damaged one: `before`, and what later commits left and can be read."""
    labels = next(filter(None, (_find_labels(folder, number) for number in damaged)), before.labels)
    shards = [
        replace(
            shard, vectors=shard.vectors | _find_vectors(folder, shard.number, shard.rows, before.spaces, shard.vectors)
        )
        for shard in before.shards
    ]
    next_shard = before.next_shard
    while shard := _find_shard(folder, next_shard, before.spaces):
        shards.append(shard)
        next_shard += 1
    kept = labels == before.labels and tuple(shards) == before.shards
    table = before.table if kept else None
    manifest = replace(
        before, number=damaged[0], labels=labels, shards=tuple(shards), next_shard=next_shard, table=table
    )
    write_manifest(folder, manifest)
    return manifest


def _find_labels(folder: Path, number: int) -> LabelsFile | None:
    path = folder / labels_name(number)
    try:
        read_overlay(path)
    except IndexFolderError:
        return None
    return LabelsFile(number, sha256_of(path))


def _find_shard(folder: Path, number: int, spaces: dict[str, Space]) -> Shard | None:
    """Return a shard that can be read and has vectors: what a killed writer left half has none."""
    path = folder / images_name(number)
    try:
        with path.open("rb") as file:
            rows = pq.read_metadata(file).num_rows
        read_facts(path, rows, FACTS_SCHEMA.names)
        vectors = _find_vectors(folder, number, rows, spaces, {})
    except (OSError, ValueError, IndexFolderError):
        return None
    return Shard(number, rows, sha256_of(path), vectors) if vectors else None


def _find_vectors(
    folder: Path, number: int, rows: int, spaces: dict[str, Space], known: dict[str, VectorFile]
) -> dict[str, VectorFile]:
    """Return the vectors of a shard that can be read, in spaces in which none are `known`."""
    found = {}
    for space in spaces.keys() - known.keys():
        path = folder / vectors_name(number, space)
        try:
            if not path.is_file():
                continue
            vectors = read_vectors(path, rows, spaces[space].dimension, np.arange(rows))
            pictured = np.array([bool(picture) for picture in read_pictures(folder / images_name(number), rows)])
        except IndexFolderError:
            continue
        found[space] = VectorFile(sha256_of(path), tuple(np.flatnonzero(pictured & ~usable(vectors)).tolist()))
    return found


def _describe(manifest: Manifest, before: Manifest) -> str:
    more = len(manifest.shards) - len(before.shards)
    back = [f"{more:,} shards"] if more else []
    if manifest.shards[: len(before.shards)] != before.shards:
        back.append("vectors of earlier shards")
    if manifest.labels != before.labels and manifest.labels:
        back.append(labels_name(manifest.labels.number))
    what = f"with {' and '.join(back)} taken back" if back else "and nothing was found that it had brought"
    return f"{manifest_name(manifest.number)} was rebuilt from {manifest_name(before.number)}, {what}"
