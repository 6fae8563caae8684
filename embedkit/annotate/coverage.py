"""Choosing points that stand for all others: greedy maximisation of the facility location function.

Every point is worth its weight times the cosine to the nearest chosen point, 0 where that is less than 0. The greedy
choice comes within 1 - 1/e of the best one (Nemhauser, Wolsey and Fisher, 1978), and each choice is the start of every
longer one: who stops early has still chosen well. A point's gain can only fall, so most need not be worked out again
(Minoux, "Accelerated greedy algorithms", 1978). Memory is some hundred rows of cosines, never all of them.
"""

from __future__ import annotations

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.indexes.vectors import unit
from embedkit.quality.pictures import Numbers

_AT_ONCE = 64
_SAME = np.float32(1e-5)
"""A cosine that is higher by less is rounding, not gain."""


def choose_by_coverage(points: Floats, budget: int, weights: Floats, reached: Floats) -> Ints:
    """Choose at most `budget` of the points, int64 (B,), the most worth first; fewer where the rest adds nothing.

    Parameters
    ----------
    points
        float32 (N, D), none zero.
    weights
        float32 (N,), 0 or more: what it is worth to come near to each point.
    reached
        float32 (N,): the cosine of each point to the nearest one that need not be chosen any more, 0 for none.
    """
    directions = unit(points)
    reached = reached + _SAME
    bound = np.concatenate(
        [
            _gains(directions, np.arange(start, min(start + _AT_ONCE, len(points))), weights, reached)
            for start in range(0, len(points), _AT_ONCE)
        ]
        or [np.empty(0)]
    )
    chosen: list[int] = []
    while len(chosen) < min(budget, len(points)):
        best = _find_best(directions, weights, reached, bound)
        if bound[best] <= 0:
            break
        chosen.append(best)
        np.maximum(reached, directions @ directions[best] + _SAME, out=reached)
        bound[best] = 0
    return np.array(chosen, dtype=np.int64)


def _find_best(directions: Floats, weights: Floats, reached: Floats, bound: Numbers) -> int:
    """Find the point of the highest gain, bringing `bound`, float64 (N,), down to the gain of those looked at."""
    fresh = np.zeros(len(bound), dtype=bool)
    while True:
        best = int(bound.argmax())
        if fresh[best] or bound[best] <= 0:
            return best
        first = np.argpartition(-bound, min(_AT_ONCE, len(bound)) - 1)[:_AT_ONCE]
        rows = np.sort(first[~fresh[first]])
        bound[rows] = _gains(directions, rows, weights, reached)
        fresh[rows] = True


def _gains(directions: Floats, rows: Ints, weights: Floats, reached: Floats) -> Numbers:
    """What each of `rows` would add, float64 (M,)."""
    nearer = np.maximum(directions[rows] @ directions.T - reached, 0)
    return np.asarray(nearer @ weights, dtype=np.float64)
