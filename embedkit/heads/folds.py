"""Folds by patient group: no patient on both sides of a split, every class spread as evenly as possible."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def number_groups(groups: npt.ArrayLike | None, count: int) -> Ints:
    """Number the patient groups from 0, int64 (N,). An image without a group ("" or None) is a group of its own."""
    if groups is None:
        return np.arange(count, dtype=np.int64)
    names = np.array(["" if group is None else str(group) for group in np.asarray(groups, dtype=object)], dtype=str)
    _, numbers = np.unique(names, return_inverse=True)
    alone = names == ""
    numbers = numbers.astype(np.int64)
    numbers[alone] = len(names) + np.arange(np.count_nonzero(alone))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def assign_folds(codes: Ints, groups: Ints, folds: int = 5, seed: int = 0) -> Ints:
    """Deal patient groups to folds, int64 (N,) of 0..folds-1.

    `codes` are class numbers (N,), -1 where there is no label; `groups` are group numbers (N,). Groups are dealt
    largest first, in an order that `seed` shuffles, to the fold that has the fewest images of the group's commonest
    class, then the fewest images. A class with at least `folds` groups of like size so reaches every fold.
    """
    _, groups = np.unique(groups, return_inverse=True)
    sizes = np.bincount(groups)
    common = _commonest_class(codes, groups)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    of_class = {code: [0] * folds for code in set(common.tolist())}
    total = [0] * folds
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    for group in order.tolist():
        held, size = of_class[int(common[group])], int(sizes[group])
        fold = min(range(folds), key=lambda f: (held[f], total[f]))
        held[fold] += size
        total[fold] += size
        fold_of[group] = fold
    return fold_of[groups]


def _commonest_class(codes: Ints, groups: Ints) -> Ints:
    """The class most images of each group have, int64 (G,); the lower number where two are level."""
    span = int(codes.max(initial=0)) + 2
    pairs, counts = np.unique(groups * span + codes + 1, return_counts=True)
    best = np.lexsort((pairs, -counts, pairs // span))
    group, first = np.unique((pairs // span)[best], return_index=True)
    common = np.zeros(len(group), dtype=np.int64)
    common[group] = (pairs % span)[best][first] - 1
    return common
