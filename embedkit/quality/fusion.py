"""One score from several signs that a label is wrong.

Each sign is put on one scale (mean 0, deviation 1 over the labelled images) and the signs are added: the order of
suspicion. The sum is then read as a probability by a logistic curve of two parameters (Platt, "Probabilistic outputs
for support vector machines", 1999); it keeps the order. The curve is fitted to the mean of two estimates, one of which
(what confident learning flags) finds too many and the other (the noise model) too few, and to people's verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats

_TINY = 1e-6
_CLOSE = 1e-9


def log_margin(probabilities: Floats, codes: Ints) -> Floats:
    """How much likelier the best other class is than the given one, log max p_k - log p_y: float32 (N,).

    `probabilities` (N, K), `codes` (N,); 0 for an image without a label (-1) or where there is but one class.
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(codes), dtype=np.float32)
    logs = np.log(np.maximum(probabilities, _TINY))
    row, own = np.arange(len(codes)), np.maximum(codes, 0)
    given = logs[row, own].copy()
    logs[row, own] = -np.inf
    return np.where(codes >= 0, logs.max(axis=1) - given, 0).astype(np.float32)


def multiply_probabilities(probabilities: Sequence[Floats]) -> Floats:
    """One table of probabilities, float32 (N, K), from several: the product of S tables to the power 1 / sqrt(S).

    A product of experts (Hinton, 2002). With the power 1 the errors of S spaces would count as independent,
    with 1 / S as the same.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    logs = np.sum([np.log(np.maximum(one, _TINY)) for one in probabilities], axis=0) / np.sqrt(len(probabilities))
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def add_signs(signs: Sequence[tuple[Floats, float]], labelled: npt.NDArray[np.bool_]) -> Floats:
    """Add standardised signs, each float (N,) with its weight, over the `labelled` images, bool (N,): float32 (N,).

    0 for all other images.
    """
    total = np.zeros(len(labelled), dtype=np.float64)
    for sign, weight in signs:
        seen = sign[labelled].astype(np.float64)
        total[labelled] += weight * (seen - seen.mean()) / max(float(seen.std()), _TINY)
    return total.astype(np.float32)


def read_as_probability(
    suspicion: Floats, likely: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Map suspicions, (N,), to 0..1 without changing their order, so that they add up to about what is `likely`.

    The curve is 1 / (1 + exp(-(a x + b))) with a > 0, fitted by least cross entropy to estimates, float64 (N,), 0..1,
    of which none is taken for quite certain, as Platt does; `weights`, float64 (N,), is how much each counts.
    """
    x = np.stack([suspicion.astype(np.float64), np.ones(len(suspicion))], axis=1)
    count = float(likely.sum())
    target = np.clip(likely, 1 / (len(likely) - count + 2), (count + 1) / (count + 2))
    share = weights / weights.sum()
    start = np.array([1.0, -3.0])

    def loss(curve: npt.NDArray[np.float64]) -> float:
        z = x @ curve
        return float(share @ (np.logaddexp(0, z) - target * z) + 0.5e-4 * ((curve - start) ** 2).sum())

    curve = start.copy()
    for _ in range(100):  # Newton's method; the small penalty keeps the curve finite where the two part cleanly
        value = sigmoid(x @ curve)
        slope = x.T @ (share * (value - target)) + 1e-4 * (curve - start)
        bend = (x * (share * value * (1 - value))[:, None]).T @ x + 1e-4 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while loss(curve - step) > loss(curve) and np.abs(step).max() > _CLOSE:  # far off, a whole step overshoots
            step /= 2
        curve -= step
        if np.abs(step).max() <= _CLOSE:
            break
    curve[0] = max(curve[0], 0.05)
    return sigmoid(x @ curve)


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float64)
