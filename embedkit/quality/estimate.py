"""How many images are wrong in all, how many of them a review of the first so many finds, and where it stops paying.

The scores are probabilities, so they add up to the number to expect. How far it may be off comes from the chance of
each image (a Poisson binomial), from how much two estimates of the number of wrong labels differ, and from what
calibration without any verdict leaves open: 15% of what is not reviewed yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.heads.neighbours import Flags
from embedkit.quality.pictures import Numbers

FIRST = (50, 100, 200)
WORTH_IT = 0.1
"""The chance of an error below which the next image is hardly worth an expert's time."""
_DEVIATIONS = 1.96
_UNCERTAINTY = 0.15


@dataclass(frozen=True)
class ErrorEstimate:
    """Estimated label errors: wrong labels, images of no region, unusable ones."""

    expected: float
    low: int
    high: int
    """`low` to `high` hold the true number in about 19 of 20 archives."""
    among_first: dict[int, float]
    """How many to expect among the first 50, 100 and 200 by score that nobody has judged yet."""
    worth_reviewing: int
    """Images that nobody has judged yet with a chance of one in ten or more: after them, reviewing stops paying."""
    disagreement: float = 0.0
    """By how much two estimates of the number of wrong labels differ."""

    def __str__(self) -> str:
        """The estimate in a sentence."""
        first = ", ".join(f"{found:.0f} among the first {count}" for count, found in self.among_first.items())
        return (
            f"Estimated label errors: {self.expected:.0f} (95% interval {self.low:,} to {self.high:,}): {first}. "
            f"After {self.worth_reviewing:,} images fewer than one in ten is."
        )


def estimate_errors(scores: Numbers, settled: Flags, disagreement: float) -> ErrorEstimate:
    """Add up scores, float64 (N,), 0..1.

    Parameters
    ----------
    settled
        bool (N,): images that a person has judged, whose score is 0 or 1.
    disagreement
        By how much two estimates of the number of wrong labels differ.
    """
    falling, known = -np.sort(-scores[~settled]), float(scores[settled].sum())
    expected, chance = float(falling.sum()), float((falling * (1 - falling)).sum())
    spread = _DEVIATIONS * float(np.sqrt(chance + (disagreement / 2) ** 2 + (_UNCERTAINTY * expected) ** 2))
    return ErrorEstimate(
        known + expected,
        int(np.floor(known + max(expected - spread, 0))),
        int(np.ceil(known + min(expected + spread, len(falling)))),
        {first: float(falling[:first].sum()) for first in FIRST},
        int(np.count_nonzero(falling >= WORTH_IT)),
        disagreement,
    )
