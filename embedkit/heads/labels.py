"""Labels and patient groups as people have them, turned into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedkit.errors import UsageError
from embedkit.heads.columns import WRITTEN_MISSING, Names, read_names
from embedkit.heads.folds import Ints, number_groups

PLACEHOLDER_SHARE = 0.5
PLACEHOLDER_IMAGES = 1000


@dataclass(frozen=True)
class Labels:
    """Class names in order, and the number of each image's class, int64 (N,), -1 where there is no label."""

    names: tuple[str, ...]
    codes: Ints
    numbered: bool = False
    """Whether the labels came as places in `names`, from 0, and not as names."""

    @property
    def counts(self) -> Ints:
        """Images of each class, int64 (K,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    def find(self, names: Names) -> list[int | None]:
        """The number of the class of each name; -1 for a missing one, None for what names no class."""
        number: dict[str | int, int] = {"": -1}
        number.update((name, place) for place, name in enumerate(self.names))
        if self.numbered:
            number.update((place, place) for place in range(len(self.names)))
        return [number.get(name if self.numbered else str(name)) for name in names]


def encode_labels(labels: object, classes: object = None, others: Sequence[str] = ()) -> Labels:
    """Number the labels: text or whole numbers, with None, NaN, "" or a negative number for a missing one.

    `classes` fixes the names and their order; whole numbers that are not among them are then places, from 0. Without
    it the classes are the labels met, and `others`, as scikit-learn sorts them: text by character, digits too, whole
    numbers by value. Raises UsageError `bad-labels` for labels of another kind or not among `classes`, and for numbers
    that could be names as well as places; `bad-classes`.
    """
    fixed = None if classes is None else _read_classes(classes)
    words = WRITTEN_MISSING.difference(map(str, fixed or ()))
    found = [name if isinstance(name, str) or name >= 0 else "" for name in read_names(labels, "labels", words)]
    met = {name for name in found if name != ""}
    numbers = {name for name in met if isinstance(name, int)}
    if fixed is None:
        by_value = numbers == met and all(name.isascii() and name.isdigit() for name in others)
        names = sorted({*map(str, met), *others}, key=int if by_value else str)
        known = Labels(tuple(names), np.empty(0, np.int64))
    else:
        known = Labels(tuple(map(str, fixed)), np.empty(0, np.int64), numbers == met and _are_places(numbers, fixed))
    codes = known.find(found)
    if None in codes:
        raise UsageError("bad-labels", f"labels: that of image {codes.index(None)} is not among the classes given")
    return replace(known, codes=np.array(codes, dtype=np.int64))


def _read_classes(classes: object) -> Names:
    """The names in order, each once; what came as a number stays one."""
    names = read_names(classes, "classes", missing=())
    if "" in names or len({*map(str, names)}) < len(names):
        raise UsageError("bad-classes", "classes must be names that differ, none of them missing")
    return names


def _are_places(numbers: set[int], classes: Names) -> bool:
    """Whether labels that are all whole numbers are places in `classes`, and not their names."""
    names = [str(name) for name in classes]
    named = all(str(number) in names for number in numbers)
    placed = not any(isinstance(name, int) for name in classes) and all(number < len(names) for number in numbers)
    if named and placed and any(names[number] != str(number) for number in numbers):
        raise UsageError("bad-labels", "labels that are numbers may be names or places of these classes: give text")
    return placed and not named


def encode_groups(groups: object, count: int) -> tuple[Ints, tuple[str, ...]]:
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
