"""The kNN head: neighbours vote for their region, each with the weight of its cosine."""

from __future__ import annotations

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Neighbours

TEMPERATURE = 0.07
"""Of the weights exp(cosine / temperature), as in Wu et al., arXiv 1805.01978."""


def vote(neighbours: Neighbours, codes: Ints, classes: int) -> Floats:
    """The share of each class in the vote of the neighbours, float32 (M, K).

    `codes`, int64 (N,), numbers the classes of all rows, -1 without a label: such neighbours have no vote, and a row
    without any voter is all zero.
    """
    count, width = neighbours.rows.shape
    labels = np.where(neighbours.rows >= 0, codes[neighbours.rows], -1)
    nearest = neighbours.cosine.max(axis=1, keepdims=True, initial=-1)
    weights = np.where(labels >= 0, np.exp((neighbours.cosine - nearest) / TEMPERATURE), 0)
    query = np.repeat(np.arange(count), width)
    cells = query * (classes + 1) + labels.ravel() + 1  # one spare class, 0, for the unlabelled
    ballots = np.bincount(cells, weights=weights.ravel(), minlength=count * (classes + 1))
    shares = ballots.reshape(count, classes + 1)[:, 1:]
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)
