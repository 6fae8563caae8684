"""Sums over labelled unit vectors: all that a linear discriminant needs, and they add and subtract.

One pass over the vectors gives the sums of every fold; the head of the other folds is then a subtraction away, and so
is the head without the images that were flagged. Memory does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.indexes.vectors import unit
from embedkit.threads import single_thread

Floats = npt.NDArray[np.float32]
_CHUNK = 16384


@dataclass(frozen=True)
class Moments:
    """Counts (K,), sums (K, D) and scatter (D, D) of unit vectors, float64, by class."""

    counts: npt.NDArray[np.float64]
    sums: npt.NDArray[np.float64]
    scatter: npt.NDArray[np.float64]

    @classmethod
    @single_thread()
    def of(cls, vectors: Floats, codes: Ints, classes: int) -> Moments:
        """Sum up the vectors, float32 (N, D), whose class number is 0 or more."""
        width = vectors.shape[1]
        counts, sums, scatter = np.zeros(classes), np.zeros((classes, width)), np.zeros((width, width))
        labelled = np.flatnonzero(codes >= 0)
        for start in range(0, len(labelled), _CHUNK):
            rows = labelled[start : start + _CHUNK]
            directions = unit(vectors[rows]).astype(np.float64)
            member = np.zeros((len(rows), classes))
            member[np.arange(len(rows)), codes[rows]] = 1
            counts += member.sum(axis=0)
            sums += member.T @ directions
            scatter += directions.T @ directions
        return cls(counts, sums, scatter)

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums without the images of `other`."""
        return Moments(self.counts - other.counts, self.sums - other.sums, self.scatter - other.scatter)

    def scaled(self, weight: float) -> Moments:
        """Return the sums with every image counting `weight`."""
        return Moments(weight * self.counts, weight * self.sums, weight * self.scatter)


def add_up(parts: Sequence[Moments]) -> Moments:
    """Return the sums of all images of `parts`."""
    return Moments(
        np.sum([part.counts for part in parts], axis=0),
        np.sum([part.sums for part in parts], axis=0),
        np.sum([part.scatter for part in parts], axis=0),
    )
