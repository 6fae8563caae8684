"""Near-duplicates: the same exposure stored again under another SOP Instance UID.

Candidates come from the vectors, the verdict from the pictures: two exposures of one joint can have nearly the same
vector and are no duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.heads import Neighbours
from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.quality.fusion import sigmoid
from embedkit.quality.pictures import Numbers, Pictures, match_detail

CANDIDATE_COSINE = 0.93
MIRRORED_COSINE = 0.97
"""Vectors of an image and its mirror image are at least so near, because encoders are taught to look past mirroring."""
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
    twins: Neighbours, instances: Sequence[str], read_pictures: Callable[[Ints], Pictures]
) -> Duplicates:
    """Compare the pictures of rows whose vectors point the same way.

    Parameters
    ----------
    twins
        The nearest rows of any patient, (N, k).
    instances
        The SOP Instance UID of each row; frames of one instance are no duplicates of each other.
    read_pictures
        rows -> uint8 (n, 256, 256).
    """
    rows = np.repeat(np.arange(len(twins.rows)), twins.rows.shape[1])
    other, cosine = twins.rows.ravel(), twins.cosine.ravel()
    _, instance = np.unique(np.asarray(instances, dtype=str), return_inverse=True)
    candidate = (other >= 0) & (cosine >= CANDIDATE_COSINE)
    candidate &= instance[rows] != instance[np.maximum(other, 0)]
    pairs = np.stack([np.minimum(rows, other), np.maximum(rows, other)], axis=1)[candidate]
    pairs, place = np.unique(pairs, axis=0, return_index=True)
    alike = cosine[candidate][place] >= MIRRORED_COSINE
    score, mirrored = np.zeros(len(pairs)), np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        score[part], mirrored[part] = _compare(pairs[part], alike[part], read_pictures)
    same = score > 0.5
    return Duplicates(pairs[same, 0], pairs[same, 1], score[same], mirrored[same])


def _compare(pairs: Ints, alike: Flags, read_pictures: Callable[[Ints], Pictures]) -> tuple[Numbers, Flags]:
    """Compare pairs as they are, and those that are `alike` mirrored too: the better score, and whether mirrored."""
    rows, place = np.unique(pairs, return_inverse=True)
    pictures, place = read_pictures(rows), place.reshape(pairs.shape)
    plain = np.array([match_detail(pictures[one], pictures[two]) for one, two in place], dtype=np.float64)
    turned = np.full(len(pairs), -1.0)
    for pair in np.flatnonzero(alike & (plain < SAME_DETAIL)).tolist():
        one, two = place[pair]
        turned[pair] = match_detail(pictures[one], np.ascontiguousarray(pictures[two][:, ::-1]))
    return sigmoid((np.maximum(plain, turned) - SAME_DETAIL) / 0.03), turned > plain
