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
from embedkit.quality.fusion import sigmoid
from embedkit.quality.pictures import Numbers, Pictures, match_detail

CANDIDATE_COSINE = 0.93
SAME_DETAIL = 0.82
_PAIRS_AT_ONCE = 1024


@dataclass(frozen=True)
class Duplicates:
    """Pairs of rows that show the same exposure: `first` < `second`, int64 (P,), and how sure that is, float64 (P,)."""

    first: Ints
    second: Ints
    score: Numbers


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
    pairs = np.unique(pairs, axis=0)
    score = np.zeros(len(pairs))
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        score[start : start + _PAIRS_AT_ONCE] = _compare(pairs[start : start + _PAIRS_AT_ONCE], read_pictures)
    same = score > 0.5
    return Duplicates(pairs[same, 0], pairs[same, 1], score[same])


def _compare(pairs: Ints, read_pictures: Callable[[Ints], Pictures]) -> Numbers:
    rows, place = np.unique(pairs, return_inverse=True)
    pictures = read_pictures(rows)
    agreement = [match_detail(pictures[one], pictures[two]) for one, two in place.reshape(pairs.shape)]
    return sigmoid((np.array(agreement, dtype=np.float64) - SAME_DETAIL) / 0.03)
