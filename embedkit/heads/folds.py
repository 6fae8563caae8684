"""Folds by patient group: no patient on both sides of a split, every class spread as evenly as possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedkit.heads.columns import read_names

Ints = npt.NDArray[np.int64]


def number_groups(groups: object, count: int) -> Ints:
    """Number the patient groups as they are met, int64 (N,); an image without one (None, NaN, "") is one of its own.

    Patients are known by hashes whose key differs from index to index: their order must not decide who is dealt where.
    Raises UsageError `bad-groups` where `groups` is no flat sequence of text or whole numbers.
    """
    if groups is None:
        return np.arange(count, dtype=np.int64)
    number: dict[str | int, int] = {}
    keys = (str(name) if name != "" else row for row, name in enumerate(read_names(groups, "groups")))
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)


def assign_folds(codes: Ints, groups: Ints, folds: int = 5, seed: int = 0) -> Ints:
    """Deal patient groups to folds of like size, int64 (N,) of 0..folds-1; see `assign_parts`."""
    return assign_parts(codes, groups, (1.0,) * folds, seed)


def assign_parts(codes: Ints, groups: Ints, shares: Sequence[float], seed: int = 0) -> Ints:
    """Deal patient groups to parts whose sizes are as `shares`, int64 (N,) of 0..len(shares)-1.

    `codes` are class numbers (N,), -1 where there is no label; `groups` are group numbers (N,). Groups are dealt
    largest first, in an order that `seed` shuffles, to the part that has the fewest images of the group's commonest
    class for its share (Webster's method of apportionment), then the fewest images. A class with groups enough of like
    size so reaches every part in proportion.
    """
    _, groups = np.unique(groups, return_inverse=True)
    sizes = np.bincount(groups)
    common = _commonest_class(codes, groups)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    of_class = {code: [0] * len(shares) for code in set(common.tolist())}
    total = [0] * len(shares)
    part_of = np.zeros(len(sizes), dtype=np.int64)
    for group in order.tolist():
        held, size = of_class[int(common[group])], int(sizes[group])
        part = min(range(len(shares)), key=lambda p: ((held[p] + size / 2) / shares[p], total[p] / shares[p]))
        held[part] += size
        total[part] += size
        part_of[group] = part
    return part_of[groups]


def _commonest_class(codes: Ints, groups: Ints) -> Ints:
    """The class most images of each group have, int64 (G,); the lower number where two are level."""
    span = int(codes.max(initial=0)) + 2
    pairs, counts = np.unique(groups * span + codes + 1, return_counts=True)
    best = np.lexsort((pairs, -counts, pairs // span))
    group, first = np.unique((pairs // span)[best], return_index=True)
    common = np.zeros(len(group), dtype=np.int64)
    common[group] = (pairs % span)[best][first] - 1
    return common
