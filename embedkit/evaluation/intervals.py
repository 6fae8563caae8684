"""Means over images with their 95% intervals, from a bootstrap over patients.

Images of one patient are right or wrong together, so patients are drawn with replacement, all their images with them
(Field and Welsh, "Bootstrapping clustered data", 2007). Every call with the same seed draws the same patients, so that
methods are compared on the same draws. Where all images are right, or all wrong, there is nothing to draw from: the
interval is then that of Clopper and Pearson over patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.confidence import lower_bound
from embedkit.heads.folds import Ints

DRAWS = 2000
_AT_ONCE = 2_000_000
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over `images` of `patients`, and where it lies with 95% certainty; NaN without images."""

    value: float
    low: float
    high: float
    images: int
    patients: int


def mean_interval(values: npt.ArrayLike, groups: Ints, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The mean of `values`, (M,) in 0..1, of images of patients `groups`, int64 (M,)."""
    values = np.asarray(values, dtype=np.float64)
    patient = np.unique(groups, return_inverse=True)[1]
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, 0, 0)
    totals = np.stack([np.bincount(patient, weights=values), np.bincount(patient).astype(np.float64)], axis=1)
    value = float(values.mean())
    if values.min() == values.max() and value in (0, 1):
        margin = 1 - float(lower_bound(len(totals), len(totals), certainty=0.975))
        low, high = (1 - margin, 1.0) if value else (0.0, margin)
    else:
        drawn = draw_sums(totals, draws, seed)
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975)).tolist()
    return Interval(value, low, high, len(values), len(totals))


def draw_sums(totals: Numbers, draws: int = DRAWS, seed: int = 0) -> Numbers:
    """Sums (draws, C) over patients drawn with replacement, of what each patient adds, (G, C)."""
    rng = np.random.default_rng(seed)
    patients = len(totals)
    sums = np.empty((draws, totals.shape[1]))
    step = max(1, _AT_ONCE // patients)
    for start in range(0, draws, step):
        part = slice(start, min(start + step, draws))
        often = rng.multinomial(patients, np.full(patients, 1 / patients), size=part.stop - start)
        sums[part] = often @ totals
    return sums
