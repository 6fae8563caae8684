"""Whether a vector lies among those that a head was fitted to.

The measure is the squared Mahalanobis distance of the unit vector to the nearest class mean, under one covariance of
all classes (Lee et al., arXiv 1807.03888), half of it replaced by its mean variance. Means and covariance are all that
is kept: no embedding of any patient. It needs no wrong example, and a few out-of-domain images among the labelled ones
move a mean and a covariance little, where as nearest neighbours they would vouch for the next such image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.heads.moments import Floats, Moments
from embedkit.indexes.vectors import unit
from embedkit.threads import single_thread

SHRINKAGE = 0.5
COVERAGE = 0.98
"""The share of held-out labelled images that are within `Domain.reach`."""
_CHUNK = 16384


@dataclass(frozen=True)
class Domain:
    """Where the labelled images of an encoder lie."""

    centres: Floats
    """float32 (C, D), the mean unit vectors of the classes, whitened."""
    whitening: Floats
    """float32 (D, D); unit vectors times this have about unit variance within their class."""
    reach: float = 1.0
    """The squared distance up to which a vector is in the domain."""

    @single_thread()
    def remoteness(self, vectors: Floats) -> Floats:
        """The squared distance of raw vectors, float32 (N, D), as a share of `reach`, float32 (N,): over 1 is out."""
        squares = (self.centres.astype(np.float64) ** 2).sum(axis=1)
        found = np.empty(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            points = (unit(vectors[part]) @ self.whitening).astype(np.float64)
            cross = points @ self.centres.T.astype(np.float64)
            found[part] = (points**2).sum(axis=1) + (squares - 2 * cross).min(axis=1)
        return np.asarray(np.maximum(found, 0) / self.reach, dtype=np.float32)


@single_thread()
def fit_domain(moments: Moments, reach: float = 1.0) -> Domain:
    """Fit a domain to summed-up vectors; `reach` is to be told from images that were held out.

    Raises ValueError where no class has an image.
    """
    present = moments.counts > 0
    count = float(moments.counts.sum())
    if not count:
        raise ValueError("a domain needs labelled images")
    means = moments.sums[present] / moments.counts[present, None]  # (C, D)
    within = (moments.scatter - (means * moments.counts[present, None]).T @ means) / count
    level = max(float(np.trace(within)) / len(within), 1e-9)
    covariance = (1 - SHRINKAGE) * within + SHRINKAGE * level * np.eye(len(within))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return Domain((means @ whitening).astype(np.float32), whitening.astype(np.float32), reach)
