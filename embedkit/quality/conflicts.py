"""What contradicts itself: images of one study that look the same and are labelled differently, and headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.quality.ranking import LabelRanking

HEADER_DOUBT = 0.5
"""How likely the one of two claims is wrong of which nothing is known but that the other one says something else."""
_HEADER_NOTES = {"laterality-differs": "side", "view-differs": "view"}
_LEAST_DOUBT = 0.2
"""The score from which a label is held to be the wrong one of two. On six dumps of 600 real radiographs 15 of 31 labels
listed so were wrong, and 5 of 29 whose score was lower."""


def find_study_conflicts(
    labels: LabelRanking, studies: Sequence[str], among: Flags
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Find images of one study that show one region, more likely than not, under two labels.

    Yields the row of an image whose label is likelier the wrong one, and those of the images that contradict it.

    That two images show the same region has the probability sum of p_k q_k, as their out-of-fold probabilities have it.
    Of the two the one with the higher score is named, where that is 0.2 or more.

    Parameters
    ----------
    studies
        The Study Instance UID of each of the N images, "" for none.
    among
        bool (N,): the images that are compared; others are listed already.
    """
    for rows in _group_studies(labels, studies, among):
        score = labels.score[rows]
        conflict = labels.probabilities[rows] @ labels.probabilities[rows].T > 0.5
        conflict &= labels.given[rows][:, None] != labels.given[rows]
        conflict &= (score[:, None] >= score) & (score[:, None] >= _LEAST_DOUBT)
        for place in np.flatnonzero(conflict.any(axis=1)).tolist():
            yield int(rows[place]), tuple(rows[conflict[place]].tolist())


def _group_studies(labels: LabelRanking, studies: Sequence[str], among: Flags) -> Iterator[Ints]:
    """The rows of each study that has labels of several regions among its images."""
    study = pa.array(studies, pa.string()).dictionary_encode().indices.to_numpy()
    known = among & (labels.given >= 0) & np.array([uid != "" for uid in studies], dtype=bool)
    rows = np.flatnonzero(known)[np.argsort(study[known], kind="stable")]
    for members in np.split(rows, np.flatnonzero(np.diff(study[rows])) + 1):
        if len(members) > 1 and len(np.unique(labels.given[members])) > 1:
            yield members


def name_header_conflict(notes: Sequence[str]) -> str:
    """What the notes of an image say that its header claims twice and differently, in a sentence; "" for nothing."""
    named = [word for note, word in _HEADER_NOTES.items() if note in notes]
    return f"Its header names one {' and '.join(named)} in one place and another in another." if named else ""
