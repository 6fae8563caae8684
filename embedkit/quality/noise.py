"""Which labels are given to which true classes: a noise model, fitted without any true label.

The given label y is seen as drawn from a row of a transition matrix T of the true class k, and the head's out-of-fold
probabilities as what is known of k without the label: p(k | image, y) is proportional to p_k T_ky. T is fitted by
expectation maximisation (as in Dawid and Skene, 1979, with the head in place of the other raters). It learns that
elbows are filed as forearms and hardly ever as skulls, which a margin between probabilities cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats

_ROUNDS = 50
_FIRST_RATE = 0.05
_EVEN_IMAGES = 20
"""How many images of each class are taken to have been seen with errors spread evenly."""
_LEAST_PROBABILITY = 1e-4
_TINY = 1e-12


@dataclass(frozen=True)
class NoiseModel:
    """What the model holds of N labels."""

    transition: npt.NDArray[np.float64]
    """float64 (K, K): the share of each true class (row) that is given each label (column)."""
    wrong: npt.NDArray[np.float64]
    """float64 (N,): the probability that the given label is wrong."""
    log_odds: Floats
    """float32 (N,): the same as log odds, which still tell apart what is all but certain."""


def fit_noise(probabilities: Floats, codes: Ints) -> NoiseModel:
    """Fit the model to out-of-fold probabilities, (N, K), and given class numbers, int64 (N,), 0 or more; K at least 2.

    Where a class has few images, its row leans towards errors that are spread evenly, at the rate of all classes.
    """
    count, classes = probabilities.shape
    belief = np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY)
    transition = _spread_evenly(_FIRST_RATE, classes)
    for _ in range(_ROUNDS):
        joint = belief * transition[:, codes].T  # (N, K), of the true class
        joint /= joint.sum(axis=1, keepdims=True)
        pairs = np.stack([np.bincount(codes, joint[:, true], minlength=classes) for true in range(classes)])
        rate = 1 - float(np.trace(pairs)) / count
        known = pairs + _EVEN_IMAGES * _spread_evenly(rate, classes)
        transition = known / known.sum(axis=1, keepdims=True)
    joint = belief * transition[:, codes].T
    own = joint[np.arange(count), codes]
    other = joint.sum(axis=1) - own
    odds = np.log(np.maximum(other, _TINY)) - np.log(np.maximum(own, _TINY))
    return NoiseModel(transition, np.maximum(other, 0) / (other + own), odds.astype(np.float32))


def _spread_evenly(rate: float, classes: int) -> npt.NDArray[np.float64]:
    """The transition matrix of errors at one rate, to any other class alike."""
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix
