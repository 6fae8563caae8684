"""Confusion matrices: which label met which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.report.table import Table
from embedkit.review.decision import OUT_OF_DOMAIN, UNUSABLE

NO_LABEL = "no label"
_LAST = (OUT_OF_DOMAIN, UNUSABLE, NO_LABEL)


@dataclass(frozen=True)
class Confusion:
    """Images by the label of the row and the label of the column, or how their numbers changed."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Ints
    """int64 (rows, columns)."""

    def __sub__(self, other: Confusion) -> Confusion:
        """The change from `other` to this one."""
        rows, columns = (_in_order({*a, *b}) for a, b in ((self.rows, other.rows), (self.columns, other.columns)))
        return Confusion(rows, columns, self._spread(rows, columns) - other._spread(rows, columns))

    def without_zeros(self) -> Confusion:
        """The same without rows and columns of zeros."""
        down, across = (np.flatnonzero(self.counts.any(axis=axis)) for axis in (1, 0))
        rows, columns = tuple(self.rows[row] for row in down), tuple(self.columns[column] for column in across)
        return Confusion(rows, columns, self.counts[np.ix_(down, across)])

    def as_table(self, name: str, title: str, corner: str) -> Table:
        """The counts as a table; `corner` says what rows and columns are."""
        counts = zip(self.rows, self.counts.tolist(), strict=True)
        return Table(name, title, (corner, *self.columns), tuple((row, *values) for row, values in counts))

    def _spread(self, rows: Sequence[str], columns: Sequence[str]) -> Ints:
        """The counts among more labels."""
        counts = np.zeros((len(rows), len(columns)), np.int64)
        places = [rows.index(row) for row in self.rows], [columns.index(column) for column in self.columns]
        counts[np.ix_(*places)] = self.counts
        return counts


def confuse(rows: Sequence[str], columns: Sequence[str]) -> Confusion:
    """Count the pairs of two labels of each of N images; "" counts as `NO_LABEL`."""
    down, across = ([label or NO_LABEL for label in labels] for labels in (rows, columns))
    row_names, column_names = _in_order({*down}), _in_order({*across})
    row_of, column_of = ({name: place for place, name in enumerate(names)} for names in (row_names, column_names))
    counts = np.zeros((len(row_names), len(column_names)), np.int64)
    np.add.at(counts, ([row_of[label] for label in down], [column_of[label] for label in across]), 1)
    return Confusion(row_names, column_names, counts)


def _in_order(labels: set[str]) -> tuple[str, ...]:
    """Regions by name, then what is none."""
    return (*sorted(labels - {*_LAST}), *(label for label in _LAST if label in labels))
