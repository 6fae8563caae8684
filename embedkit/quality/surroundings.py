"""What the neighbourhood of each image says of its label: computed in one walk, a chunk of images at a time.

- `ratio`: the logarithm of the mean distance to the 5 nearest images of the same label over that to the 5 nearest of
  another label (SelfClean, arXiv 2305.17048, with 5 instead of 1); above 0 the label is more at home elsewhere.
- `votes`: the vote of the 20 nearest.
- `mixture`: how many labels live around the image, as an entropy.
- `scatter`: how much farther the nearest 10 images of any one label are than the nearest 10 of all: large where the
  neighbours are close but have nothing to do with their labels.

Neighbours are always images of other patients. Distances are (1 - cosine) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.heads import Neighbours, Search, keep_first, vote, walk_neighbours
from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags

EVIDENCE = 5
RATIO = 5
VOTERS = 20
AROUND = 10
_LEAST, _MOST, _CELLS = 64, 1024, 4_000_000


@dataclass(frozen=True)
class Surroundings:
    """Float32 (N,) unless said otherwise; the `second` values leave the images flagged at first out of sight."""

    ratio: Floats
    ratio_second: Floats
    votes: Floats
    """float32 (N, K), from the images not flagged."""
    mixture: Floats
    """Entropy in nats of the vote around an image, averaged with that of its 10 neighbours."""
    scatter: Floats
    remoteness: Floats
    """Mean distance to the nearest 10 images of the label that is nearest."""
    nearest: Ints
    """int64 (N, 10), rows of the nearest images of other patients, -1 where there are fewer."""
    twins: Neighbours
    """The 5 nearest images of any patient (N, 5), the image itself left out."""


def look_around(
    search: Search, vectors: Floats, codes: Ints, groups: Ints, *, dropped: Flags, classes: int
) -> Surroundings:
    """Walk the neighbourhoods of vectors, float32 (N, D), with class numbers `codes` (N,), -1 for none.

    `dropped`, bool (N,), are the images whose label is not to be trusted in the second values.
    """
    count = len(vectors)
    single = {
        name: np.zeros(count, np.float32) for name in ("ratio", "ratio_second", "mixture", "scatter", "remoteness")
    }
    votes = np.zeros((count, classes), np.float32)
    nearest = np.full((count, AROUND), -1, np.int64)
    twins = Neighbours(np.full((count, EVIDENCE), -1, np.int64), np.full((count, EVIDENCE), -1, np.float32))
    trusted = np.where(dropped, -1, codes)
    width = int(np.clip(_CELLS // max(count, 1), _LEAST, _MOST))
    for hood in walk_neighbours(search, vectors, groups, width):
        part, near = hood.part, hood.strangers
        own = codes[part]
        single["ratio"][part] = _log_ratio(near, _labels(near, codes), own)
        single["ratio_second"][part] = _log_ratio(near, _labels(near, trusted), own)
        votes[part] = _vote(near, trusted, classes)
        single["mixture"][part] = _entropy(_vote(near, codes, classes))
        single["scatter"][part], single["remoteness"][part] = _distances(near, codes, classes)
        nearest[part, : near.rows.shape[1]] = near.rows[:, :AROUND]
        others = keep_first(hood.anyone, hood.anyone.rows != np.arange(part.start, part.stop)[:, None], EVIDENCE)
        twins.rows[part], twins.cosine[part] = others.rows, others.cosine
    single["mixture"] = _smooth(single["mixture"], nearest)
    return Surroundings(votes=votes, nearest=nearest, twins=twins, **single)


def _labels(near: Neighbours, codes: Ints) -> Ints:
    return np.where(near.rows >= 0, codes[near.rows], -1)


def _vote(near: Neighbours, codes: Ints, classes: int) -> Floats:
    return vote(keep_first(near, _labels(near, codes) >= 0, VOTERS), codes, classes)


def _entropy(shares: Floats) -> Floats:
    return np.asarray(-(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1), dtype=np.float32)


def _smooth(values: Floats, nearest: Ints) -> Floats:
    """Average each value with the mean of its neighbours' values."""
    known = nearest >= 0
    around = np.where(known, values[nearest], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(np.where(known.any(axis=1), (values + around) / 2, values), dtype=np.float32)


def mean_distance(near: Neighbours, wanted: Flags, k: int) -> Floats:
    """The mean distance to the first `k` neighbours that are `wanted`, bool (M, any): float32 (M,).

    Where fewer are in sight, each missing one counts as far as the last neighbour in sight: it cannot be nearer.
    """
    chosen = wanted & (np.cumsum(wanted, axis=1) <= k) & (near.rows >= 0)
    found = chosen.sum(axis=1)
    horizon = np.where(near.rows >= 0, near.cosine, 1).min(axis=1, initial=1)
    total = np.where(chosen, near.cosine, 0).sum(axis=1) + (k - found) * horizon
    return np.asarray(np.maximum(1 - total / k, 0) / 2, dtype=np.float32)


def _log_ratio(near: Neighbours, labels: Ints, own: Ints) -> Floats:
    same = mean_distance(near, labels == own[:, None], RATIO)
    other = mean_distance(near, (labels != own[:, None]) & (labels >= 0), RATIO)
    return np.where(own >= 0, np.log(same + 1e-6) - np.log(other + 1e-6), 0).astype(np.float32)


def _distances(near: Neighbours, codes: Ints, classes: int) -> tuple[Floats, Floats]:
    """Return `scatter` and `remoteness`; a class of fewer than 10 images is asked for as many as it has."""
    labels = _labels(near, codes)
    sizes = np.bincount(codes[codes >= 0], minlength=classes)
    best = np.full(len(labels), np.inf, np.float32)
    for code in range(classes):
        best = np.minimum(best, mean_distance(near, labels == code, int(np.clip(sizes[code] - 1, 1, AROUND))))
    crowd = mean_distance(near, labels >= 0, AROUND)
    return np.log((best + 1e-6) / (crowd + 1e-6)).astype(np.float32), best.astype(np.float32)
