"""What people bring to `rank_label_issues`, checked and brought into one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads.columns import name_columns, read_table
from embedkit.heads.cross_validation import FOLDS
from embedkit.heads.folds import Ints
from embedkit.heads.labels import Labels, encode_groups, encode_labels
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes.vectors import usable

Vectors = npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""Of one space, (N, D), or of several by name."""


@dataclass(frozen=True)
class RankingInput:
    """N images: class numbers, patient groups, and vectors or probabilities or both."""

    labels: Labels
    groups: Ints
    """int64 (N,)."""
    spaces: tuple[Floats, ...]
    """The vectors in each space, float32 (N, D); none where only probabilities are there."""
    probabilities: Floats | None
    """float32 (N, K), as brought along."""
    doubts: tuple[str, ...] = ()
    """What of the input was not believed, one sentence each."""

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.labels.names

    @property
    def codes(self) -> Ints:
        """Class numbers, int64 (N,), -1 for a missing label."""
        return self.labels.codes

    @property
    def checkable(self) -> Flags:
        """Bool (N,): there are other patients' images and other classes to hold the label against."""
        return self._checkable[0]

    @property
    def unchecked(self) -> Flags:
        """Bool (N,): labels that nothing can be held against."""
        return np.asarray((self.codes >= 0) & ~self.checkable, dtype=bool)

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be done, one sentence each."""
        return self.doubts + self._checkable[1]

    @cached_property
    def _checkable(self) -> tuple[Flags, tuple[str, ...]]:
        return find_checkable(self.labels, self.groups)

    def without_labels(self, rows: Flags) -> RankingInput:
        """The same images, with the labels of `rows`, bool (N,), taken for missing ones."""
        return replace(self, labels=replace(self.labels, codes=np.where(rows, -1, self.codes)))


def check_input(
    labels: object,
    vectors: Vectors | None,
    pred_probs: object,
    groups: object,
    classes: object,
) -> RankingInput:
    """Check the input of `rank_label_issues`; raises UsageError as described there."""
    spaces = _list_spaces(vectors)
    if not spaces and pred_probs is None:
        raise UsageError("nothing-to-rank-by", "give vectors, pred_probs, or both")
    columns = name_columns(pred_probs)
    known = encode_labels(labels, classes, others=columns or ())
    numbers, doubts = encode_groups(groups, len(known.codes))
    return RankingInput(
        known,
        numbers,
        tuple(_check_vectors(points, len(known.codes)) for points in spaces),
        None if pred_probs is None else _check_probabilities(pred_probs, columns, known),
        doubts,
    )


def find_checkable(known: Labels, groups: Ints) -> tuple[Flags, tuple[str, ...]]:
    """Which labels another patient's images can speak for or against, bool (N,), and what cannot be checked."""
    labelled = known.codes >= 0
    if not labelled.any():
        return labelled, ("No image has a label: labels cannot be checked and regions cannot be suggested.",)
    met = [name for name, held in zip(known.names, known.counts, strict=True) if held]
    often = [name for name, held in zip(known.names, known.counts, strict=True) if held > 1]
    if len(met) < 2 or len(often) == 1:
        every = f"Every label is {met[0]}" if len(met) < 2 else f"Every label but those of single images is {often[0]}"
        return np.zeros_like(labelled), (f"{every}: with one class labels cannot be checked.",)
    pairs = np.unique(np.stack([known.codes[labelled], groups[labelled]]), axis=1)
    patients = np.bincount(pairs[0], minlength=len(known.names))
    lone = [name for name, held in zip(known.names, patients, strict=True) if held == 1]
    few = [name for name, held in zip(known.names, patients, strict=True) if 1 < held < FOLDS]
    notes = []
    if lone:
        notes.append(f"Labels with images of one patient only cannot be checked: {', '.join(lone)}.")
    if few:
        notes.append(
            f"Labels with images of fewer than {FOLDS} patients are checked, but less surely: {', '.join(few)}."
        )
    return labelled & (patients > 1)[np.maximum(known.codes, 0)], tuple(notes)


def _list_spaces(vectors: Vectors | None) -> list[npt.ArrayLike]:
    if vectors is None:
        return []
    return list(vectors.values()) if isinstance(vectors, Mapping) else [vectors]


def _check_vectors(vectors: npt.ArrayLike, count: int) -> Floats:
    try:
        points = read_table(vectors)
    except ValueError as error:
        raise UsageError("bad-vectors", f"vectors must be numbers of shape ({count}, D)") from error
    if points.ndim != 2 or len(points) != count:
        raise UsageError("bad-vectors", f"vectors must be of shape ({count}, D), one row an image, not {points.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        points = points.astype(np.float32, copy=False)
    if count and not usable(points).all():
        row = int(usable(points).argmin())
        raise UsageError("bad-vectors", f"the vector of image {row} is zero or not finite: leave the image out")
    return points


def _check_probabilities(pred_probs: object, columns: Sequence[str] | None, known: Labels) -> Floats:
    """Probabilities in the order of the classes, float32 (N, K); `columns` are the names of a table that has some."""
    count, names = len(known.codes), known.names
    try:
        table = read_table(pred_probs)
    except ValueError as error:
        raise UsageError("bad-probabilities", f"pred_probs must be numbers of shape ({count}, {len(names)})") from error
    if table.ndim != 2 or len(table) != count:
        raise UsageError("bad-probabilities", f"pred_probs must be of shape ({count}, {len(names)}), not {table.shape}")
    table = table[:, _order_columns(table.shape[1], columns, names)]
    if not np.isfinite(table).all() or (table < 0).any() or not np.allclose(table.sum(axis=1), 1, atol=1e-3):
        raise UsageError("bad-probabilities", "pred_probs must be 0 or more, and each row must add up to 1")
    return table.astype(np.float32)


def _order_columns(width: int, columns: Sequence[str] | None, names: Sequence[str]) -> list[int]:
    """The place of each class's column."""
    if columns is None and width == len(names):
        return list(range(width))
    if columns is None:
        message = f"pred_probs has {width} columns and the labels name {len(names)} classes"
        raise UsageError("bad-probabilities", f"{message}: name the class of each column, in order, with classes=")
    if sorted(columns) != sorted(names):
        odd = sorted({*columns} ^ {*names}) or sorted({name for name in columns if columns.count(name) > 1})
        message = f"pred_probs needs one column for each class, and these differ: {', '.join(odd)}"
        raise UsageError("bad-probabilities", f"{message}; name the classes with classes=")
    return [columns.index(name) for name in names]
