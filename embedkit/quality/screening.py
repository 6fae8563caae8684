"""Labels ranked twice: the second time without the images that belong to no label.

A chest filed under "hand" says nothing about hands. Once the foreign images are known, their labels are taken away,
and the rest is ranked by heads and neighbours that are not misled by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from embedkit.progress import OnProgress, ignore_progress
from embedkit.quality.fusion import sigmoid
from embedkit.quality.inputs import RankingInput, Vectors, check_input
from embedkit.quality.outliers import LEAST_IMAGES, spread_to_kin, weigh_company
from embedkit.quality.pictures import Numbers
from embedkit.quality.ranking import LabelRanking, find_graphs, rank_input
from embedkit.quality.reviewing import read_verdicts

_FITS = "Labels"


@dataclass(frozen=True)
class Screening:
    """The ranking of the labels that mean something, and what is foreign among N images."""

    labels: LabelRanking
    """Of foreign images the label counts as missing."""
    foreign: Numbers
    """float64 (N,), 0..1: how sure it is that the image is of no region among the labels."""
    notes: tuple[str, ...]

    @property
    def wrong(self) -> Numbers:
        """How sure it is that the label is wrong or the image foreign, float64 (N,), 0..1."""
        return 1 - (1 - self.labels.score) * (1 - self.foreign)


def screen_labels(
    labels: npt.ArrayLike,
    vectors: Vectors,
    groups: npt.ArrayLike | None,
    *,
    reviewed: Mapping[int, str] | None = None,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> Screening:
    """Find foreign images, then rank the labels of the others; arguments and errors as of `rank_label_issues`."""
    data = check_input(labels, vectors, None, groups, None)
    verdicts = read_verdicts(data, reviewed or {})
    graphs = find_graphs(data, partial(on_progress, "Neighbours"))
    on_progress(_FITS, 0, 3)
    ranking = rank_input(data, graphs=graphs, verdicts=verdicts, seed=seed)
    notes = (*ranking.notes, *_name_limits(data))
    if ranking.graph is None or ranking.surroundings is None or len(notes) > len(ranking.notes):
        return Screening(ranking, verdicts.foreign.astype(np.float64), notes)
    on_progress(_FITS, 1, 3)
    odds = weigh_company(ranking.graph, ranking.surroundings, ranking.probabilities, data)
    odds = spread_to_kin(data, verdicts, odds, seed)
    on_progress(_FITS, 2, 3)
    foreign = np.where(verdicts.known, verdicts.foreign, np.where(data.unchecked, 0, sigmoid(odds)))
    if (foreign > 0.5).any():
        cleaned = data.without_labels(foreign > 0.5)
        ranking = rank_input(cleaned, graphs=graphs, verdicts=read_verdicts(cleaned, reviewed or {}), seed=seed)
    on_progress(_FITS, 3, 3)
    return Screening(ranking, foreign, ranking.notes)


def _name_limits(data: RankingInput) -> Iterator[str]:
    """Say why out-of-domain images cannot be told, if so."""
    labelled = int(np.count_nonzero(data.codes >= 0))
    if not data.checkable.any():
        yield "Where no label can be checked, out-of-domain images cannot be told either."
    elif labelled < LEAST_IMAGES:
        yield f"Out-of-domain images are looked for among {LEAST_IMAGES} labelled images or more; here are {labelled}."
