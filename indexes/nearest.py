"""The nearest neighbours of every vector at once: exact while they are few, in tiles of like vectors above.

Searching for all vectors is another task than searching for one: those that lie together have most candidates in
common, and one matrix product compares them all. From `EXACT_BELOW` vectors on they are cut into lists of about a
thousand; a list is compared with itself and the lists around it, by their first principal components, as far and by as
many as it takes for `AIM` of the true neighbours of a sample to be among the candidates. What part of them was found in
the end is measured and reported. Where FAISS sees a GPU, every vector is compared with every other.

Whatever finds the candidates, their cosines are computed again pair by pair, in single precision and one fixed order;
level ones are ordered by row. So a pair has one cosine, however it was found.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.faiss_library import faiss
from embedkit.indexes.tiles import cut
from embedkit.indexes.vectors import Vectors
from embedkit.progress import Advance, ignore_progress
from embedkit.threads import single_thread

Ints = NDArray[np.int64]
Block = TypeVar("Block")
EXACT_BELOW = 65_536
AIM = 0.995
_SAMPLE = 512
_QUERIES_AT_ONCE, _VECTORS_AT_ONCE, _SCORES_AT_ONCE = 4096, 131_072, 1 << 23
_STRIP = 16
_SPARE = 8
"""Candidates beyond those asked for: rounding in a matrix product may put the last ones in another order."""
_SKETCHES, _CANDIDATES = (64, 128, 256), 3
"""Principal components by which candidates are found, and how many of these for each neighbour asked for."""
_LAST = np.iinfo(np.int64).max
_MINUS_ONE = int(np.float32(-1).view(np.int32)) ^ 0x7FFFFFFF


@dataclass(frozen=True)
class Found:
    """The nearest vectors of some queries, nearest first; level ones by row."""

    queries: Ints
    """Their rows, int64 (M,)."""
    rows: Ints
    """int64 (M, k), -1 where there are fewer; the query itself is among them."""
    cosines: Vectors
    """float32 (M, k), -1 where there are fewer."""


class NearestOfAll:
    """Searches the `k` nearest, itself among them, for every one of some vectors.

    Parameters
    ----------
    directions
        float32 (N, D), of length 1.
    k
        How many.
    exact_below
        Below so many vectors, and on a GPU, each is compared with every other.
    """

    def __init__(self, directions: Vectors, k: int, *, exact_below: int = EXACT_BELOW) -> None:
        self.directions, self.k, self.recall = directions, k, 1.0
        self._tiled = len(directions) >= max(exact_below, 2 * _SAMPLE) and not _gpu()

    def walk(self, on_progress: Advance = ignore_progress) -> Iterator[Found]:
        """Yield the neighbours of some thousand vectors at a time, in any order; at the end `recall` is measured."""
        done = 0
        for found in self._walk_tiles() if self._tiled else self._walk_all():
            yield found
            done += len(found.queries)
            on_progress(done, len(self.directions))

    def _walk_all(self) -> Iterator[Found]:
        step = _VECTORS_AT_ONCE if _gpu() else _QUERIES_AT_ONCE
        starts = range(0, len(self.directions), step)
        blocks = (np.arange(start, min(start + step, len(self.directions))) for start in starts)

        def compare(queries: Ints) -> Found:
            cosines, near = nearest_among(self.directions[queries], self.directions, self.k)
            return Found(queries, near, cosines)

        return map(compare, blocks) if _gpu() else _map_on_cores(compare, blocks)

    def _walk_tiles(self) -> Iterator[Found]:
        """Cut and look by half of a sample, measure by the other half."""
        sample = np.linspace(0, len(self.directions) - 1, _SAMPLE).astype(np.int64)
        cosines, true = nearest_among(self.directions[sample], self.directions, self.k)
        sketch = self._sketch(sample[::2], true[::2])
        tiles = cut(sketch)
        reach = tiles.reach(sample[::2], true[::2], AIM)
        wanted = self.k + _SPARE if sketch is self.directions else _CANDIDATES * self.k
        farthest = dict(zip(sample[1::2].tolist(), cosines[1::2, -1].tolist(), strict=True))
        compare = self._compare_in(sketch, tiles.members, wanted)
        met = 0
        for found in _map_on_cores(compare, tiles.walk(reach, _SCORES_AT_ONCE)):
            for place in np.flatnonzero(np.isin(found.queries, sample[1::2])).tolist():
                met += int(np.count_nonzero(found.cosines[place] >= farthest[int(found.queries[place])]))
            yield found
        self.recall = min(met / (_SAMPLE // 2 * self.k), 1.0)

    def _compare_in(self, sketch: Vectors, members: Ints, wanted: int) -> Callable[[tuple[Ints, Ints]], Found]:
        """Return what finds the nearest of some queries among others; both are places in `members`, which are rows."""

        def compare(block: tuple[Ints, Ints]) -> Found:
            queries, among = block
            scores = sketch[members[queries]] @ sketch[members[among]].T
            near = among[_largest(scores, min(wanted, len(among)))]
            cosines = _cosines(self.directions[members[queries]], self.directions, members[near])
            return Found(members[queries], *_nearest(self.k, members[near], cosines))

        return compare

    @single_thread()
    def _sketch(self, sample: Ints, true: Ints) -> Vectors:
        """Return the fewest principal components that have `AIM` of the true neighbours among the candidates."""
        directions = self.directions
        some = directions[:: max(1, len(directions) // (64 * directions.shape[1]))]
        axes = np.linalg.eigh(some.T @ some)[1][:, ::-1]  # not centred: their products stand for cosines
        for width in (width for width in _SKETCHES if width < directions.shape[1]):
            sketch = directions @ np.ascontiguousarray(axes[:, :width])
            near = nearest_among(sketch[sample], sketch, _CANDIDATES * self.k)[1]
            if np.mean([np.isin(one, other).mean() for one, other in zip(true, near, strict=True)]) >= AIM:
                return np.asarray(sketch, np.float32)
        return directions


def _map_on_cores(compare: Callable[[Block], Found], blocks: Iterable[Block]) -> Iterator[Found]:
    """Compare block by block on all cores, a thread each; see `embedkit.threads`."""
    cores, pending = os.cpu_count() or 1, deque[Future[Found]]()
    with single_thread(), ThreadPoolExecutor(cores) as pool:
        for block in blocks:
            pending.append(pool.submit(compare, block))
            if len(pending) > 2 * cores:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@single_thread()
def nearest_among(queries: Vectors, directions: Vectors, k: int) -> tuple[Vectors, Ints]:
    """Compare every query, (M, D), with every vector, (N, D), by their products: cosines, where all are of length 1.

    Returns cosines float32 (M, k) and rows int64 (M, k), nearest first and level ones by row; -1 where there are fewer.
    """
    rows, cosines = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -1, np.float32)
    step = _VECTORS_AT_ONCE if _gpu() else max(1, _SCORES_AT_ONCE // min(_VECTORS_AT_ONCE, max(len(directions), 1)))
    for start in range(0, len(directions), _VECTORS_AT_ONCE):
        among = directions[start : start + _VECTORS_AT_ONCE]
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            near = _candidates(queries[part], among, min(k + _SPARE, len(among)))
            cosine = _cosines(queries[part], among, near)
            rows[part], cosines[part] = merge(rows[part], cosines[part], near + start, cosine)
    return cosines, rows


def _nearest(k: int, rows: Ints, cosines: Vectors) -> tuple[Ints, Vectors]:
    """Return the `k` nearest, (M, k), of any number."""
    return merge(np.full((len(rows), k), -1), np.full((len(rows), k), -1, np.float32), rows, cosines)


def merge(rows: Ints, cosines: Vectors, more: Ints, more_cosines: Vectors) -> tuple[Ints, Vectors]:
    """Return the nearest of two lists of neighbours, as many as the first, (M, k), holds; row -1 goes last."""
    keys = np.concatenate([_keys(rows, cosines), _keys(more, more_cosines)], axis=1)
    keys.sort(axis=1)
    keys = keys[:, : rows.shape[1]]
    near = np.where(keys == _LAST, -1, keys & 0xFFFFFFFF)
    ordered = np.where(keys == _LAST, _MINUS_ONE, ~(keys >> 32)).astype(np.int32)
    return near, np.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).astype(np.int32).view(np.float32)


def _keys(rows: Ints, cosines: Vectors) -> Ints:
    """Return one number for a cosine and a row below 2^31, the less the nearer; numbers are sorted far faster."""
    bits = np.ascontiguousarray(cosines).view(np.int32)
    ordered = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)  # as floats are ordered
    return np.where(rows < 0, _LAST, (~ordered << 32) | rows)


def _candidates(queries: Vectors, among: Vectors, k: int) -> Ints:
    """Return the rows, int64 (M, k), of the `k` largest products of each query, in any order."""
    if _gpu():
        return faiss.knn_gpu(_gpu(), queries, among, k, metric=faiss.METRIC_INNER_PRODUCT)[1]  # type: ignore[no-any-return]
    return _largest(queries @ among.T, k)


def _cosines(queries: Vectors, directions: Vectors, rows: Ints) -> Vectors:
    """Return the product of each query and each of its rows, (M, k), each by itself."""
    cosines = np.empty(rows.shape, np.float32)
    arrays = [cosines, *(np.ascontiguousarray(array) for array in (queries, directions, rows))]
    faiss.fvec_inner_products_by_idx(*(faiss.swig_ptr(array) for array in arrays), queries.shape[1], *rows.shape)
    return np.asarray(np.minimum(cosines, 1), np.float32)


def _largest(scores: Vectors, k: int) -> Ints:
    """Return the columns of the `k` largest of each row, (M, k), in any order.

    They lie in the `k` strips whose largest are the largest, so most of the scores are looked at only once; FAISS's own
    search takes five times as long as the matrix product.
    """
    count, width = scores.shape
    strips = width // _STRIP
    if strips <= k:
        return np.argpartition(scores, width - k, axis=1)[:, width - k :].astype(np.int64)
    strip = np.arange(_STRIP) * strips
    best = scores[:, : strips * _STRIP].reshape(count, _STRIP, strips).max(axis=1)
    chosen = np.argpartition(best, strips - k, axis=1)[:, strips - k :]
    columns = np.concatenate(
        [(chosen[:, :, None] + strip).reshape(count, -1), np.tile(np.arange(strips * _STRIP, width), (count, 1))],
        axis=1,
    )
    few = np.take_along_axis(scores, columns, axis=1)
    last = np.argpartition(few, few.shape[1] - k, axis=1)[:, few.shape[1] - k :]
    return np.take_along_axis(columns, last, axis=1)


@cache
def _gpu() -> Any:
    """What a search on the GPU needs; None where FAISS sees none."""
    return faiss.StandardGpuResources() if getattr(faiss, "get_num_gpus", lambda: 0)() else None
