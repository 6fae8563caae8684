"""The images that can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads.folds import Ints
from embedkit.heads.labels import encode_groups, encode_labels

LEAST_PATIENTS = 5
"""Of a region, below which nothing is said of it."""


@dataclass(frozen=True)
class Labelled:
    """The images that can be judged: N rows of the vectors, with class numbers and patient numbers, int64 (N,)."""

    rows: Ints
    codes: Ints
    groups: Ints
    patients: Ints
    """Of all images, labelled or not; -1 where the label was left out."""
    regions: tuple[str, ...]
    notes: tuple[str, ...]


def select_labelled(labels: npt.ArrayLike, groups: npt.ArrayLike | None, without: Sequence[str] = ()) -> Labelled:
    """Leave out images without a label, those `without` which it is to be done, and regions of too few patients.

    Raises UsageError `too-few-labels` where fewer than two regions are left.
    """
    known = encode_labels(labels)
    patients, notes = encode_groups(groups, len(known.codes))
    pairs = np.unique(np.stack([known.codes, patients])[:, known.codes >= 0], axis=1)
    counts = np.bincount(pairs[0], minlength=len(known.names))
    unknown = sorted({*without} - {*known.names})
    if unknown:
        raise UsageError("unknown-region", f"no image has the region {', '.join(unknown)}")
    few = [name for name, count in zip(known.names, counts, strict=True) if 0 < count < LEAST_PATIENTS]
    names = [name for name in known.names if name not in without and name not in few]
    if len(names) < 2:
        raise UsageError(
            "too-few-labels", f"two regions with labelled images of {LEAST_PATIENTS} patients each are needed"
        )
    if few:
        notes = (*notes, f"Left out for images of fewer than {LEAST_PATIENTS} patients: {', '.join(few)}.")
    number = np.array([names.index(name) if name in names else -1 for name in (*known.names, "")], dtype=np.int64)
    codes = number[known.codes]
    rows = np.flatnonzero(codes >= 0)
    groups_of_rows = np.unique(patients[rows], return_inverse=True)[1]
    seen = np.where((known.codes >= 0) & (codes < 0), -1, patients)
    return Labelled(rows, codes[rows], groups_of_rows, seen, tuple(names), notes)
