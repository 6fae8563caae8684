"""Naming the region of images, and telling those that no region fits.

A head is fitted to the labelled images of an index, without the labels that look wrong and the images that look
foreign. An image is in the domain where its 10 nearest of those are about as near as theirs are to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads import LinearHead, Neighbours, Search, build_search, fit_head, walk_neighbours
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index
from embedkit.indexes.vectors import usable
from embedkit.quality.inputs import check_input
from embedkit.quality.pictures import Numbers, score_pictures
from embedkit.quality.screening import screen_labels
from embedkit.quality.surroundings import AROUND

_DOMAIN_QUANTILE = 0.995


@dataclass(frozen=True)
class Classification:
    """The verdict on N images."""

    regions: tuple[str, ...]
    """N region names."""
    probability: Numbers
    """float64 (N,): of the region named."""
    in_domain: Flags
    """bool (N,): false where no region of the index fits; its region then means nothing."""


@dataclass(frozen=True)
class RegionClassifier:
    """A head with the images it was fitted to."""

    head: LinearHead
    search: Search
    """Among the images it was fitted to."""
    reach: float
    """The mean distance to the 10 nearest beyond which an image is out of the domain."""

    def classify(self, vectors: Floats) -> Classification:
        """Classify raw vectors, float32 (N, D), of the same encoder.

        Raises UsageError `bad-vectors` for another shape, or a vector that is zero or not finite.
        """
        width = self.head.weight.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width or not usable(vectors).all():
            raise UsageError("bad-vectors", f"vectors must be finite, not zero, of shape (N, {width})")
        probabilities = self.head.probabilities(vectors)
        names = tuple(self.head.regions[best] for best in probabilities.argmax(axis=1).tolist())
        near = _distance(Neighbours(*self.search(vectors, AROUND)))
        return Classification(names, probabilities.max(axis=1).astype(np.float64), near <= self.reach)


def fit_classifier(
    labels: npt.ArrayLike, vectors: Floats, groups: npt.ArrayLike | None = None, *, encoder: str = "", seed: int = 0
) -> RegionClassifier:
    """Fit a classifier to labelled images; the arguments are those of `rank_label_issues`.

    Raises UsageError `too-few-labels` where fewer than two classes have a label that can be trusted.
    """
    data = check_input(labels, vectors, None, groups, None)
    ranking = screen_labels(labels, vectors, groups, seed=seed).labels
    trusted = (ranking.given >= 0) & ~ranking.is_issue
    if len(np.unique(data.codes[trusted])) < 2:
        raise UsageError("too-few-labels", "images of at least two regions must have a label to classify others")
    points, own = np.asarray(vectors, dtype=np.float32)[trusted], data.groups[trusted]
    head = fit_head(points, data.codes[trusted], own, data.classes, encoder=encoder, seed=seed)
    search = build_search(points)
    near = [_distance(hood.strangers) for hood in walk_neighbours(search, points, own, AROUND)]
    return RegionClassifier(head, search, float(np.quantile(np.concatenate(near), _DOMAIN_QUANTILE)))


def classify_images(
    index: Index, vectors: Floats | None = None, *, space: str | None = None, seed: int = 0
) -> Classification:
    """Name the region of images, by the labelled images of `index`.

    `vectors`, float32 (N, D), are raw vectors of the encoder of `space`; without them the index's own images are
    classified, row for row with `index.images`. Raises UsageError as `fit_classifier` and `Index.vectors` do.
    """
    own = index.vectors(space)
    regions, patients = (np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "patient"))
    blank = score_pictures(len(regions), index.pictures) > 0.5
    classifier = fit_classifier(np.where(blank, "", regions), own, patients, seed=seed)
    if vectors is not None:
        return classifier.classify(vectors)
    found = classifier.classify(own)
    return Classification(found.regions, found.probability, found.in_domain & ~blank)


def _distance(near: Neighbours) -> Floats:
    """The mean distance to the neighbours there are, float32 (M,)."""
    there = near.rows >= 0
    total = np.where(there, (1 - near.cosine) / 2, 0).sum(axis=1)
    return np.asarray(total / np.maximum(there.sum(axis=1), 1), dtype=np.float32)
