"""Naming the region of images, and telling those that no region fits.

A head is fitted to the labelled images of an index, without the labels that look wrong and the images that look
foreign. An image is in the domain where its 10 nearest of those are about as near as theirs are to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads import LinearHead, Neighbours, Search, build_search, fit_head, walk_neighbours
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index
from embedkit.indexes.vectors import usable
from embedkit.quality.inputs import check_input
from embedkit.quality.pictures import Numbers, Pictures, score_pictures, score_unusable
from embedkit.quality.screening import screen_labels
from embedkit.quality.surroundings import AROUND

_DOMAIN_QUANTILE = 0.995
_BLANK = 0.5
"""The score of `score_unusable` above which a picture shows nothing."""


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

    def classify(self, vectors: Floats, pictures: Pictures | None = None) -> Classification:
        """Classify raw vectors, float32 (N, D), of the same encoder.

        With their `pictures`, uint8 (N, 256, 256), blank ones too are told to be out of the domain.
        Raises UsageError `bad-vectors` for another shape, or a vector that is zero or not finite.
        """
        width = self.head.weight.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width or not usable(vectors).all():
            raise UsageError("bad-vectors", f"vectors must be finite, not zero, of shape (N, {width})")
        probabilities = self.head.probabilities(vectors)
        names = tuple(self.head.regions[best] for best in probabilities.argmax(axis=1).tolist())
        near = _distance(Neighbours(*self.search(vectors, AROUND)))
        in_domain = near <= self.reach
        if pictures is not None:
            in_domain &= score_unusable(pictures) <= _BLANK
        return Classification(names, probabilities.max(axis=1).astype(np.float64), in_domain)


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


def fit_index_classifier(index: Index, *, space: str | None = None, seed: int = 0) -> RegionClassifier:
    """Fit a classifier to the labelled images of an index; raises as `fit_classifier` and `Index.vectors` do."""
    regions, patients = (np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "patient"))
    blank = score_pictures(len(regions), index.pictures) > _BLANK
    encoder = index.spaces[index.space_name(space)].encoder
    return fit_classifier(np.where(blank, "", regions), index.vectors(space), patients, encoder=encoder, seed=seed)


def classify_index(
    index: Index, rows: npt.NDArray[np.int64], *, space: str | None = None, seed: int = 0
) -> Classification:
    """Name the region of images of an index, by its labelled images; raises as `fit_index_classifier` does."""
    classifier = fit_index_classifier(index, space=space, seed=seed)
    found = classifier.classify(index.vectors(space)[rows])
    blank = score_pictures(len(rows), lambda part: index.pictures(rows[part])) > _BLANK
    return replace(found, in_domain=found.in_domain & ~blank)


def _distance(near: Neighbours) -> Floats:
    """The mean distance to the neighbours there are, float32 (M,)."""
    there = near.rows >= 0
    total = np.where(there, (1 - near.cosine) / 2, 0).sum(axis=1)
    return np.asarray(total / np.maximum(there.sum(axis=1), 1), dtype=np.float32)
