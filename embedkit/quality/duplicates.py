"""Near-duplicates: the same exposure stored again under another SOP Instance UID.

Candidates come from the vectors, the verdict from the pictures: two exposures of one joint can have nearly the same
vector and are no duplicates. Mirror images are found too: encoders are taught to look past mirroring, so their vectors
are near.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from embedkit.heads import Neighbours
from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.quality.fusion import sigmoid
from embedkit.quality.pictures import Numbers, Pictures, match_detail

CANDIDATE_COSINE = 0.93
CANDIDATE_CORRELATION = 0.9
"""Of thumbnails; it leaves one candidate of seven, and a repeat with a film border and a turn has 0.92."""
SAME_DETAIL = 0.82
_PAIRS_AT_ONCE = 1024


@dataclass(frozen=True)
class Duplicates:
    """Pairs of rows that show the same exposure: `first` < `second`, int64 (P,), and how sure that is, float64 (P,)."""

    first: Ints
    second: Ints
    score: Numbers
    mirrored: Flags
    """bool (P,): the one is the mirror image of the other."""

    def among(self, kept: Flags) -> Duplicates:
        """Return the pairs of which both rows are `kept`, bool (N,)."""
        both = kept[self.first] & kept[self.second]
        return Duplicates(self.first[both], self.second[both], self.score[both], self.mirrored[both])


NO_DUPLICATES = Duplicates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, dtype=bool))


def find_duplicates(
    twins: Neighbours, instances: Sequence[str], thumbnails: Pictures, read_pictures: Callable[[Ints], Pictures]
) -> Duplicates:
    """Compare the pictures of rows whose vectors point the same way and whose thumbnails resemble each other.

    Parameters
    ----------
    twins
        The nearest rows of any patient, (N, k).
    instances
        The SOP Instance UID of each row; frames of one instance are no duplicates of each other.
    thumbnails
        uint8 (N, s, s), to leave out most candidates before their pictures are read.
    read_pictures
        rows -> uint8 (n, 256, 256).
    """
    rows = np.repeat(np.arange(len(twins.rows)), twins.rows.shape[1])
    other, cosine = twins.rows.ravel(), twins.cosine.ravel()
    _, instance = np.unique(np.asarray(instances, dtype=str), return_inverse=True)
    candidate = (other >= 0) & (cosine >= CANDIDATE_COSINE)
    candidate &= instance[rows] != instance[np.maximum(other, 0)]
    pairs = np.unique(np.sort(np.stack([rows, other], axis=1)[candidate], axis=1), axis=0)
    score = _compare(pairs, thumbnails, read_pictures)
    best, mirrored = score.max(axis=1), score[:, 1] > score[:, 0]
    same = best > 0.5
    return Duplicates(pairs[same, 0], pairs[same, 1], best[same], mirrored[same])


def _compare(pairs: Ints, thumbnails: Pictures, read_pictures: Callable[[Ints], Pictures]) -> Numbers:
    """How sure it is that pairs, int64 (P, 2), show one exposure, as it is and one mirrored: float64 (P, 2)."""
    score = np.zeros((len(pairs), 2))
    parts = np.split(np.arange(len(pairs)), range(_PAIRS_AT_ONCE, len(pairs), _PAIRS_AT_ONCE))

    def compare(chunk: Ints) -> None:
        first, second = thumbnails[pairs[chunk, 0]], thumbnails[pairs[chunk, 1]]
        alike = np.stack([_correlate(first, second), _correlate(first, second[:, :, ::-1])], axis=1)
        place, turned = np.nonzero(alike >= CANDIDATE_CORRELATION)
        rows, numbers = np.unique(pairs[chunk[place]], return_inverse=True)
        pictures = read_pictures(rows)
        for pair, (one, two), turn in zip(chunk[place], numbers.reshape(-1, 2), turned, strict=True):
            other = np.ascontiguousarray(pictures[two][:, ::-1]) if turn else pictures[two]
            score[pair, turn] = match_detail(pictures[one], other)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(compare, parts))
    return sigmoid((score - SAME_DETAIL) / 0.03)


def _correlate(first: Pictures, second: Pictures) -> Numbers:
    """The correlation of thumbnails, uint8 (P, s, s) each, pair by pair: float64 (P,)."""
    size = first.shape[1] * first.shape[2]
    one, two = (grey.reshape(len(grey), size).astype(np.float64) for grey in (first, second))
    one, two = (grey - grey.mean(axis=1, keepdims=True) for grey in (one, two))
    power = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.asarray((one * two).sum(axis=1) / np.maximum(power, 1e-6), dtype=np.float64)
