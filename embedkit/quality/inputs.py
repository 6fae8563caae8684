"""What people bring to `rank_label_issues`, checked and brought into one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
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

    classes: tuple[str, ...]
    codes: Ints
    """int64 (N,), -1 for a missing label."""
    groups: Ints
    """int64 (N,)."""
    spaces: tuple[Floats, ...]
    """The vectors in each space, float32 (N, D); none where only probabilities are there."""
    probabilities: Floats | None
    """float32 (N, K), as brought along."""
    checkable: Flags
    """bool (N,): there are other patients' images and other classes to hold the label against."""
    notes: tuple[str, ...]
    """What cannot be done, one sentence each."""


def check_input(
    labels: npt.ArrayLike,
    vectors: Vectors | None,
    pred_probs: npt.ArrayLike | None,
    groups: npt.ArrayLike | None,
    classes: Sequence[str] | None,
) -> RankingInput:
    """Check the input of `rank_label_issues`; raises UsageError as described there."""
    if vectors is None and pred_probs is None:
        raise UsageError("nothing-to-rank-by", "give vectors, pred_probs, or both")
    known = encode_labels(labels, classes)
    numbers, notes = encode_groups(groups, len(known.codes))
    checkable, more = find_checkable(known, numbers)
    return RankingInput(
        known.names,
        known.codes,
        numbers,
        tuple(_check_vectors(points, len(known.codes)) for points in _list_spaces(vectors)),
        None if pred_probs is None else _check_probabilities(pred_probs, known),
        checkable,
        (*notes, *more),
    )


def find_checkable(known: Labels, groups: Ints) -> tuple[Flags, tuple[str, ...]]:
    """Which labels another patient's images can speak for or against, bool (N,), and what cannot be checked."""
    labelled = known.codes >= 0
    if not labelled.any():
        return labelled, ("No image has a label: labels cannot be checked and regions cannot be suggested.",)
    met = [name for name, held in zip(known.names, known.counts, strict=True) if held]
    if len(met) < 2:
        return np.zeros_like(labelled), (f"Every label is {met[0]}: with one class labels cannot be checked.",)
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
    points = np.asarray(vectors)
    if points.dtype.kind not in "fiu" or points.ndim != 2 or len(points) != count:
        raise UsageError("bad-vectors", f"vectors must be numbers of shape ({count}, D)")
    points = points.astype(np.float32, copy=False)
    if count and not usable(points).all():
        raise UsageError("bad-vectors", "a vector is zero or not finite: leave its image out")
    return points


def _check_probabilities(pred_probs: npt.ArrayLike, known: Labels) -> Floats:
    table = np.asarray(pred_probs)
    if table.dtype.kind not in "fiu" or table.shape != (len(known.codes), len(known.names)):
        raise UsageError(
            "bad-probabilities", f"pred_probs must be numbers of shape ({len(known.codes)}, {len(known.names)})"
        )
    if not np.isfinite(table).all() or (table < 0).any() or not np.allclose(table.sum(axis=1), 1, atol=1e-3):
        raise UsageError("bad-probabilities", "pred_probs must be 0 or more, and each row must add up to 1")
    return table.astype(np.float32)
