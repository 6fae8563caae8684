"""The graph of the nearest images in a space: kept beside the FAISS file, brought up to date by what came and went.

It is derived from the shards, as the FAISS files are: a missing, damaged or outdated file costs time and nothing else.
What is new is searched for among all; who had a neighbour that is gone is searched for again; all others are compared
with what is new. So an exact graph stays exact. Where much has changed, the graph is made from scratch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from embedkit.errors import IndexFolderError
from embedkit.indexes.checked_files import Tell, open_checked, say_nothing, tell_unusable
from embedkit.indexes.columns import number_lists, numbers, to_numbers, whole
from embedkit.indexes.manifest import GraphFile, Manifest, graph_name
from embedkit.indexes.nearest import EXACT_BELOW, Found, Ints, NearestOfAll, Rearrange, merge, nearest_among
from embedkit.indexes.rows import read_vectors_by_shard
from embedkit.indexes.scratch_vectors import ScratchVectors
from embedkit.indexes.search import ReadVectors
from embedkit.indexes.shards import read_table, write_table
from embedkit.indexes.vectors import Vectors, digest_ids, unit
from embedkit.progress import Advance, ignore_progress

NEIGHBOURS = 20
_WORTH_CHANGING = 50
"""Where lists are searched, one vector in so many is compared with all others in the time that a new graph takes."""


@dataclass(frozen=True)
class Graph:
    """The nearest other images of every image."""

    ids: Ints
    """The images, ascending: int64 (N,)."""
    near: Ints
    """Their neighbours' ids, int64 (N, k), nearest first; -1 where there are fewer."""
    cosines: Vectors
    """float32 (N, k), -1 where there are fewer."""
    recall: float
    """The share of the true neighbours that was found, measured on a sample; 1 where the search was exact."""

    def write(self, path: Path) -> str:
        """Write atomically; return the sha256."""
        columns = {"id": numbers(self.ids), "near": number_lists(self.near), "cosine": number_lists(self.cosines)}
        return write_table(path, pa.table(columns))


def load(
    folder: Path,
    manifest: Manifest,
    space: str,
    ids: Ints,
    *,
    exact_below: int = EXACT_BELOW,
    scratch: Path | None = None,
    on_progress: Advance = ignore_progress,
    tell: Tell = say_nothing,
) -> tuple[Graph, bool]:
    """Return the graph of exactly `ids`, ascending, and whether its file is just that; else it was made by `fit`.

    `tell` is told where there is a file that cannot be used.
    """
    entry = manifest.graphs.get(space)
    earlier = read_graph(folder, space, entry) if entry else None
    if entry and entry.ids == digest_ids(ids):
        if earlier and np.array_equal(earlier.ids, ids):
            return earlier, True
        earlier = None
        tell_unusable(folder / graph_name(space, entry.number), tell)
    read = partial(read_vectors_by_shard, folder, manifest, space)
    dimension = manifest.spaces[space].dimension
    found = fit(earlier, ids, dimension, read, exact_below=exact_below, scratch=scratch, on_progress=on_progress)
    return found, False


def read_graph(folder: Path, space: str, entry: GraphFile, k: int = NEIGHBOURS) -> Graph | None:
    """Return the graph in a file, or None where the file is missing or not what was written."""
    schema = pa.schema([("id", pa.int64()), ("near", pa.list_(pa.int64(), k)), ("cosine", pa.list_(pa.float32(), k))])
    name = graph_name(space, entry.number)
    file = open_checked(folder, name, entry.sha256)
    try:
        table = read_table(folder / name, schema, data=file.data).combine_chunks() if file else None
    except IndexFolderError:
        return None
    if table is None:
        return None
    near, cosines = (whole(table[column]).flatten() for column in ("near", "cosine"))
    ids = to_numbers(table["id"], np.int64)
    if np.any(np.diff(ids) <= 0) or not len(near) == len(cosines) == k * len(ids):
        return None
    near = to_numbers(near, np.int64).reshape(-1, k)
    if len(ids) and (near.min() < -1 or near.max() > ids[-1]):
        return None
    return Graph(ids, near, to_numbers(cosines, np.float32).reshape(-1, k), entry.recall)


def fit(
    earlier: Graph | None,
    ids: Ints,
    dimension: int,
    read: ReadVectors,
    *,
    k: int = NEIGHBOURS,
    exact_below: int = EXACT_BELOW,
    scratch: Path | None = None,
    on_progress: Advance = ignore_progress,
) -> Graph:
    """Return the graph of exactly `ids`, ascending; `earlier` is brought up to date where that costs less.

    The vectors are laid out in an unnamed file in the folder `scratch`; in memory, 2 GB a million, where it is None.
    """
    again = np.arange(len(ids)) if earlier is None or not len(earlier.ids) else _to_search(earlier, ids)
    changed = earlier if len(again) <= len(ids) // (_WORTH_CHANGING if len(ids) >= exact_below else 2) else None

    def search(directions: Vectors, rearrange: Rearrange | None = None) -> Graph:
        if changed is not None:
            return _change(changed, ids, again, directions)
        return _make(ids, NearestOfAll(directions, k + 1, exact_below=exact_below, rearrange=rearrange), on_progress)

    if scratch is None or len(ids) == 0:
        directions = np.empty((len(ids), dimension), np.float32)
        for positions, vectors in read(ids):
            directions[positions] = unit(vectors)
        return search(directions)
    with ScratchVectors(scratch, len(ids), dimension) as file:
        for positions, vectors in read(ids):  # ascending, so that those of a shard lie together
            file.write(int(positions[0]), unit(vectors))
        return search(file.map(), file.rearrange)


def _make(ids: Ints, search: NearestOfAll, on_progress: Advance) -> Graph:
    k = search.k - 1
    near, cosines = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -1, np.float32)
    for found in search.walk(on_progress):
        near[found.queries], cosines[found.queries] = _others(found)
    return Graph(ids, _ids_at(ids, near), cosines, search.recall)


def _to_search(earlier: Graph, ids: Ints) -> Ints:
    """The positions in `ids` of what is new, and of what had a neighbour that is gone."""
    gone = np.setdiff1d(earlier.ids, ids)
    bereft = earlier.ids[np.isin(earlier.near, gone).any(axis=1)]
    return np.flatnonzero(~np.isin(ids, earlier.ids) | np.isin(ids, bereft))


def _change(earlier: Graph, ids: Ints, again: Ints, directions: Vectors) -> Graph:
    """Search for the positions `again` among all, and for all others among what is new."""
    k = earlier.near.shape[1]
    near, cosines = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -1, np.float32)
    cosine, found = nearest_among(directions[again], directions, k + 1)
    near[again], cosines[again] = _others(Found(again, found, cosine))
    near = _ids_at(ids, near)
    rest = np.setdiff1d(np.arange(len(ids)), again)
    place = np.searchsorted(earlier.ids, ids[rest])
    near[rest], cosines[rest] = earlier.near[place], earlier.cosines[place]
    new = np.flatnonzero(~np.isin(ids, earlier.ids))
    if len(new):
        cosine, found = nearest_among(directions[rest], directions[new], min(k, len(new)))
        near[rest], cosines[rest] = merge(near[rest], cosines[rest], _ids_at(ids[new], found), cosine)
    return Graph(ids, near, cosines, earlier.recall)


def _others(found: Found) -> tuple[Ints, Vectors]:
    """Leave out the query itself; where copies of it crowd it out, the last one."""
    other = np.argsort(found.rows == found.queries[:, None], axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(found.rows, other, axis=1), np.take_along_axis(found.cosines, other, axis=1)


def _ids_at(ids: Ints, positions: Ints) -> Ints:
    return np.where(positions < 0, -1, ids[positions]) if len(ids) else positions
