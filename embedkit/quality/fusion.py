"""One score from several signs that a label is wrong.

Each sign is put on one scale (mean 0, deviation 1 over the labelled images) and the signs are added: the order of
suspicion. The sum is then read as a probability by a logistic curve of two parameters (Platt, "Probabilistic outputs
for support vector machines", 1999) fitted to what confident learning flags; it keeps the order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats

_TINY = 1e-6


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


def add_signs(signs: Sequence[Floats], labelled: npt.NDArray[np.bool_]) -> Floats:
    """Add standardised signs, each float (N,), over the `labelled` images, bool (N,): float32 (N,), 0 elsewhere."""
    total = np.zeros(len(labelled), dtype=np.float64)
    for sign in signs:
        seen = sign[labelled].astype(np.float64)
        total[labelled] += (seen - seen.mean()) / max(float(seen.std()), _TINY)
    return total.astype(np.float32)


def read_as_probability(suspicion: Floats, flagged: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Map suspicions, (N,), to 0..1 without changing their order, so that they add up to about the number `flagged`.

    The curve is 1 / (1 + exp(-(a x + b))) with a > 0, fitted by least cross entropy to the flags, bool (N,), which
    are taken for not quite certain, as Platt does.
    """
    x = np.stack([suspicion.astype(np.float64), np.ones(len(suspicion))], axis=1)
    count = int(flagged.sum())
    target = np.where(flagged, (count + 1) / (count + 2), 1 / (len(flagged) - count + 2))
    start = np.array([1.0, -3.0])
    curve = start.copy()
    for _ in range(
        100
    ):  # Newton's method on a convex loss; the small penalty keeps it finite where the two part cleanly
        value = sigmoid(x @ curve)
        slope = x.T @ (value - target) / len(x) + 1e-4 * (curve - start)
        bend = (x * (value * (1 - value))[:, None]).T @ x / len(x) + 1e-4 * np.eye(2)
        step = np.clip(np.linalg.solve(bend, slope), -1, 1)
        curve -= step
        if np.abs(step).max() < 1e-9:
            break
    curve[0] = max(curve[0], 0.05)
    return sigmoid(x @ curve)


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float64)
