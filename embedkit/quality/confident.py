"""Confident learning (Northcutt et al., arXiv 1911.00068), by cleanlab."""

from __future__ import annotations

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags


def find_confident_errors(codes: Ints, probabilities: Floats) -> Flags:
    """Flag likely label errors, bool (N,), by cleanlab's `prune_by_noise_rate`.

    `codes`, int64 (N,), number the columns of `probabilities`, float32 (N, K); all have a label. Classes that no image
    has are left out of the estimate. A class is never emptied.
    """
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 (slow to import)

    met, own = np.unique(codes, return_inverse=True)
    if len(met) < 2:
        return np.zeros(len(codes), dtype=bool)
    table = probabilities[:, met].astype(np.float64) + 1e-9
    table /= table.sum(axis=1, keepdims=True)
    found = find_label_issues(own, table, filter_by="prune_by_noise_rate", min_examples_per_class=1, n_jobs=1)
    return np.asarray(found, dtype=bool)
