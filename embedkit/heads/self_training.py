"""A linear head that learns from images without a label as well, for where labels are few.

Self-training in proportion (class-balanced self-training, Zou et al., arXiv 1810.07911): the head of the labelled
images names the others, each together with its nearest neighbours, because a head of twenty labels errs more than like
images differ (neighbourhood averages as in NRC, Yang et al., arXiv 2110.04202); of each class, those named most
clearly count as labelled in the next fit, first a tenth of what the proportions of the labels let expect, in the end
all. Together they count as at most `WEIGHT` labelled images: they matter where labels are few, and hardly where they
are many. The result is a linear head like any other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.linear import LinearHead, fit_linear
from embedkit.heads.moments import Floats, Moments, add_up
from embedkit.heads.neighbours import build_search
from embedkit.heads.whitening import whiten

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the images without a label, round by round."""
WEIGHT = 100.0
"""Labelled images that all images without a label count for; from 60 to 200 little changes."""
LEAST = 1.5
"""Labels a class, on average, below which they say nothing of proportions: images without a label are then not used."""
NEIGHBOURS = 10
"""Who are heard on each image beside itself, by cosine of whitened vectors; 15 do as well, 5 and 20 a little less."""
_ENOUGH = 10_000
_LEAST_SHARE = np.float32(1e-12)


def fit_self_trained(vectors: Floats, codes: Ints, regions: tuple[str, ...], *, encoder: str = "") -> LinearHead:
    """Fit a head to vectors, float32 (N, D), of class `codes`, int64 (N,), -1 where there is no label.

    Of more than 10,000 images without a label, evenly spaced ones are taken. A class without any label stays without.
    """
    known = Moments.of(vectors, codes, len(regions))
    head = fit_linear(known, regions, encoder=encoder)
    rows, labels = np.flatnonzero(codes < 0), float(known.counts.sum())
    if len(rows) == 0 or labels == 0 or labels < LEAST * np.count_nonzero(known.counts):
        return head
    rows = np.concatenate([rows[:: -(-len(rows) // _ENOUGH)], np.flatnonzero(codes >= 0)])
    vectors, codes = vectors[rows], codes[rows]
    others = int(np.count_nonzero(codes < 0))  # they come first
    near = find_nearest(vectors, others)
    given = np.eye(len(regions), dtype=np.float32)[codes[others:]]
    expected = others * known.counts / labels
    for share in SHARES:
        shares = np.concatenate([head.probabilities(vectors[:others]), given])[near].mean(axis=1)
        named = keep_clearest(np.log(shares + _LEAST_SHARE), share * expected)
        taught = Moments.of(vectors[:others], named, len(regions))
        weight = WEIGHT / max(WEIGHT, float(taught.counts.sum()))
        head = fit_linear(add_up([known, taught.scaled(weight)]), regions, encoder=encoder)
    return head


def find_nearest(vectors: Floats, count: int) -> Ints:
    """Find the nearest of the first `count` rows of vectors, float32 (N, D), themselves among them.

    Returns int64 (`count`, `NEIGHBOURS` + 1), or (`count`, N) where there are fewer.
    """
    points = whiten(vectors)
    _, found = build_search(points)(points[:count], min(NEIGHBOURS + 1, len(points)))
    return np.where(found >= 0, found, np.arange(count)[:, None])  # a search in tiles may come back with fewer


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
