"""A vector space in two dimensions: UMAP (McInnes et al., arXiv 1802.03426) or t-SNE (van der Maaten and Hinton, 2008).

Both start from the two strongest principal directions, so that where clusters lie means something and not only which
images are neighbours (Kobak and Linderman, Nature Biotechnology 2021). They see whitened vectors, as the search for
label issues does: the same neighbours, and a seventh of the numbers.
"""

from __future__ import annotations

import warnings

import numpy as np

from embedkit.errors import UsageError
from embedkit.heads import build_search, whiten
from embedkit.heads.moments import Floats
from embedkit.indexes.vectors import unit
from embedkit.progress import Advance, ignore_progress

PROJECTIONS = ("umap", "tsne")
FITTED = 50_000
_NEIGHBOURS = 15
_PLACED_BY = 5
_AT_ONCE = 65_536
_FEWEST = 8
"""Images from which on there are neighbourhoods to draw."""


def project(
    vectors: Floats,
    projection: str = "umap",
    *,
    seed: int = 0,
    fitted: int = FITTED,
    on_progress: Advance = ignore_progress,
) -> Floats:
    """Map vectors, float32 (N, D), none zero, to points, float32 (N, 2), by cosine; the same seed, the same points.

    Of more than `fitted` images a sample is laid out, and each other image goes where its five nearest of the sample
    are (their median). Raises UsageError ``unknown-projection``.
    """
    if projection not in PROJECTIONS:
        raise UsageError("unknown-projection", f"no projection '{projection}': choose {' or '.join(PROJECTIONS)}")
    count = len(vectors)
    on_progress(0, count)
    if count < _FEWEST:
        return _start(whiten(vectors), seed) if count else np.zeros((0, 2), np.float32)
    directions = unit(whiten(vectors))
    sample = np.sort(np.random.default_rng(seed).permutation(count)[:fitted])
    points = np.empty((count, 2), np.float32)
    points[sample] = (_lay_out_umap if projection == "umap" else _lay_out_tsne)(directions[sample], seed)
    on_progress(len(sample), count)
    rest = np.setdiff1d(np.arange(count), sample, assume_unique=True)
    search = build_search(directions[sample]) if len(rest) else None
    for start in range(0, len(rest), _AT_ONCE):
        part = rest[start : start + _AT_ONCE]
        assert search is not None  # noqa: S101 (there is a rest)
        _, near = search(directions[part], _PLACED_BY)
        points[part] = np.median(points[sample][near], axis=1)
        on_progress(len(sample) + start + len(part), count)
    return points


def _lay_out_umap(directions: Floats, seed: int) -> Floats:
    k = min(_NEIGHBOURS, len(directions))
    cosine, near = build_search(directions)(directions, k)
    with warnings.catch_warnings():  # that TensorFlow is absent, and that new data could not be transformed
        warnings.simplefilter("ignore")
        from umap import UMAP  # noqa: PLC0415 (numba takes seconds)

        layout = UMAP(
            n_neighbors=k,
            min_dist=0.3,
            metric="cosine",
            init=_start(directions, seed),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(near, np.maximum(1 - cosine, 0)),
            force_approximation_algorithm=True,
        )
        return np.asarray(layout.fit_transform(directions), np.float32)


def _lay_out_tsne(directions: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE  # noqa: PLC0415

    layout = TSNE(
        metric="cosine",
        init=_start(directions, seed) * np.float32(1e-4),
        perplexity=min(30.0, (len(directions) - 1) / 3),
        random_state=seed,
    )
    return np.asarray(layout.fit_transform(directions), np.float32)


def _start(directions: Floats, seed: int) -> Floats:
    """The first two columns at unit deviation, float32 (N, 2), cut at two: a few far out would squeeze the others.

    A trace of noise sets images apart that are alike.
    """
    first = np.random.default_rng(seed).normal(0, 1e-3, (len(directions), 2)).astype(np.float32)
    kept = directions[:, :2] - directions[:, :2].mean(axis=0)
    first[:, : kept.shape[1]] += np.clip(kept / np.maximum(kept.std(axis=0), np.float32(1e-6)), -2, 2)
    return first
