"""Nearest vectors by cosine, with FAISS: exact below 200,000 vectors, inverted lists of half-precision vectors above.

A FAISS index here holds unit vectors under the ids of their stored rows. It is derived from the shards: `fit` brings
any earlier one to exactly the ids that are wanted, so a missing, damaged or outdated file costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.checked_files import Bytes, CheckedFile, Tell, open_checked, say_nothing, tell_unusable
from embedkit.indexes.faiss_library import faiss
from embedkit.indexes.manifest import Manifest, SearchFile, search_name
from embedkit.indexes.rows import read_vectors_by_shard
from embedkit.indexes.storage import Put, write_atomically
from embedkit.indexes.vectors import Vectors, digest_ids, unit
from embedkit.progress import Advance, ignore_progress

EXACT_BELOW = 200_000
LEAST_RECALL = 0.985
"""Of the 10 nearest, measured on the vectors themselves when the inverted lists are trained."""
_TRAINING_VECTORS_A_LIST = 50
_FLAT_AT, _FLAT = {b"IxM2": 37, b"IwSq": 53}, {b"IxFI", b"IxF2"}
"""The kinds of FAISS files that are read, by their first bytes: where the vectors, or the centres of lists, begin."""

Ids = NDArray[np.int64]
ReadVectors = Callable[[Ids], Iterator[tuple[Ids, Vectors]]]
"""Yields batches of positions in the given ids, and their vectors."""


class VectorSearch:
    """A FAISS index of unit vectors under their ids."""

    def __init__(self, index: Any, file: CheckedFile | None = None) -> None:
        self.index, self._file = index, file
        """The mapped file in which the vectors lie; None where they are in memory."""

    @property
    def ids(self) -> Ids:
        """The ids in the index, ascending."""
        if not isinstance(self.index, faiss.IndexIVF):
            return np.sort(faiss.vector_to_array(self.index.id_map))
        lists, sizes = self.index.invlists, ((i, self.index.invlists.list_size(i)) for i in range(self.index.nlist))
        held = [faiss.rev_swig_ptr(lists.get_ids(i), size).copy() for i, size in sizes if size]
        return np.sort(np.concatenate([np.empty(0, np.int64), *held]))

    @property
    def ids_digest(self) -> str:
        """The sha256 of the ids."""
        return digest_ids(self.ids)

    def nearest(self, queries: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Return cosines (q, k) and ids (q, k), nearest first; id -1 and cosine -1 where there are fewer."""
        if self._file:
            self._file.refuse_if_changed()
        found = min(k, self.index.ntotal)
        ids = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -1, np.float32)
        if found and len(queries):
            near, indices = self.index.search(unit(queries), found)
            ids[:, :found], cosines[:, :found] = indices, np.where(indices < 0, -1, np.clip(near, -1, 1))
        return cosines, ids

    def on_gpu(self) -> VectorSearch:
        """Return the index on all GPUs, or as it is where there is none or it does not fit."""
        if getattr(faiss, "get_num_gpus", lambda: 0)() == 0:
            return self
        try:
            return VectorSearch(faiss.index_cpu_to_all_gpus(self.index))
        except RuntimeError:
            return self

    def write(self, path: Path) -> str:
        """Write atomically (FAISS's own writer truncates the old file first); return the sha256."""

        def stream(put: Put) -> None:
            faiss.write_index(self.index, faiss.PyCallbackIOWriter(put))

        return write_atomically(path, stream)


def load(
    folder: Path,
    manifest: Manifest,
    space: str,
    ids: Ids,
    exact_below: int = EXACT_BELOW,
    *,
    on_progress: Advance = ignore_progress,
    tell: Tell = say_nothing,
) -> tuple[VectorSearch, bool]:
    """Return a space's index of exactly `ids`, and whether its file is just that; else it was fitted in memory.

    A file that is just that is mapped into memory. `tell` is told where there is a file that cannot be used.
    """
    entry, dimension = manifest.search.get(space), manifest.spaces[space].dimension
    fits = entry is not None and entry.ids == digest_ids(ids)
    earlier = read_file(folder, space, entry, dimension, mapped=fits) if entry else None
    if entry and fits:
        if earlier and earlier.index.ntotal == len(ids):
            return earlier, True
        earlier = None
        tell_unusable(folder / search_name(space, entry.number), tell)
    read = partial(read_vectors_by_shard, folder, manifest, space)
    return fit(earlier, ids, dimension, read, exact_below, on_progress=on_progress), False


def read_file(folder: Path, space: str, entry: SearchFile, dimension: int, *, mapped: bool) -> VectorSearch | None:
    """Return the index in a file, or None where the file is missing or not what was written.

    An index that is `mapped` into memory cannot be changed.
    """
    file = open_checked(folder, search_name(space, entry.number), entry.sha256)
    index = _parse(file.data, dimension, mapped=mapped) if file else None
    return None if index is None else VectorSearch(index, file if mapped else None)


def _parse(data: Bytes, dimension: int, *, mapped: bool) -> Any:
    """Return the FAISS index in `data`; None where it is of no kind that `fit` makes, or at odds with itself.

    Its checksum is right, but an index that somebody else made may hold what FAISS reads beyond its end.
    """
    kind = data[:4].tobytes()
    inner = data[_FLAT_AT[kind] :][:4].tobytes() if kind in _FLAT_AT else b""
    if inner not in _FLAT:
        return None
    limit = faiss.get_deserialization_vector_byte_limit()
    faiss.set_deserialization_vector_byte_limit(len(data))
    try:
        if mapped:
            reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(data), len(data))
            index = faiss.read_index(reader, faiss.IO_FLAG_MMAP_IFC)
        else:
            index = faiss.read_index(faiss.PyCallbackIOReader(_reader(data)))
    except RuntimeError:
        return None
    finally:
        faiss.set_deserialization_vector_byte_limit(limit)
    return index if _is_sound(index, dimension) else None


def _reader(data: Bytes) -> Callable[[int], bytes]:
    """Return what gives the next so many bytes: a copy in one piece would take as much memory again."""
    place = 0

    def read(size: int) -> bytes:
        nonlocal place
        place += size
        return data[place - size : place].tobytes()

    return read


def _is_sound(index: Any, dimension: int) -> bool:
    """Tell whether all counts and sizes of an index agree."""
    total = index.ntotal
    if index.d != dimension or index.metric_type != faiss.METRIC_INNER_PRODUCT or not index.is_trained:
        return False
    if isinstance(index, faiss.IndexIDMap2):
        flat = faiss.downcast_index(index.index)
        return bool(index.id_map.size() == total and _is_flat(flat, total, dimension))
    lists, coder = index.invlists, index.sq
    return bool(
        _is_flat(faiss.downcast_index(index.quantizer), index.nlist, dimension)
        and (coder.qtype, coder.d, coder.code_size) == (faiss.ScalarQuantizer.QT_fp16, dimension, 2 * dimension)
        and index.code_size == lists.code_size == coder.code_size
        and lists.nlist == index.nlist
        and 0 < index.nprobe <= index.nlist
        and index.direct_map.type == faiss.DirectMap.NoMap
        and sum(lists.list_size(i) for i in range(lists.nlist)) == total
    )


def _is_flat(index: Any, count: int, dimension: int) -> bool:
    return bool(
        isinstance(index, faiss.IndexFlat)
        and (index.ntotal, index.d, index.metric_type) == (count, dimension, faiss.METRIC_INNER_PRODUCT)
        and index.codes.size() == 4 * count * dimension
    )


def fit(
    earlier: VectorSearch | None,
    ids: Ids,
    dimension: int,
    read: ReadVectors,
    exact_below: int = EXACT_BELOW,
    *,
    on_progress: Advance = ignore_progress,
) -> VectorSearch:
    """Return an index of exactly `ids`, ascending; `earlier` is changed where that is enough."""
    lists = 0 if len(ids) < exact_below else round(4 * np.sqrt(len(ids)))
    kept = earlier if earlier and _suits(earlier.index, lists) else None
    fitted = kept or VectorSearch(_train(ids, dimension, lists, read))
    held = fitted.ids
    gone, missing = np.setdiff1d(held, ids), np.setdiff1d(ids, held)
    if len(gone):
        fitted.index.remove_ids(faiss.IDSelectorBatch(gone))
    for positions, vectors in read(missing):
        fitted.index.add_with_ids(unit(vectors), missing[positions])
        on_progress(int(positions[-1]) + 1, len(missing))
    if lists and not kept:
        _set_probes(fitted.index, unit(np.concatenate([vectors for _, vectors in read(ids[:: len(ids) // 256 + 1])])))
    return fitted


def _suits(index: Any, lists: int) -> bool:
    """Tell whether an index is of the kind for so many lists (0: exact); they may be off by a factor of 1.5."""
    held = index.nlist if isinstance(index, faiss.IndexIVF) else 0
    return held == lists or (held > 0 and lists > 0 and 1 / 1.5 < lists / held < 1.5)


def _train(ids: Ids, dimension: int, lists: int, read: ReadVectors) -> Any:
    if not lists:
        return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
    index = faiss.index_factory(dimension, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    sample = ids[:: max(1, len(ids) // (_TRAINING_VECTORS_A_LIST * lists))]
    index.train(unit(np.concatenate([vectors for _, vectors in read(sample)])))
    return index


def _set_probes(index: Any, queries: Vectors) -> None:
    """Search as few lists as give `LEAST_RECALL` for queries that are in the index; all lists are the reference."""
    index.nprobe = index.nlist
    exact = index.search(queries, 11)[1][:, 1:]  # the first is the query itself
    index.nprobe = 8
    while index.nprobe < index.nlist and _overlap(index.search(queries, 11)[1][:, 1:], exact) < LEAST_RECALL:
        index.nprobe = min(2 * index.nprobe, index.nlist)


def _overlap(found: Ids, exact: Ids) -> float:
    shared = [len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True)]
    return sum(shared) / exact.size
