"""Directions of vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors at length 1, float32 (n, d)."""
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide.astype(np.float32)


def usable(vectors: Vectors) -> NDArray[np.bool_]:
    """Tell vectors that have a direction from those that are zero or not finite (a NaN would become FAISS's id -1)."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.asarray(np.isfinite(norms) & (norms > 0), bool)
