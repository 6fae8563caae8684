"""What the neighbourhood of each image says of its label.

- `ratio`: the logarithm of the mean distance to the 5 nearest images of the same label over that to the 5 nearest of
  another label (SelfClean, arXiv 2305.17048, with 5 instead of 1); above 0 the label is more at home elsewhere.
- `votes`: the vote of the 20 nearest.
- `remoteness`: how far the nearest label is.

Neighbours are always images of other patients, in whitened space, which tells regions better than the encoder's own.
They are searched for once (`find_graph`) and looked at as often as labels change. Distances are (1 - cosine) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from embedkit.heads import Neighbours, keep_first, vote, walk_neighbours, whiten
from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes.vectors import unit
from embedkit.progress import Advance, ignore_progress

EVIDENCE = 5
RATIO = 5
VOTERS = 20
AROUND = 10
_LEAST, _MOST, _CELLS = 64, 1024, 4_000_000
_AT_ONCE = 8192


@dataclass(frozen=True)
class Graph:
    """Who is near to whom among N images."""

    cross_patient: Neighbours
    """The nearest images of other patients, (N, 64) or more where N is small."""
    candidates: Neighbours
    """The 5 nearest images of any patient, (N, 5), the image itself left out; cosines of the raw vectors."""

    @property
    def nearest(self) -> Ints:
        """The nearest images of other patients, int64 (N, 10), -1 where there are fewer."""
        return self.cross_patient.rows[:, :AROUND]


@dataclass(frozen=True)
class NeighbourhoodFeatures:
    """Float32 (N,) unless said otherwise."""

    ratio: Floats
    ratio_second: Floats
    """Without the images flagged at first."""
    votes: Floats
    """float32 (N, K), from the images not flagged."""
    remoteness: Floats
    """Mean distance to the nearest 10 images of the label that is nearest."""

    @classmethod
    def mean_of(cls, views: Sequence[NeighbourhoodFeatures]) -> NeighbourhoodFeatures:
        """What several spaces say, averaged."""
        return cls(*(np.mean([getattr(view, part.name) for view in views], axis=0) for part in fields(cls)))


def find_graph(vectors: Floats, groups: Ints, on_progress: Advance = ignore_progress) -> Graph:
    """Search the neighbours of vectors, float32 (N, D), of patient groups (N,), in whitened space.

    Memory is about 1.5 kB an image. `on_progress` is told how many of how many images are done.
    """
    count = len(vectors)
    width = min(int(np.clip(_CELLS // max(count, 1), _LEAST, _MOST)), count)
    cross_patient = Neighbours(np.full((count, width), -1, np.int64), np.full((count, width), -1, np.float32))
    candidates = Neighbours(np.full((count, EVIDENCE), -1, np.int64), np.full((count, EVIDENCE), -1, np.float32))
    if count < 2:
        return Graph(cross_patient, candidates)
    for hood in walk_neighbours(whiten(vectors), groups, width, on_progress):
        rows = hood.rows
        cross_patient.rows[rows], cross_patient.cosine[rows] = hood.cross_patient.rows, hood.cross_patient.cosine
        nearest = Neighbours(hood.anyone.rows[:, : EVIDENCE + 1], hood.anyone.cosine[:, : EVIDENCE + 1])
        others = keep_first(nearest, nearest.rows != rows[:, None], EVIDENCE)
        candidates.rows[rows], candidates.cosine[rows] = others.rows, _cosines(vectors, rows, others.rows)
    return Graph(cross_patient, candidates)


def look_around(graph: Graph, codes: Ints, *, excluded: Flags, classes: int) -> NeighbourhoodFeatures:
    """Look at the neighbourhoods of images with class numbers `codes`, int64 (N,), -1 for none.

    `excluded`, bool (N,), are the images whose label is not to be trusted in the second values and the votes.
    """
    count = len(codes)
    found = {name: np.zeros(count, np.float32) for name in ("ratio", "ratio_second", "remoteness")}
    votes = np.zeros((count, classes), np.float32)
    trusted = np.where(excluded, -1, codes)
    chunk = max(1, _CELLS // max(graph.cross_patient.rows.shape[1], 1))
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        near = Neighbours(graph.cross_patient.rows[part], graph.cross_patient.cosine[part])
        given = _labels(near, codes)
        found["ratio"][part] = _log_ratio(near, given, codes[part])
        found["ratio_second"][part] = _log_ratio(near, _labels(near, trusted), codes[part])
        found["remoteness"][part] = _remoteness(near, given, np.bincount(codes[codes >= 0], minlength=classes))
        votes[part] = _vote(near, trusted, classes)
    return NeighbourhoodFeatures(votes=votes, **found)


def mean_around(graph: Graph, values: Floats, known: Flags) -> Floats:
    """Average the values, (N,), of the 10 nearest images of other patients that are `known`, bool (N,): float32 (N,).

    0 for an image without any such neighbour.
    """
    near = graph.nearest
    there = (near >= 0) & known[near]
    total = np.where(there, values[near], 0).sum(axis=1)
    return np.asarray(total / np.maximum(there.sum(axis=1), 1), dtype=np.float32)


def _cosines(vectors: Floats, own: Ints, rows: Ints) -> Floats:
    """Cosines of the raw vectors of `own`, (M,), and of `rows`, (M, k); -1 where there is no row."""
    found = np.full(rows.shape, -1, np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        few = slice(start, start + _AT_ONCE)
        one = unit(vectors[own[few]])
        for place in range(rows.shape[1]):
            near = unit(vectors[np.maximum(rows[few, place], 0)])
            found[few, place] = np.where(rows[few, place] >= 0, np.einsum("nd,nd->n", one, near), -1)
    return found


def _labels(near: Neighbours, codes: Ints) -> Ints:
    return np.where(near.rows >= 0, codes[near.rows], -1)


def _vote(near: Neighbours, codes: Ints, classes: int) -> Floats:
    return vote(keep_first(near, _labels(near, codes) >= 0, VOTERS), codes, classes)


def mean_distance(near: Neighbours, wanted: Flags, k: int) -> Floats:
    """The mean distance to the first `k` neighbours that are `wanted`, bool (M, any): float32 (M,).

    Where fewer are in sight, each missing one counts as far as the last neighbour in sight: it cannot be nearer.
    """
    chosen = wanted & (np.cumsum(wanted, axis=1, dtype=np.int16) <= k) & (near.rows >= 0)
    found = chosen.sum(axis=1)
    horizon = np.where(near.rows >= 0, near.cosine, 1).min(axis=1, initial=1)
    total = np.where(chosen, near.cosine, 0).sum(axis=1) + (k - found) * horizon
    return np.asarray(np.maximum(1 - total / k, 0) / 2, dtype=np.float32)


def _log_ratio(near: Neighbours, labels: Ints, own: Ints) -> Floats:
    same = mean_distance(near, labels == own[:, None], RATIO)
    other = mean_distance(near, (labels != own[:, None]) & (labels >= 0), RATIO)
    return np.where(own >= 0, np.log(same + 1e-6) - np.log(other + 1e-6), 0).astype(np.float32)


def _remoteness(near: Neighbours, labels: Ints, sizes: Ints) -> Floats:
    """How far the nearest class is; a class of fewer than 10 images is asked for as many as it has."""
    best = np.full(len(labels), np.inf, np.float32)
    for code in np.flatnonzero(sizes).tolist():
        best = np.minimum(best, mean_distance(near, labels == code, int(np.clip(sizes[code] - 1, 1, AROUND))))
    return best
