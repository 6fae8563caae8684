"""What contradicts itself: images of one study that look the same and are labelled differently, and headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.heads.folds import Ints
from embedkit.heads.neighbours import Flags
from embedkit.quality.ranking import LabelRanking

HEADER_DOUBT = 0.5
"""How likely the one of two claims is wrong of which nothing is known but that the other one says something else."""
_HEADER_NOTES = {"laterality-differs": "side", "view-differs": "view"}


@dataclass(frozen=True)
class StudyConflict:
    """An image whose label and that of others in its study cannot both be right."""

    row: int
    others: tuple[int, ...]
    """Rows of the images in its study that look the same and have another label, int."""
    score: float
    """How likely its label is the wrong one, 0..1."""


def find_study_conflicts(labels: LabelRanking, studies: Sequence[str], among: Flags) -> Iterator[StudyConflict]:
    """Find images of one study that show one region, more likely than not, under two labels.

    That two images show the same region has the probability sum of p_k q_k, as their out-of-fold probabilities have it.
    Which label is the wrong one is weighed by the scores of the two; the image that is likelier wrong is named.

    Parameters
    ----------
    studies
        The Study Instance UID of each of the N images, "" for none.
    among
        bool (N,): the images that are compared; others are listed already.
    """
    for rows in _group_studies(labels, studies, among):
        same = labels.probabilities[rows] @ labels.probabilities[rows].T
        score = np.maximum(labels.score[rows], 1e-6)
        conflict = np.where(labels.given[rows][:, None] != labels.given[rows], same, 0)
        blamed = conflict * score[:, None] / (score[:, None] + score)
        blamed[(conflict <= 0.5) | (score[:, None] < score)] = 0
        for place in np.flatnonzero(blamed.any(axis=1)).tolist():
            others = tuple(rows[blamed[place] > 0].tolist())
            yield StudyConflict(int(rows[place]), others, float(blamed[place].max()))


def _group_studies(labels: LabelRanking, studies: Sequence[str], among: Flags) -> Iterator[Ints]:
    """The rows of each study that has labels of several regions among its images."""
    _, study = np.unique(np.asarray(studies, dtype=str), return_inverse=True)
    known = among & (labels.given >= 0) & np.array([uid != "" for uid in studies], dtype=bool)
    rows = np.flatnonzero(known)[np.argsort(study[known], kind="stable")]
    for members in np.split(rows, np.flatnonzero(np.diff(study[rows])) + 1):
        if len(members) > 1 and len(np.unique(labels.given[members])) > 1:
            yield members


def name_header_conflict(notes: Sequence[str]) -> str:
    """What the notes of an image say that its header claims twice and differently, in a sentence; "" for nothing."""
    named = [word for note, word in _HEADER_NOTES.items() if note in notes]
    return f"Its header names one {' and '.join(named)} in one place and another in another." if named else ""
