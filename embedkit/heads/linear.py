"""The linear head: softmax over regions, fitted in closed form.

Linear discriminant analysis with a shrunken covariance (Friedman, "Regularized Discriminant Analysis", JASA 1989),
on unit vectors with every dimension scaled to unit variance. It has the form of multinomial logistic regression, one
weight row and one bias a region, but no iterations: one pass over the vectors, the same result every time. A class is
summed up by its mean, so a few wrong labels move it little: ranking label errors, it is the better of the two.
Its confidence is put right by one temperature (Guo et al., arXiv 1706.04599) fitted on held-out images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats, Moments
from embedkit.indexes.vectors import unit
from embedkit.threads import single_thread

SHRINKAGE = 0.1
"""For as many images as dimensions, or fewer; the error of a covariance falls as 1 / images, and this with it."""
_CHUNK = 65536


@dataclass(frozen=True)
class LinearHead:
    """A softmax classifier of unit vectors, bound to the encoder that made them."""

    regions: tuple[str, ...]
    weight: Floats
    """float32 (K, D), for vectors of length 1."""
    bias: Floats
    """float32 (K,)."""
    encoder: str = ""
    """sha256 of the encoder's weights, hex; "" for vectors of unknown origin."""

    @single_thread()
    def logits(self, vectors: Floats) -> Floats:
        """Score raw vectors, float32 (N, D): float32 (N, K)."""
        scores = np.empty((len(vectors), len(self.bias)), dtype=np.float32)
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            scores[part] = unit(vectors[part]) @ self.weight.T + self.bias
        return scores

    def probabilities(self, vectors: Floats) -> Floats:
        """The probability of each region for raw vectors, float32 (N, D): float32 (N, K)."""
        return softmax(self.logits(vectors))

    def temperature_scaled(self, temperature: float) -> LinearHead:
        """Return the head whose logits are divided by `temperature`."""
        weight, bias = np.float32(temperature) ** -1 * self.weight, np.float32(temperature) ** -1 * self.bias
        return LinearHead(self.regions, weight, bias, self.encoder)


@single_thread()
def fit_linear(
    moments: Moments, regions: tuple[str, ...], *, encoder: str = "", shrinkage: float | None = None
) -> LinearHead:
    """Fit a head to summed-up vectors; a class without any image gets probability 0, or all the same without any.

    `shrinkage` of the covariance, 0 to 1, falls with the number of images where it is not given: see `SHRINKAGE`.
    """
    count = max(float(moments.counts.sum()), 1.0)
    if shrinkage is None:
        shrinkage = SHRINKAGE * min(1.0, moments.scatter.shape[0] / count)
    present = moments.counts > 0
    means = moments.sums / np.maximum(moments.counts, 1)[:, None]  # (K, D)
    centre = moments.sums.sum(axis=0) / count
    variance = np.maximum(np.diag(moments.scatter) / count - centre**2, 0)
    scale = np.sqrt(variance)
    scale = np.maximum(scale, 1e-3 * scale.max()) + 1e-12
    within = (moments.scatter - (means * moments.counts[:, None]).T @ means) / count / np.outer(scale, scale)
    level = max(float(np.trace(within)) / len(scale), 0.05)  # of 1; less only where classes have one image or so
    covariance = (1 - shrinkage) * within + shrinkage * level * np.eye(len(scale))
    standard = (means - centre) / scale
    weight = np.linalg.solve(covariance, standard.T).T  # (K, D)
    bias = np.log(np.maximum(moments.counts, 1) / count) - 0.5 * (weight * standard).sum(axis=1)
    weight = np.where(present[:, None], weight / scale, 0)
    bias = np.where(present, bias - weight @ centre, -np.inf if present.any() else 0)
    return LinearHead(regions, weight.astype(np.float32), bias.astype(np.float32), encoder)


def softmax(logits: Floats) -> Floats:
    """Probabilities of logits, float32 (N, K), along the last axis."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def fit_temperature(logits: Floats, codes: Ints) -> float:
    """Find the temperature, 1/20 to 20, at which held-out logits, (N, K), make the given classes likeliest.

    Rows without a class (-1), or whose class the head had never seen, are left out; 1 where no row is left.
    """
    rows = np.flatnonzero(codes >= 0)
    rows = rows[np.isfinite(logits[rows, codes[rows]])]
    if len(rows) == 0:
        return 1.0
    sample = rows[:: max(1, len(rows) // 50_000)]
    scores, own = logits[sample].astype(np.float64), codes[sample]
    scores -= scores.max(axis=1, keepdims=True)

    def loss(temperature: float) -> float:
        scaled = scores / temperature
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(own)), own]))

    return float(min(np.geomspace(0.05, 20, 61), key=loss))
