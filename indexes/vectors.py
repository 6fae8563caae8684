"""Directions of vectors, and which of them there are."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors at length 1, float32 (n, d)."""
    return np.divide(vectors, _lengths(vectors)[:, None], out=np.empty_like(vectors), casting="same_kind")


def usable(vectors: Vectors) -> NDArray[np.bool_]:
    """Tell vectors that have a direction from those that are zero or not finite (a NaN would become FAISS's id -1)."""
    lengths = _lengths(vectors)
    return np.asarray(np.isfinite(lengths) & (lengths > 0), bool)


def digest_ids(ids: NDArray[np.int64]) -> str:
    """Return the sha256 of ascending ids: what a FAISS file or a graph holds."""
    return hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()


def _lengths(vectors: Vectors) -> NDArray[np.float64]:
    """Return Euclidean lengths (n,), in double precision so that no finite vector overflows."""
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return np.sqrt(squares)
