"""The nearest neighbours of every vector at once: exact while they are few, in tiles of like vectors above.

Searching for all vectors is another task than searching for one: those that lie together have most candidates in
common, and one matrix product compares them all. From `EXACT_BELOW` vectors on, k-means cuts them into lists of about
a thousand; a list is compared with itself and the lists around it, as far as it takes for `AIM` of the true neighbours
of a sample to be among the candidates. What part of them was found in the end is measured and reported. Where FAISS
sees a GPU, every vector is compared with every other.

Whatever finds the candidates, their cosines are computed again pair by pair, in single precision and one fixed order;
level ones are ordered by row. So a pair has one cosine, however it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.vectors import Vectors

faiss: Any = import_module("faiss")  # its stubs know half of it

Ints = NDArray[np.int64]
Advance = Callable[[int, int], None]
"""Is told how many of how many are done."""

EXACT_BELOW = 65_536
AIM = 0.995
_LIST, _TRAINING_VECTORS_A_LIST, _ROUNDS = 1000, 64, 8
_SAMPLE = 512
_QUERIES_AT_ONCE, _VECTORS_AT_ONCE, _SCORES_AT_ONCE = 4096, 131_072, 1 << 25
_STRIP = 16
_SPARE = 8
"""Candidates beyond those asked for: rounding in a matrix product may put the last ones in another order."""


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

    def walk(self, on_progress: Advance | None = None) -> Iterator[Found]:
        """Yield the neighbours of some thousand vectors at a time, in any order; at the end `recall` is measured."""
        done = 0
        for found in self._walk_tiles() if self._tiled else self._walk_all():
            yield found
            done += len(found.queries)
            if on_progress:
                on_progress(done, len(self.directions))

    def _walk_all(self) -> Iterator[Found]:
        step = _VECTORS_AT_ONCE if _gpu() else _QUERIES_AT_ONCE
        for start in range(0, len(self.directions), step):
            queries = np.arange(start, min(start + step, len(self.directions)))
            yield Found(queries, *nearest_among(self.directions[queries], self.directions, self.k))

    def _walk_tiles(self) -> Iterator[Found]:
        sample = np.linspace(0, len(self.directions) - 1, _SAMPLE).astype(np.int64)
        true = Found(sample, *nearest_among(self.directions[sample], self.directions, self.k))
        tiles = _cut(self.directions)
        reach = tiles.reach(Found(sample[::2], true.rows[::2], true.cosines[::2]))
        place = np.full(len(self.directions), -1)
        place[sample[1::2]] = np.arange(1, _SAMPLE, 2)  # the half that has not been used to find the reach
        met = 0
        for queries, candidates in tiles.walk(reach):
            rows, cosines = nearest_among(self.directions[queries], self.directions[candidates], self.k)
            found = Found(queries, np.where(rows < 0, -1, candidates[rows]), cosines)
            asked = place[queries] >= 0
            met += int(np.count_nonzero(cosines[asked] >= true.cosines[place[queries[asked]], -1:]))
            yield found
        self.recall = min(met / (_SAMPLE // 2 * self.k), 1.0)


def nearest_among(queries: Vectors, directions: Vectors, k: int) -> tuple[Ints, Vectors]:
    """Compare every query, (M, D), with every vector, (N, D), all of length 1.

    Returns rows int64 (M, k) and cosines float32 (M, k), nearest first and level ones by row; -1 where there are fewer.
    """
    rows, cosines = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -1, np.float32)
    step = _VECTORS_AT_ONCE if _gpu() else max(1, _SCORES_AT_ONCE // min(_VECTORS_AT_ONCE, max(len(directions), 1)))
    for start in range(0, len(directions), _VECTORS_AT_ONCE):
        among = directions[start : start + _VECTORS_AT_ONCE]
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            near, cosine = _compare(queries[part], among, min(k + _SPARE, len(among)))
            rows[part], cosines[part] = merge(rows[part], cosines[part], near + start, cosine)
    return rows, cosines


def merge(rows: Ints, cosines: Vectors, more: Ints, more_cosines: Vectors) -> tuple[Ints, Vectors]:
    """Return the nearest of two lists of neighbours, as many as the first, (M, k), holds; row -1 goes last."""
    both, cosine = np.concatenate([rows, more], axis=1), np.concatenate([cosines, more_cosines], axis=1)
    order = np.lexsort((both, np.where(both < 0, np.float32(np.inf), -cosine)), axis=1)[:, : rows.shape[1]]
    return np.take_along_axis(both, order, axis=1), np.take_along_axis(cosine, order, axis=1)


def _compare(queries: Vectors, among: Vectors, k: int) -> tuple[Ints, Vectors]:
    """Find candidates by a matrix product, and their cosines pair by pair."""
    queries, among = np.ascontiguousarray(queries), np.ascontiguousarray(among)
    if _gpu():
        rows = faiss.knn_gpu(_gpu(), queries, among, k, metric=faiss.METRIC_INNER_PRODUCT)[1].astype(
            np.int64, order="C"
        )
    else:
        rows = _largest(queries @ among.T, k)
    cosines = np.empty(rows.shape, np.float32)
    pointers = (faiss.swig_ptr(array) for array in (cosines, queries, among, rows))
    faiss.fvec_inner_products_by_idx(*pointers, queries.shape[1], *rows.shape)
    return rows, np.clip(cosines, -1, 1)


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


@dataclass(frozen=True)
class _Tiles:
    """Vectors in lists of those that lie together."""

    list_of: Ints
    """int64 (N,)."""
    members: Ints
    """All rows, list by list, int64 (N,)."""
    bounds: Ints
    """Where each list begins in `members`, and where the last one ends, int64 (L + 1,)."""
    around: Ints
    """The lists in the order of distance from each, itself first, int64 (L, L)."""
    gathered: Ints
    """How many vectors those lists hold up to each, int64 (L, L)."""

    def reach(self, true: Found) -> int:
        """How many candidates it takes to have `AIM` of the true neighbours among them."""
        own = self.list_of[true.queries]
        far = np.argsort(self.around[own], axis=1)  # (M, L): how many lists are nearer than each
        taken = np.take_along_axis(far, self.list_of[true.rows], axis=1)
        return int(np.quantile(np.take_along_axis(self.gathered[own], taken, axis=1), AIM, method="higher"))

    def walk(self, reach: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield the rows of queries, and those of the vectors that each of them is to be compared with."""
        for own in range(len(self.around)):
            lists = self.around[own, : int(np.searchsorted(self.gathered[own], reach)) + 1]
            queries = self.members[self.bounds[own] : self.bounds[own + 1]]
            if len(queries):
                candidates = [self.members[self.bounds[part] : self.bounds[part + 1]] for part in lists.tolist()]
                yield queries, np.sort(np.concatenate(candidates))


def _cut(directions: Vectors) -> _Tiles:
    """Cut vectors into lists of about `_LIST` by k-means, always in the same way."""
    count, width = directions.shape
    lists = max(1, count // _LIST)
    kmeans = faiss.Kmeans(width, lists, niter=_ROUNDS, seed=1, max_points_per_centroid=_TRAINING_VECTORS_A_LIST)
    kmeans.train(directions[:: max(1, count // (_TRAINING_VECTORS_A_LIST * lists))])
    list_of = np.empty(count, np.int64)
    for start in range(0, count, _VECTORS_AT_ONCE):
        part = slice(start, start + _VECTORS_AT_ONCE)
        list_of[part] = kmeans.index.search(directions[part], 1)[1][:, 0]
    sizes = np.bincount(list_of, minlength=lists)
    centres = kmeans.centroids.reshape(lists, width)
    squares = (centres**2).sum(axis=1)
    distance = squares[None] - 2 * centres @ centres.T
    np.fill_diagonal(distance, -np.inf)
    around = np.argsort(distance, axis=1, kind="stable")
    return _Tiles(
        list_of,
        np.argsort(list_of, kind="stable"),
        np.concatenate([[0], np.cumsum(sizes)]),
        around,
        np.cumsum(sizes[around], axis=1),
    )
