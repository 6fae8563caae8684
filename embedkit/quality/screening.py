"""Labels ranked twice: the second time without the images that belong to no label.

A chest filed under "hand" says nothing about hands. Once the foreign images are known, their labels are taken away,
and the rest is ranked by heads and neighbours that are not misled by them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.heads import Search, build_search
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.quality.outliers import LEAST_IMAGES, score_out_of_domain
from embedkit.quality.pictures import Numbers
from embedkit.quality.ranking import LabelRanking, rank_label_issues


@dataclass(frozen=True)
class Screening:
    """The ranking of the labels that mean something, and what is foreign among N images."""

    labels: LabelRanking
    """Of foreign images the label counts as missing."""
    foreign: Numbers
    """float64 (N,), 0..1: how sure it is that the image is of no region among the labels."""
    notes: tuple[str, ...]


def screen_labels(
    labels: npt.ArrayLike,
    vectors: Floats,
    groups: npt.ArrayLike | None,
    *,
    search: Search | None = None,
    seed: int = 0,
) -> Screening:
    """Find foreign images, then rank the labels of the others; arguments and errors as of `rank_label_issues`."""
    search = search or (build_search(vectors) if len(vectors) else None)
    ranking = rank_label_issues(labels, vectors, groups=groups, search=search, seed=seed)
    labelled = int(np.count_nonzero(ranking.given >= 0))
    if ranking.surroundings is None or labelled < LEAST_IMAGES:
        note = f"Out-of-domain images are looked for among {LEAST_IMAGES} labelled images or more; here are {labelled}."
        return Screening(ranking, np.zeros(len(ranking.given)), (*ranking.notes, note))
    foreign = score_out_of_domain(ranking.surroundings)
    out: Flags = foreign > 0.5
    if out.any():
        kept = np.where(out, "", np.asarray(labels, dtype=object))
        ranking = rank_label_issues(kept, vectors, groups=groups, classes=ranking.classes, search=search, seed=seed)
    return Screening(ranking, foreign, ranking.notes)
