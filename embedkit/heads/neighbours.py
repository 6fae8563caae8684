"""Nearest neighbours of other patients: never an image of the same patient group.

Vectors are compared by cosine through FAISS, exactly below 200,000 images and by inverted lists above. Work goes in
chunks of queries, so memory stays at a few hundred megabytes whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats

Flags = npt.NDArray[np.bool_]
Search = Callable[[Floats, int], tuple[Ints, Floats]]
"""(queries float32 (M, D), k) -> rows int64 (M, k), -1 where there are fewer, and cosines float32 (M, k), falling."""

_CELLS = 4_000_000
"""Neighbours held at a time, in all; a chunk of queries is so many that this holds."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of some queries: rows int64 (M, k), -1 where there are fewer, and cosines float32 (M, k)."""

    rows: Ints
    cosine: Floats


@dataclass(frozen=True)
class Neighbourhood:
    """The neighbours of the images `part`: the nearest of all (the image itself among them), and the strangers."""

    part: slice
    anyone: Neighbours
    strangers: Neighbours


def build_search(vectors: Floats) -> Search:
    """Return a search among vectors, float32 (N, D), by cosine; none may be zero or not finite."""
    from embedkit.indexes.search import fit  # noqa: PLC0415 (FAISS is slow to import)

    ids = np.arange(len(vectors))

    def read(wanted: Ints) -> Iterator[tuple[Ints, Floats]]:
        for start in range(0, len(wanted), 65536):
            positions = np.arange(start, min(start + 65536, len(wanted)))
            yield positions, vectors[wanted[positions]]

    return fit(None, ids, vectors.shape[1], read).on_gpu().nearest


def walk_neighbours(search: Search, vectors: Floats, groups: Ints, k: int) -> Iterator[Neighbourhood]:
    """Yield the `k` nearest images of other patient groups, chunk by chunk of the vectors, float32 (N, D).

    Where a patient has so many images that fewer than `k` strangers are among the nearest, the search is widened for
    that patient's images only.
    """
    strangers = _Strangers(search, groups, min(k, len(vectors)))
    width = strangers.k + int(np.percentile(np.bincount(groups)[groups], 99))
    chunk = max(1, _CELLS // width)
    for start in range(0, len(vectors), chunk):
        part = slice(start, min(start + chunk, len(vectors)))
        yield strangers.around(part, vectors[part], width)


@dataclass(frozen=True)
class _Strangers:
    """Finds the `k` nearest rows of other groups than the query's own."""

    search: Search
    groups: Ints
    k: int

    def around(self, part: slice, queries: Floats, width: int) -> Neighbourhood:
        """Search once for both kinds of neighbours."""
        rows, cosine = self.search(queries, min(width, len(self.groups)))
        strangers = self.keep(rows, cosine, self.groups[part])
        self.widen(strangers, queries, self.groups[part], width)
        return Neighbourhood(part, Neighbours(rows, cosine), strangers)

    def widen(self, found: Neighbours, queries: Floats, own: Ints, width: int) -> None:
        """Search four times as many for the queries with too few strangers among `width`, until all have been seen."""
        short = np.flatnonzero(found.rows[:, -1] < 0)
        if width >= len(self.groups):
            return
        wider = min(4 * width, len(self.groups))
        chunk = max(1, _CELLS // wider)
        for start in range(0, len(short), chunk):
            part = short[start : start + chunk]
            again = self.keep(*self.search(queries[part], wider), own[part])
            self.widen(again, queries[part], own[part], wider)
            found.rows[part], found.cosine[part] = again.rows, again.cosine

    def keep(self, rows: Ints, cosine: Floats, own: Ints) -> Neighbours:
        """Keep the first `k` of another group than `own`, int64 (M,): (M, k), padded with -1."""
        stranger = (rows >= 0) & (self.groups[rows] != own[:, None])
        return keep_first(Neighbours(rows, cosine), stranger, self.k)


def keep_first(neighbours: Neighbours, wanted: Flags, k: int) -> Neighbours:
    """Keep the first `k` neighbours that are `wanted`, bool (M, any): (M, k), padded with row -1 and cosine -1."""
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :k]
    good = np.take_along_axis(wanted, order, axis=1)
    rows = np.where(good, np.take_along_axis(neighbours.rows, order, axis=1), -1)
    cosine = np.where(good, np.take_along_axis(neighbours.cosine, order, axis=1), np.float32(-1))
    missing = ((0, 0), (0, k - rows.shape[1]))
    return Neighbours(
        np.pad(rows, missing, constant_values=-1).astype(np.int64),
        np.pad(cosine, missing, constant_values=-1).astype(np.float32),
    )
