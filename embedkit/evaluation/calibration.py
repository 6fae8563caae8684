"""Whether probabilities mean what they say: reliability and calibration error (Guo et al., arXiv 1706.04599)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.evaluation.intervals import DRAWS, Interval, Numbers, draw_sums, mean_interval
from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence lies between two fifteenths: what was promised, and what was kept."""

    confidence: float
    """Mean."""
    accuracy: Interval


@dataclass(frozen=True)
class Calibration:
    """One method's confidence against its accuracy; the error is the mean gap of the bins, weighted by their images."""

    method: str
    temperature: float
    before: Interval
    """Expected calibration error of the head as fitted."""
    after: Interval
    """The same after temperature scaling."""
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]


def calibration_error(confidence: Floats, right: Flags, groups: Ints, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Expected calibration error over 15 bins of equal width, with its interval from a bootstrap over patients.

    `confidence` float32 (M,), `right` bool (M,), `groups` int64 (M,). A drawn error is larger than that of all images
    by what chance adds to each gap; the interval is therefore reflected around the value (the basic bootstrap).
    """
    patient = np.unique(groups, return_inverse=True)[1]
    gaps = np.zeros((int(patient.max(initial=-1)) + 1, BINS))
    np.add.at(gaps, (patient, bin_of(confidence)), right - confidence.astype(np.float64))
    if not len(gaps):
        return Interval(np.nan, np.nan, np.nan, 0, 0)
    value = float(np.abs(gaps.sum(axis=0)).sum() / len(confidence))
    drawn = draw_sums(np.column_stack([gaps, np.bincount(patient)]), draws, seed)
    errors: Numbers = np.abs(drawn[:, :BINS]).sum(axis=1) / drawn[:, BINS]
    low, high = np.quantile(errors, (0.025, 0.975)).tolist()
    return Interval(value, max(0.0, 2 * value - high), max(value, 2 * value - low), len(confidence), len(gaps))


def reliability(confidence: Floats, right: Flags, groups: Ints, *, seed: int = 0) -> tuple[ReliabilityBin, ...]:
    """The bins that hold images, from the least confident on; arguments as of `calibration_error`."""
    number = bin_of(confidence)
    members = (np.flatnonzero(number == place) for place in range(BINS))
    return tuple(
        ReliabilityBin(float(confidence[rows].mean()), mean_interval(right[rows], groups[rows], seed=seed))
        for rows in members
        if len(rows)
    )


def bin_of(confidence: Floats) -> Ints:
    """The number, 0 to 14, of the bin of each confidence; a bin includes its upper end."""
    place = np.ceil(confidence.astype(np.float64) * BINS) - 1
    return np.asarray(np.clip(place, 0, BINS - 1), dtype=np.int64)
