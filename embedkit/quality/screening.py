"""Labels ranked twice: the second time without the images that belong to no label.

A chest filed under "hand" says nothing about hands. Once the out-of-domain images are known, their labels are taken
away, and the rest is ranked by heads and neighbours that are not misled by them.
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
from embedkit.quality.outliers import LEAST_IMAGES, score_by_neighbours, self_train
from embedkit.quality.pictures import Numbers
from embedkit.quality.ranking import LabelRanking, find_graphs, rank_input
from embedkit.quality.reviewing import read_verdicts

_FITS = "Labels"


@dataclass(frozen=True)
class Screening:
    """The ranking of the labels that mean something, and what is out of domain among N images."""

    labels: LabelRanking
    """Of out-of-domain images the label counts as missing."""
    out_of_domain: Numbers
    """float64 (N,), 0..1: how sure it is that the image is of no region among the labels."""
    notes: tuple[str, ...]

    @property
    def wrong(self) -> Numbers:
        """How sure it is that the label is wrong or the image out of domain, float64 (N,), 0..1."""
        return 1 - (1 - self.labels.score) * (1 - self.out_of_domain)


def screen_labels(
    labels: npt.ArrayLike,
    vectors: Vectors,
    groups: npt.ArrayLike | None,
    *,
    reviewed: Mapping[int, str] | None = None,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> Screening:
    """Find out-of-domain images, then rank the labels of the others; arguments and errors as of `rank_label_issues`."""
    data = check_input(labels, vectors, None, groups, None)
    verdicts = read_verdicts(data, reviewed or {})
    graphs = find_graphs(data, partial(on_progress, "Neighbours"))
    on_progress(_FITS, 0, 3)
    ranking = rank_input(data, graphs=graphs, verdicts=verdicts, seed=seed)
    notes = (*ranking.notes, *_name_limits(data))
    if ranking.graph is None or ranking.neighbourhood is None or len(notes) > len(ranking.notes):
        return Screening(ranking, verdicts.out_of_domain.astype(np.float64), notes)
    on_progress(_FITS, 1, 3)
    odds = score_by_neighbours(ranking.graph, ranking.neighbourhood, ranking.probabilities, data)
    odds = self_train(data, verdicts, odds, seed)
    on_progress(_FITS, 2, 3)
    out_of_domain = np.where(verdicts.known, verdicts.out_of_domain, np.where(data.unchecked, 0, sigmoid(odds)))
    if (out_of_domain > 0.5).any():
        cleaned = data.without_labels(out_of_domain > 0.5)
        ranking = rank_input(cleaned, graphs=graphs, verdicts=read_verdicts(cleaned, reviewed or {}), seed=seed)
    on_progress(_FITS, 3, 3)
    return Screening(ranking, out_of_domain, ranking.notes)


def _name_limits(data: RankingInput) -> Iterator[str]:
    """Say why out-of-domain images cannot be told, if so."""
    labelled = int(np.count_nonzero(data.codes >= 0))
    if not data.checkable.any():
        yield "Where no label can be checked, out-of-domain images cannot be told either."
    elif labelled < LEAST_IMAGES:
        yield f"Out-of-domain images are looked for among {LEAST_IMAGES} labelled images or more; here are {labelled}."
