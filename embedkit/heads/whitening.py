"""Whitened vectors: the directions in which images differ, none so strong that it hides the others.

Self-supervised vectors spread most along what the augmentations left in (exposure, size on the plate), and regions
differ along weaker directions too. Dividing each principal direction by the square root of its deviation brings them
up; the strongest `COMPONENTS` are kept, because behind them comes noise.
"""

from __future__ import annotations

import numpy as np

from embedkit.heads.moments import Floats
from embedkit.indexes.vectors import unit
from embedkit.threads import single_thread

COMPONENTS = 64
_CHUNK = 65536
_LEAST_VARIANCE = 1e-12
_NEARLY_ZERO = np.float32(1e-6)


@single_thread()
def whiten(vectors: Floats) -> Floats:
    """Map vectors, float32 (N, D), to float32 (N, at most 64) by half-strength principal component whitening.

    Fitted to the directions of `vectors` themselves, in two passes of bounded memory; no row of the result is zero.
    """
    count, width = vectors.shape
    total, scatter = np.zeros(width), np.zeros((width, width))
    for start in range(0, count, _CHUNK):
        directions = unit(vectors[start : start + _CHUNK]).astype(np.float64)
        total += directions.sum(axis=0)
        scatter += directions.T @ directions
    mean = total / count
    variance, axes = np.linalg.eigh(scatter / count - np.outer(mean, mean))
    if variance[-1] < _LEAST_VARIANCE:  # all one direction: nothing to bring up
        return np.asarray(vectors, dtype=np.float32)
    kept = np.flatnonzero(variance > 1e-6 * variance[-1])[::-1][:COMPONENTS]
    whitening = (axes[:, kept] / variance[kept] ** 0.25).astype(np.float32)
    whitened = np.empty((count, len(kept)), np.float32)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        whitened[part] = (unit(vectors[part]) - mean.astype(np.float32)) @ whitening
    whitened[np.abs(whitened).max(axis=1) < _NEARLY_ZERO, 0] = _NEARLY_ZERO
    return whitened
