"""From which confidence on a head may be believed.

Held-out images are put in the order of their confidence. Those above a threshold are a sample of all that will ever be
above it; the threshold sought is the lowest whose sample shows, with 95% certainty, that at least 99% are right
(Clopper and Pearson, Biometrika 1934). Images of one patient are right or wrong together, so patients are counted, and
a patient with one wrong image counts as wrong. 299 patients without an error are the fewest that can show it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags

PRECISION = 0.99
CERTAINTY = 0.95
NEVER = float("inf")


@dataclass(frozen=True)
class Threshold:
    """From `confidence` on, predictions of a region are right in 99 of 100 cases."""

    confidence: float
    """`NEVER` where the held-out images do not show it for any confidence."""
    patients: int
    """Held-out patients with such a prediction at or above `confidence`; all of them where it is `NEVER`."""
    errors: int
    """Patients among them for whom one was wrong."""
    lower: float
    """What is certain of the share that is right; of the best threshold there is where `confidence` is `NEVER`."""

    def facts(self) -> dict[str, float | None]:
        """The same for JSON, which has no infinity: `confidence` is None for `NEVER`."""
        return asdict(self) | {"confidence": None if self.confidence == NEVER else self.confidence}


def find_threshold(confidence: Floats, right: Flags, groups: Ints) -> Threshold:
    """Find the threshold for held-out predictions of one region.

    `confidence` float32 (M,), `right` bool (M,), `groups` int64 (M,) patient numbers.
    """
    if len(confidence) == 0:
        return Threshold(NEVER, 0, 0, 0.0)
    order = np.argsort(-confidence, kind="stable")
    confidence, right, groups = confidence[order], right[order], groups[order]
    patients = np.cumsum(_first_of_each(groups, np.ones(len(groups), dtype=bool)))
    errors = np.cumsum(_first_of_each(groups, ~right))
    lower = lower_bound(patients - errors, patients)
    last_of_ties = np.append(confidence[1:] < confidence[:-1], True)
    enough = np.flatnonzero((lower >= PRECISION) & last_of_ties)
    if len(enough) == 0:
        return Threshold(NEVER, int(patients[-1]), int(errors[-1]), float(lower[last_of_ties].max()))
    end = enough[-1]
    return Threshold(float(confidence[end]), int(patients[end]), int(errors[end]), float(lower[end]))


def find_thresholds(probabilities: Floats, codes: Ints, groups: Ints) -> tuple[Threshold, ...]:
    """Find the threshold of each class for held-out `probabilities`, (N, K), of images of class `codes`, (N,).

    Images without a label (-1) say nothing.
    """
    labelled = np.flatnonzero(codes >= 0)
    named, confidence = probabilities[labelled].argmax(axis=1), probabilities[labelled].max(axis=1)
    right = named == codes[labelled]
    rows = (np.flatnonzero(named == code) for code in range(probabilities.shape[1]))
    return tuple(find_threshold(confidence[of], right[of], groups[labelled][of]) for of in rows)


def lower_bound(right: npt.ArrayLike, count: npt.ArrayLike, certainty: float = CERTAINTY) -> npt.NDArray[np.float64]:
    """The one-sided Clopper-Pearson bound: with `certainty`, at least this share is right."""
    from scipy.stats import beta  # noqa: PLC0415 (slow to import)

    right, count = np.asarray(right), np.asarray(count)
    bound = beta.ppf(1 - certainty, np.maximum(right, 1), count - right + 1)
    return np.asarray(np.where(right > 0, bound, 0.0), dtype=np.float64)


def _first_of_each(groups: Ints, chosen: Flags) -> Flags:
    """Mark the first `chosen` row of every group, bool (M,)."""
    rows = np.flatnonzero(chosen)
    first = np.zeros(len(groups), dtype=bool)
    first[rows[np.unique(groups[rows], return_index=True)[1]]] = True
    return first
