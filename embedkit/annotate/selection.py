"""Which images to label next, where labels are few or none.

Chosen images are to stand for all others (`coverage`). What is labelled already covers its neighbourhood, and with
labels of two regions or more an image counts the more the less a head is sure of it: a crowd that the head knows well
needs no more labels. Copies and further exposures of one joint lie where the first one does: they add next to nothing
and come last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.annotate.coverage import choose_by_coverage
from embedkit.errors import UsageError
from embedkit.heads import build_search, fit_head
from embedkit.heads.folds import Ints
from embedkit.heads.labels import encode_groups, encode_labels
from embedkit.heads.moments import Floats
from embedkit.indexes import CLUSTER, Index
from embedkit.quality.pictures import survey_pictures

MOST_IMAGES = 20_000
"""Of more images to choose from, or with a label, as many drawn at random stand for all: time grows with its square."""
_LEAST_DOUBT = 0.1
"""What an image counts of which the head is quite sure: it may be sure of what it has never seen."""


@dataclass(frozen=True)
class Selection:
    """The images to label."""

    rows: Ints
    """int64 (B,), rows of the index's `images`, the most worth first: who stops early has still chosen well."""
    candidates: int
    """Images that it was chosen from."""
    unusable: int
    """Images that were left out because their picture shows nothing."""
    labelled: int
    """Images with a label, which cover their neighbourhood."""


def select_images(
    index: Index,
    budget: int,
    *,
    space: str | None = None,
    reviewed: Mapping[int, str] | None = None,
    seed: int = 0,
) -> Selection:
    """Choose images of an index for a person to label.

    Parameters
    ----------
    index
        An open index; regions, patients, vectors and pictures are read from it.
    budget
        How many; there are fewer where no more can add anything.
    space
        The vector space, of an encoder that has not seen the labels; may be left out where there is one.
    reviewed
        What people decided: by row the region, "" for none of the regions. Those images are not chosen.
    seed
        Of the draw, where there are more than `MOST_IMAGES` images; the same index and seed give the same choice.

    Raises
    ------
    UsageError
        ``empty-index``; ``unknown-space`` or ``several-spaces``; ``nothing-to-label`` where every image has a label.
    """
    if len(index) == 0:
        raise UsageError("empty-index", "the index holds no image: embed some first")
    vectors = index.vectors(space)
    labels, source, patients = (
        np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "region_source", "patient")
    )
    settled = np.isin(np.arange(len(labels)), list(reviewed or {}))
    for row, region in (reviewed or {}).items():
        labels[row] = region
    sure = (labels != "") & ((source != CLUSTER) | settled)
    candidates = np.flatnonzero(~sure & ~settled)
    if len(candidates) == 0:
        raise UsageError("nothing-to-label", "every image has a label: there is nothing left to choose")
    candidates, covered = (_draw(rows, seed) for rows in (candidates, np.flatnonzero(sure)))
    survey = survey_pictures(len(candidates), lambda part: index.stored_pictures(candidates[part]))
    good = ~survey.shows_nothing
    chosen = choose_to_label(vectors, budget, labels, patients, covered=covered, among=candidates[good])
    return Selection(chosen, int(good.sum()), int((~good).sum()), int(sure.sum()))


def _draw(rows: Ints, seed: int) -> Ints:
    """At most `MOST_IMAGES` of the rows, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_IMAGES])


def choose_to_label(
    vectors: Floats,
    budget: int,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    *,
    covered: Ints,
    among: Ints,
) -> Ints:
    """Choose at most `budget` of the rows `among` to be labelled, int64 (B,), the most worth first.

    Parameters
    ----------
    vectors
        float32 (N, D), none zero or not finite.
    labels
        N regions, "" for none.
    groups
        N patients, as for `rank_label_issues`.
    covered
        int64 (L,), rows that are labelled, so that images like them need not be chosen.
    among
        int64 (M,), the rows to choose from.
    """
    reached = np.zeros(len(among), dtype=np.float32)
    if len(covered) and len(among):
        reached = np.maximum(build_search(vectors[covered])(vectors[among], 1)[0][:, 0], 0)
    weights = _doubt(vectors, labels, groups, among)
    return among[choose_by_coverage(vectors[among], budget, weights, reached)]


def _doubt(vectors: Floats, labels: npt.ArrayLike, groups: npt.ArrayLike | None, rows: Ints) -> Floats:
    """How unsure a head of all labels is of `rows`, float32 (M,): 1 for each where the labels name fewer than two."""
    known = encode_labels(labels)
    if len(known.names) < 2 or len(rows) == 0:
        return np.ones(len(rows), dtype=np.float32)
    numbers, _ = encode_groups(groups, len(known.codes))
    probabilities = fit_head(vectors, known.codes, numbers, known.names).probabilities(vectors[rows])
    first, second = np.partition(probabilities, -2, axis=1)[:, :-3:-1].T
    return np.asarray(_LEAST_DOUBT + 1 - (first - second), dtype=np.float32)
