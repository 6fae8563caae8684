"""What people said of some of the images, for the scores to be right about those and fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embedkit.errors import UsageError
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
    def foreign(self) -> Flags:
        """Judged to be of none of the classes, bool (N,)."""
        return self.known & (self.codes < 0)

    def correct(self, flagged: Flags) -> Flags:
        """Put flags of wrong labels, bool (N,), right where a person has judged."""
        return np.where(self.known, self.wrong, flagged)


def read_verdicts(data: RankingInput, reviewed: Mapping[int, str]) -> Verdicts:
    """Read verdicts: by row the class that the image is of, "" (or a class that no image was given) for none of them.

    Raises UsageError ``bad-review`` for a row that is not there.
    """
    count = len(data.codes)
    rows = np.array(list(reviewed), dtype=np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise UsageError("bad-review", f"a verdict is on a row that is not among the {count} images")
    number = {name: code for code, name in enumerate(data.classes)}
    known, codes = np.zeros(count, dtype=bool), np.full(count, -1, dtype=np.int64)
    known[rows] = True
    codes[rows] = [number.get(region, -1) for region in reviewed.values()]
    return Verdicts(known, codes, known & (data.codes >= 0) & (codes != data.codes))
