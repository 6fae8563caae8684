"""What people said of some of the images, for the scores to be right about those and fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from embedkit.errors import UsageError
from embedkit.heads.columns import read_name
from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.quality.inputs import RankingInput


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on N images."""

    known: Flags
    """bool (N,): a person has judged the image."""
    codes: Ints
    """int64 (N,): the class it is of; -1 for none of the classes, or where nobody has judged."""
    wrong: Flags
    """bool (N,): judged, and not of the class that it was given."""

    @property
    def out_of_domain(self) -> Flags:
        """Judged to be of none of the classes, bool (N,)."""
        return self.known & (self.codes < 0)

    def correct(self, flagged: Flags) -> Flags:
        """Put flags of wrong labels, bool (N,), right where a person has judged."""
        return np.where(self.known, self.wrong, flagged)


def read_verdicts(data: RankingInput, reviewed: Mapping[int, object]) -> Verdicts:
    """Read verdicts: by row the class that the image is of, "" for none of them.

    Raises UsageError ``bad-review`` for a row that is not there, and for what names no class.
    """
    count = len(data.codes)
    if not isinstance(reviewed, Mapping) or not all(isinstance(row, Integral) for row in reviewed):
        raise UsageError("bad-review", "reviewed must be a mapping from the row of an image to its class")
    rows = np.array([int(row) for row in reviewed], dtype=np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise UsageError("bad-review", f"a verdict is on a row that is not among the {count} images")
    names = [read_name(said, "review") for said in reviewed.values()]
    codes = np.full(count, -1, dtype=np.int64)
    for row, said, name, code in zip(rows.tolist(), reviewed.values(), names, data.labels.find(names), strict=True):
        if code is None or (name == "" and not isinstance(said, str)):
            message = f'the verdict on row {row} names no class: it must be one of them, or "" for none of them'
            raise UsageError("bad-review", message)
        codes[row] = code
    known = np.isin(np.arange(count), rows)
    return Verdicts(known, codes, known & (data.codes >= 0) & (codes != data.codes))
