"""Labels and patient groups as people have them, turned into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads.folds import Ints, number_groups

PLACEHOLDER_SHARE = 0.5
PLACEHOLDER_IMAGES = 1000


@dataclass(frozen=True)
class Labels:
    """Class names in order, and the number of each image's class, int64 (N,), -1 where there is no label."""

    names: tuple[str, ...]
    codes: Ints

    @property
    def counts(self) -> Ints:
        """Images of each class, int64 (K,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


def encode_labels(labels: npt.ArrayLike, classes: Sequence[str] | None = None) -> Labels:
    """Number the labels: strings or integers, with None, "", NaN or a negative number for a missing one.

    `classes` fixes the names and their order; without it they are the labels met, sorted (integers by value).
    Raises UsageError `bad-labels` for labels of another kind or not among `classes`.
    """
    values = np.asarray(labels)
    if values.ndim != 1:
        raise UsageError("bad-labels", "labels must be a flat sequence, one an image")
    if values.dtype.kind not in "iuUOf" and values.size:
        raise UsageError("bad-labels", "labels must be text or whole numbers")
    texts = [_as_text(value) for value in values.tolist()]
    names = list(classes) if classes is not None else sorted({text for text in texts if text}, key=_by_value)
    number = {name: place for place, name in enumerate(names)} | {"": -1}
    if classes is not None and values.dtype.kind in "iu":
        number |= {str(place): place for place in range(len(names)) if str(place) not in number}
    try:
        codes = np.array([number[text] for text in texts], dtype=np.int64)
    except KeyError:
        raise UsageError("bad-labels", "a label is not among the classes given") from None
    return Labels(tuple(names), codes)


def encode_groups(groups: npt.ArrayLike | None, count: int) -> tuple[Ints, tuple[str, ...]]:
    """Number the patient groups, int64 (N,), and say what was not believed.

    A group that holds half of the images, or more than a thousand, is a placeholder such as "ANONYMOUS" and no patient:
    its images count as images of different patients.
    """
    numbers = number_groups(groups, count)
    if len(numbers) != count:
        raise UsageError("bad-groups", f"{len(numbers)} groups for {count} images: give one for each image")
    sizes = np.bincount(numbers, minlength=1)
    placeholder = ((sizes >= max(2, PLACEHOLDER_SHARE * count)) | (sizes > PLACEHOLDER_IMAGES))[numbers]
    if not placeholder.any():
        return numbers, ()
    numbers = np.where(placeholder, len(sizes) + np.arange(count), numbers)
    held = np.count_nonzero(placeholder)
    note = f"A patient id shared by very many images ({held} in all) was not taken for one patient."
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64), (note,)


def _as_text(value: object) -> str:
    """The label as text, "" where it is missing."""
    if value is None or value != value or value == "":  # noqa: PLR0124 (NaN is not itself)
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError("bad-labels", "labels must be text or whole numbers")
    if isinstance(value, str):
        return value
    if value != int(value):
        raise UsageError("bad-labels", "labels must be text or whole numbers")
    return "" if value < 0 else str(int(value))


def _by_value(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isascii() and name.isdigit() else (-1, name)
