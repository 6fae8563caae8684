"""Wrong labels of four kinds, put among labels that are taken for right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

LOOKALIKE = {
    "hand": "elbow",
    "elbow": "hand",
    "shoulder": "elbow",
    "pelvis/hip": "knee",
    "knee": "foot",
    "foot": "knee",
    "chest": "shoulder",
}
"""The region that each is most easily filed as: that of ../shared/tools/build_pacs_dump.py, and chests as shoulders."""
_SIDE = 32


@dataclass(frozen=True)
class Archive:
    """N images whose labels are taken for right."""

    names: tuple[str, ...]
    codes: Ints
    """int64 (N,), numbers in `names`."""
    groups: Ints
    """int64 (N,), of patients."""
    ambiguity: Doubles
    """float64 (N, K): what a model that is none of those compared takes each image for."""

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self.names)


def see_plainly(pictures: npt.NDArray[np.uint8], codes: Ints, groups: Ints) -> Doubles:
    """Out-of-fold probabilities, (N, K), of a logistic regression on thumbnails of 32 x 32 pixels: no encoder in it."""
    small = np.stack([cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for picture in pictures])
    pixels = small.reshape(len(small), -1).astype(np.float32) / 255
    model = LogisticRegression(C=0.01, max_iter=1000)
    return np.asarray(cross_val_predict(model, pixels, codes, cv=GroupKFold(5), groups=groups, method="predict_proba"))


def flip_uniformly(archive: Archive, rate: float, rng: np.random.Generator) -> Ints:
    """Any other label, for a share of all images."""
    given = archive.codes.copy()
    rows = _draw(len(given), rate, rng)
    given[rows] = (given[rows] + rng.integers(1, archive.classes, len(rows))) % archive.classes
    return given


def flip_to_lookalike(archive: Archive, rate: float, rng: np.random.Generator) -> Ints:
    """The label of the region that looks most alike, for a share of all images."""
    given = archive.codes.copy()
    rows = _draw(len(given), rate, rng)
    given[rows] = _lookalikes(archive.names)[given[rows]]
    return given


def flip_the_ambiguous(archive: Archive, rate: float, rng: np.random.Generator) -> Ints:
    """What an independent model might take an image for, the likelier the less sure it is of the true label.

    After the part-dependent and instance-dependent noise of Xia et al. (NeurIPS 2020).
    """
    given, row = archive.codes.copy(), np.arange(len(archive.codes))
    other = archive.ambiguity.copy()
    other[row, given] = 0
    doubt = other.sum(axis=1)
    for chosen in _draw(len(given), rate, rng, doubt / doubt.sum()):
        given[chosen] = rng.choice(archive.classes, p=other[chosen] / doubt[chosen])
    return given


def flip_one_way(archive: Archive, rate: float, rng: np.random.Generator) -> Ints:
    """A share of one label, drawn by chance, goes to its lookalike."""
    given, code = archive.codes.copy(), int(rng.integers(archive.classes))
    own = np.flatnonzero(given == code)
    given[own[_draw(len(own), rate, rng)]] = _lookalikes(archive.names)[code]
    return given


Noise = Callable[[Archive, float, np.random.Generator], Ints]
NOISES: dict[str, Noise] = {
    "uniform": flip_uniformly,
    "lookalike": flip_to_lookalike,
    "instance-dependent": flip_the_ambiguous,
    "one-way": flip_one_way,
}


def _draw(count: int, rate: float, rng: np.random.Generator, weights: Doubles | None = None) -> Ints:
    """At least one row."""
    return rng.choice(count, max(1, round(rate * count)), replace=False, p=weights)


def _lookalikes(names: Sequence[str]) -> Ints:
    return np.array([list(names).index(LOOKALIKE[name]) for name in names], dtype=np.int64)
