"""Naming the region of images, and telling those that need a person.

A head is fitted to the labelled images of an index, without the labels that look wrong and the images that look out of
domain. It comes with what it may be believed (see `heads.ensemble`): whether an image is of its domain, and from which
confidence on each region is right 99 times of 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads import Ensemble, Vectors, fit_ensemble
from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index
from embedkit.quality.inputs import check_input
from embedkit.quality.pictures import UNUSABLE, Numbers, Pictures, score_unusable, survey_pictures
from embedkit.quality.screening import screen_labels


@dataclass(frozen=True)
class Classification:
    """The verdict on N images."""

    regions: tuple[str, ...]
    """N region names."""
    probability: Numbers
    """float64 (N,): of the region named."""
    in_domain: Flags
    """bool (N,): false where no region of the head fits; its region then means nothing."""
    confident: Flags
    """bool (N,): the probability is one at which the region named is right 99 times of 100."""

    @property
    def trusted(self) -> Flags:
        """Bool (N,): in the domain and confident; the others need a person."""
        return self.in_domain & self.confident


def classify(head: Ensemble, vectors: Vectors, pictures: Pictures | None = None) -> Classification:
    """Classify images by raw vectors, float32 (N, D), of each of the head's spaces.

    With their `pictures`, uint8 (N, 256, 256), blank ones too are told to be out of the domain.
    Raises UsageError `bad-vectors` for a space that is missing, another shape, or a vector that is zero or not finite.
    """
    probabilities = head.probabilities(vectors)
    in_domain = head.contains(vectors)
    if pictures is not None:
        in_domain &= score_unusable(pictures) <= UNUSABLE
    names = tuple(head.regions[best] for best in probabilities.argmax(axis=1).tolist())
    return Classification(names, probabilities.max(axis=1).astype(np.float64), in_domain, head.passes(probabilities))


def classify_index(index: Index, rows: npt.NDArray[np.int64], head: Ensemble) -> Classification:
    """Classify images of an index; raises EncoderError `head-of-another-encoder` where its vectors do not fit."""
    encoders = {name: space.encoder for name, space in index.spaces.items()}
    head.check_encoders(encoders, next(iter(index.spaces.values())).preprocessing)
    found = classify(head, {name: index.vectors(name)[rows] for name in head.spaces})
    blank = survey_pictures(len(rows), lambda part: index.stored_pictures(rows[part])).shows_nothing
    return replace(found, in_domain=found.in_domain & ~blank)


def fit_classifier(
    labels: npt.ArrayLike,
    vectors: Vectors,
    groups: npt.ArrayLike | None = None,
    *,
    encoders: Mapping[str, str] | None = None,
    preprocessing: str = "",
    seed: int = 0,
) -> Ensemble:
    """Fit a head to labelled images, by vectors of one or more spaces; labels and groups as for `rank_label_issues`.

    A label that any space doubts teaches nothing. Raises UsageError `too-few-labels` where fewer than two classes have
    a label that can be trusted, `too-few-patients` where they are all of one patient.
    """
    data = check_input(labels, next(iter(vectors.values())), None, groups, None)
    trusted = data.codes >= 0
    for points in vectors.values():
        ranking = screen_labels(labels, points, groups, seed=seed).labels
        trusted &= (ranking.given >= 0) & ~ranking.is_issue
    if len(np.unique(data.codes[trusted])) < 2:
        raise UsageError("too-few-labels", "images of at least two regions must have a label to classify others")
    return fit_ensemble(
        vectors,
        data.codes,
        data.groups,
        data.classes,
        encoders=encoders,
        preprocessing=preprocessing,
        excluded=~trusted,
        seed=seed,
    )


def fit_index_classifier(index: Index, *, space: str | None = None, seed: int = 0) -> Ensemble:
    """Fit a head to the labelled images of an index, by one space or all; raises as `fit_classifier` does."""
    names = [index.space_name(space)] if space else list(index.spaces)
    regions, patients = (np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "patient"))
    blank = survey_pictures(len(regions), index.stored_pictures).shows_nothing
    return fit_classifier(
        np.where(blank, "", regions),
        {name: index.vectors(name) for name in names},
        patients,
        encoders={name: index.spaces[name].encoder for name in names},
        preprocessing=index.spaces[names[0]].preprocessing,
        seed=seed,
    )
