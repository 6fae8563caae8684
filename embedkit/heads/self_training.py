"""A linear head that learns from images without a label as well, for where labels are few.

Self-training in proportion (class-balanced self-training, Zou et al., arXiv 1810.07911): the head of the labelled
images names the others; of each class, those named most clearly count as labelled in the next fit, first a tenth of
what the proportions of the labels let expect, in the end all. Together they count as at most `WEIGHT` labelled images:
they matter where labels are few, and hardly where they are many. The result is a linear head like any other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.linear import LinearHead, fit_linear
from embedkit.heads.moments import Floats, Moments, add_up

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the images without a label, round by round."""
WEIGHT = 100.0
"""Labelled images that all images without a label count for; from 60 to 200 little changes."""
LEAST = 1.5
"""Labels a class, on average, below which they say nothing of proportions: images without a label are then not used."""
_ENOUGH = 10_000


def fit_self_trained(vectors: Floats, codes: Ints, regions: tuple[str, ...], *, encoder: str = "") -> LinearHead:
    """Fit a head to vectors, float32 (N, D), of class `codes`, int64 (N,), -1 where there is no label.

    Of more than 10,000 images without a label, evenly spaced ones are taken. A class without any label stays without.
    """
    known = Moments.of(vectors, codes, len(regions))
    head = fit_linear(known, regions, encoder=encoder)
    if known.counts.sum() < LEAST * np.count_nonzero(known.counts):
        return head
    rows = np.flatnonzero(codes < 0)
    others = vectors[rows[:: max(1, -(-len(rows) // _ENOUGH))]]
    expected = len(others) * known.counts / max(known.counts.sum(), 1)
    for share in SHARES:
        named = keep_clearest(head.logits(others), share * expected)
        taught = Moments.of(others, named, len(regions))
        weight = WEIGHT / max(WEIGHT, float(taught.counts.sum()))
        head = fit_linear(add_up([known, taught.scaled(weight)]), regions, encoder=encoder)
    return head


def keep_clearest(logits: Floats, most: npt.ArrayLike) -> Ints:
    """Name the likeliest class of each row of `logits`, (M, K >= 2), int64 (M,); -1 where others are clearer.

    Of each class so many are kept as `most`, (K,), rounded, says: those that lead their second class by most.
    """
    named = np.asarray(logits.argmax(axis=1), dtype=np.int64)
    second, best = np.partition(logits, -2, axis=1)[:, -2:].T
    kept = np.full(len(named), -1, np.int64)
    for code, count in enumerate(np.rint(most).astype(int).tolist()):
        rows = np.flatnonzero(named == code)
        kept[rows[np.argsort((second - best)[rows], kind="stable")[:count]]] = code
    return kept
