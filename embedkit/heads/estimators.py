"""The heads as classifiers of scikit-learn, for pipelines, searches and cross-validation of one's own.

They take embeddings as an encoder gives them (`Index.vectors`): their length does not count, and one of zeros has no
direction.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from embedkit.heads.knn import vote
from embedkit.heads.linear import fit_linear
from embedkit.heads.moments import Floats, Moments
from embedkit.heads.neighbours import Neighbours
from embedkit.indexes.vectors import unit, usable

Array = npt.NDArray[Any]


class _Head(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What both have in common: classes, checks, and `predict` as the likeliest class."""

    classes_: Array

    def predict(self, X: npt.ArrayLike) -> Array:  # noqa: N803 (scikit-learn's name)
        """Return the likeliest class of each embedding, (N,)."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return the probability of each of `classes_`, float32 (N, K)."""
        raise NotImplementedError

    def _read_labelled(self, vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Check what is fitted to; set `classes_` and return embeddings and the numbers of their classes."""
        read, y = validate_data(self, vectors, labels, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("a classifier needs two classes or more, and there is one class")
        return np.asarray(read), codes.astype(np.int64)

    def _read(self, vectors: npt.ArrayLike) -> Floats:
        check_is_fitted(self)
        return np.asarray(validate_data(self, vectors, dtype=np.float32, reset=False))


class LinearClassifier(_Head):
    """The linear head: discriminant analysis with a shrunken covariance (see `linear`).

    Parameters
    ----------
    shrinkage
        Of the covariance, 0 to 1; None for one that falls with the number of images.

    Attributes
    ----------
    classes_ : array (K,)
    head_ : LinearHead
    """

    def __init__(self, shrinkage: float | None = None) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit to embeddings (N, D) and their labels (N,); raises ValueError for what cannot be learnt from."""
        vectors, codes = self._read_labelled(X, y)
        codes[~usable(vectors)] = -1
        moments = Moments.of(vectors, codes, len(self.classes_))
        self.head_ = fit_linear(moments, tuple(map(str, self.classes_)), shrinkage=self.shrinkage)
        return self

    def decision_function(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return the logits, float32 (N, K); of two classes the difference, (N,)."""
        vectors = self._read(X)
        logits = np.tile(self.head_.bias, (len(vectors), 1))
        good = usable(vectors)
        logits[good] = self.head_.logits(vectors[good])
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return the probability of each of `classes_`, float32 (N, K)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


class NeighbourClassifier(_Head):
    """The kNN head: the nearest images by cosine vote, each with the weight of its cosine (see `knn`).

    Parameters
    ----------
    k
        How many vote.

    Attributes
    ----------
    classes_ : array (K,)
    """

    def __init__(self, k: int = 20) -> None:
        self.k = k

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Keep embeddings (N, D) and their labels (N,); raises ValueError for what cannot be learnt from."""
        vectors, codes = self._read_labelled(X, y)
        good = usable(vectors)
        self._directions, self._codes = unit(vectors[good]), codes[good]
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return the share of each of `classes_` in the vote, float32 (N, K); all the same without any direction."""
        from embedkit.indexes.nearest import nearest_among  # noqa: PLC0415 (FAISS is slow to import)

        vectors = self._read(X)
        good = np.flatnonzero(usable(vectors))
        shares = np.full((len(vectors), len(self.classes_)), 1 / len(self.classes_), np.float32)
        if len(good) and len(self._codes):
            cosines, rows = nearest_among(unit(vectors[good]), self._directions, min(self.k, len(self._codes)))
            shares[good] = vote(Neighbours(rows, cosines), self._codes, len(self.classes_))
        return shares
