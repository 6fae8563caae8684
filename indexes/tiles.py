"""Vectors in lists of those that lie together, for each list to be compared with the lists around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.indexes.faiss_library import faiss
from embedkit.indexes.vectors import Vectors

Ints = NDArray[np.int64]
_LIST, _TRAINING_VECTORS_A_LIST, _ROUNDS = 1000, 64, 8


@dataclass(frozen=True)
class Tiles:
    """Vectors in lists of those that lie together."""

    list_of: Ints
    """int64 (N,)."""
    members: Ints
    """All rows, list by list, int64 (N,)."""
    bounds: Ints
    """Where each list begins in `members`, and where the last one ends, int64 (L + 1,)."""
    around: Ints
    """The lists in the order of distance from each, itself first, int64 (L, L). Lists of like numbers lie together."""
    gathered: Ints
    """How many vectors those lists hold up to each, int64 (L, L)."""

    def reach(self, sample: Ints, true: Ints, aim: float) -> int:
        """How many candidates it takes to have the share `aim` of the true neighbours of a sample among them.

        `sample` are rows, int64 (M,), and `true` the rows of their neighbours, int64 (M, k).
        """
        own = self.list_of[sample]
        nearer = np.argsort(self.around[own], axis=1)  # (M, L): how many lists are nearer than each
        place = np.take_along_axis(nearer, self.list_of[true], axis=1)
        return int(np.quantile(np.take_along_axis(self.gathered[own], place, axis=1), aim, method="higher"))

    def walk(self, reach: int, most: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield the places in `members` of queries, and of those that each is to be compared with.

        At most `most` pairs at a time.
        """
        for own in np.flatnonzero(np.diff(self.bounds)).tolist():
            lists = np.sort(self.around[own, : int(np.searchsorted(self.gathered[own], reach)) + 1])
            among = np.concatenate([self._places_of(part) for part in lists.tolist()])
            queries, step = self._places_of(own), max(1, most // len(among))
            for start in range(0, len(queries), step):
                yield queries[start : start + step], among

    def _places_of(self, part: int) -> Ints:
        return np.arange(self.bounds[part], self.bounds[part + 1])


def cut(points: Vectors) -> Tiles:
    """Cut points, float32 (N, D), into lists of about a thousand by k-means, always in the same way."""
    count, width = points.shape
    lists = max(1, count // _LIST)
    kmeans = faiss.Kmeans(width, lists, niter=_ROUNDS, seed=1, max_points_per_centroid=_TRAINING_VECTORS_A_LIST)
    kmeans.train(points[:: max(1, count // (_TRAINING_VECTORS_A_LIST * lists))])
    centres = kmeans.centroids.reshape(lists, width)
    squares = (centres**2).sum(axis=1)
    distance = squares[None] - 2 * centres @ centres.T
    path = _find_path(distance)
    number = np.empty_like(path)
    number[path] = np.arange(lists)
    list_of = number[kmeans.index.search(points, 1)[1][:, 0]]
    distance = distance[np.ix_(path, path)]
    np.fill_diagonal(distance, -np.inf)
    around = np.argsort(distance, axis=1, kind="stable")
    sizes = np.bincount(list_of, minlength=lists)
    return Tiles(
        list_of,
        np.argsort(list_of, kind="stable"),
        np.concatenate([[0], np.cumsum(sizes)]),
        around,
        np.cumsum(sizes[around], axis=1),
    )


def _find_path(distance: Vectors) -> Ints:
    """Go from each list to the nearest that was not visited; return the lists in that order, int64 (L,)."""
    path = np.zeros(len(distance), np.int64)
    free = np.ones(len(distance), bool)
    for step in range(1, len(path)):
        free[path[step - 1]] = False
        path[step] = np.where(free, distance[path[step - 1]], np.inf).argmin()
    return path
