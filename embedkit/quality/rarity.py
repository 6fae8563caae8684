"""Labels that stand on one image only: nothing can speak for or against them, and a slip of the pen makes such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from embedkit.dicom.spelling import fold
from embedkit.labels.vocabulary import Vocabulary

_FEW_IMAGES = 20
"""As many as a study has: a slip of the pen is often on each of them."""
_MOST_SLIPS = 200
"""More labels of few images are no slips of the pen but free text: what they resemble is not looked for."""
_LIKENESS = 0.8
"""Of `difflib`: "kneee" and "knee" have 0.89, "hand" and "head" 0.75."""
_MISSPELT, _RARE = 0.9, 0.5


@dataclass(frozen=True)
class RareLabel:
    """A label that no other patient's image has."""

    label: str
    resembles: str
    """The region whose name it seems to be mistyped from; "" for none."""

    @property
    def doubt(self) -> float:
        """How likely the label is wrong, 0..1; of one that resembles none nobody can tell."""
        return _MISSPELT if self.resembles else _RARE

    def __str__(self) -> str:
        """The reason why it is listed, in a sentence."""
        spelling = f"; it may be {self.resembles}, mistyped" if self.resembles else ": nothing can speak for it"
        return f"No other patient's image is labelled {self.label}{spelling}."


def find_rare_labels(labels: Sequence[str], patients: Sequence[str]) -> dict[int, RareLabel]:
    """Find labels of a single image, and those mistyped on a few images of one patient; by row.

    `labels` and `patients` are N texts, "" for a missing one. Where no label stands on two images, none is rare.
    """
    counts = Counter(label for label in labels if label)
    few = {label: list[int]() for label, count in counts.items() if count <= _FEW_IMAGES}
    if max(counts.values(), default=0) < 2 or not few:
        return {}
    for row, label in enumerate(labels):
        if label in few:
            few[label].append(row)
    vocabulary = Vocabulary.load()
    found: dict[int, RareLabel] = {}
    for label, rows in few.items():
        if len(rows) > 1 and (not patients[rows[0]] or len({patients[row] for row in rows}) > 1):
            continue
        commoner = [name for name, count in counts.items() if count > len(rows)]
        resembles = _find_resembling(label, commoner, vocabulary) if len(few) <= _MOST_SLIPS else ""
        if len(rows) == 1 or resembles:
            found |= dict.fromkeys(rows, RareLabel(label, resembles))
    return found


def _find_resembling(label: str, commoner: Sequence[str], vocabulary: Vocabulary) -> str:
    """The commoner label, else the region of the vocabulary, that a label may be mistyped from; "" for none."""
    if label in vocabulary.names:
        return ""
    spellings = {fold(name): name for name in commoner}
    near = get_close_matches(fold(label), spellings, n=1, cutoff=_LIKENESS)
    if near:
        return spellings[near[0]]
    meant = vocabulary.region_of_spelling(vocabulary.nearest_spelling(label, cutoff=_LIKENESS))
    return meant if meant != label else ""
