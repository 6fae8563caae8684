"""Who is judged by whom: every image by heads that saw no image of its patient.

Either one split as in the paper (64% to train, 16% to calibrate, 20% to test), or folds, so that every image is
judged once. Both are lists of rounds, and nothing after this asks which of the two it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.heads import assign_folds, assign_parts
from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags

SHARES = (0.64, 0.16, 0.2)
"""To train, to calibrate, to test (paper, section 3.1)."""


@dataclass(frozen=True)
class Round:
    """One fit: bool (N,) each. The head of `train` scores all other rows."""

    train: Flags
    calibration: Flags
    """Whose scores, each by a head that did not see it, teach the temperature."""
    test: Flags


def plan_split(codes: Ints, groups: Ints, seed: int = 0) -> list[Round]:
    """Split labelled images, codes int64 (N,), by patient group, stratified as far as the groups allow."""
    part = assign_parts(codes, groups, SHARES, seed)
    return [Round(part == 0, part == 1, part == 2)]


def plan_folds(codes: Ints, groups: Ints, folds: int, seed: int = 0) -> list[Round]:
    """Test each fold by the others; its temperature is that of the scores which the others got out of fold."""
    fold_of = assign_folds(codes, groups, folds, seed)
    return [Round(fold_of != fold, fold_of != fold, fold_of == fold) for fold in range(folds)]


def judged_rows(rounds: list[Round]) -> Ints:
    """The rows that some round tests, ascending, int64 (M,)."""
    return np.flatnonzero(np.any([judged.test for judged in rounds], axis=0))
