"""Nearest neighbours of other patients: never an image of the same patient group.

Vectors are compared by cosine, exactly below 65,536 images and in tiles of like vectors above (`indexes.nearest`). Work
goes in chunks of queries, so memory stays at a few hundred megabytes whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.indexes.vectors import unit
from embedkit.progress import Advance, ignore_progress

Flags = npt.NDArray[np.bool_]
Search = Callable[[Floats, int], tuple[Floats, Ints]]
"""(queries float32 (M, D), k) -> cosines float32 (M, k), falling, and rows int64 (M, k), -1 where there are fewer."""

_CELLS = 4_000_000
"""Neighbours held at a time where a search is widened; a chunk of queries is so many that this holds."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of some queries: rows int64 (M, k), -1 where there are fewer, and cosines float32 (M, k)."""

    rows: Ints
    cosine: Floats


@dataclass(frozen=True)
class Neighbourhood:
    """The neighbours of the images `rows`, int64 (M,): the nearest of all (itself too), and of other patients."""

    rows: Ints
    anyone: Neighbours
    cross_patient: Neighbours


def build_search(vectors: Floats) -> Search:
    """Return a search among vectors, float32 (N, D), by cosine; none may be zero or not finite."""
    from embedkit.indexes.search import fit  # noqa: PLC0415 (FAISS is slow to import)

    ids = np.arange(len(vectors))

    def read(wanted: Ints) -> Iterator[tuple[Ints, Floats]]:
        for start in range(0, len(wanted), 65536):
            positions = np.arange(start, min(start + 65536, len(wanted)))
            yield positions, vectors[wanted[positions]]

    return fit(None, ids, vectors.shape[1], read).on_gpu().nearest


def walk_neighbours(
    vectors: Floats, groups: Ints, k: int, on_progress: Advance = ignore_progress
) -> Iterator[Neighbourhood]:
    """Yield the `k` nearest images of other patient groups, some thousand vectors, float32 (N, D), at a time.

    Where a patient has so many images that fewer than `k` of others are among the nearest, the search is widened for
    that patient's images only. `on_progress` is told how many of how many images are done.
    """
    from embedkit.indexes.nearest import NearestOfAll  # noqa: PLC0415 (FAISS is slow to import)

    cross_patient = _CrossPatient(unit(vectors), groups, min(k, len(vectors)))
    width = cross_patient.k + int(np.percentile(np.bincount(groups)[groups], 99))
    for found in NearestOfAll(cross_patient.directions, min(width, len(vectors))).walk(on_progress):
        anyone = Neighbours(found.rows, found.cosines)
        yield Neighbourhood(found.queries, anyone, cross_patient.among(found.queries, anyone))


@dataclass(frozen=True)
class _CrossPatient:
    """Finds the `k` nearest rows of other groups than the query's own."""

    directions: Floats
    groups: Ints
    k: int

    def among(self, queries: Ints, found: Neighbours) -> Neighbours:
        """Keep the first `k` of other patients for each query; too few are looked for among four times as many."""
        from embedkit.indexes.nearest import nearest_among  # noqa: PLC0415

        stranger = (found.rows >= 0) & (self.groups[found.rows] != self.groups[queries][:, None])
        kept = keep_first(found, stranger, self.k)
        width = found.rows.shape[1]
        wider = min(4 * width, len(self.groups))
        short = np.flatnonzero(kept.rows[:, -1] < 0) if wider > width else np.empty(0, np.int64)
        chunk = max(1, _CELLS // wider)
        for start in range(0, len(short), chunk):
            part = short[start : start + chunk]
            cosine, rows = nearest_among(self.directions[queries[part]], self.directions, wider)
            again = self.among(queries[part], Neighbours(rows, cosine))
            kept.rows[part], kept.cosine[part] = again.rows, again.cosine
        return kept


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
