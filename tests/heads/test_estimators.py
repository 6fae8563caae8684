"""The heads as scikit-learn's classifiers: its own checks, and the same answers as everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from embedkit.heads import LinearClassifier, NeighbourClassifier, fit_linear
from embedkit.heads.moments import Moments

Labelled = tuple[NDArray[np.float32], NDArray[np.str_]]


@pytest.fixture
def labelled() -> Labelled:
    """Three classes of 40 embeddings of 16 numbers, of any length."""
    rng = np.random.default_rng(5)
    labels = np.repeat(["elbow", "hand", "knee"], 40)
    vectors = rng.normal(size=(3, 16)).repeat(40, axis=0) + rng.normal(size=(120, 16))
    return (vectors * rng.uniform(0.1, 9, (120, 1))).astype(np.float32), labels


@parametrize_with_checks([LinearClassifier(), LinearClassifier(shrinkage=0.5), NeighbourClassifier()])
def test_it_passes_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_linear_one_is_the_head_of_the_ranking(labelled: Labelled) -> None:
    vectors, labels = labelled
    codes = np.unique(labels, return_inverse=True)[1]
    head = fit_linear(Moments.of(vectors, codes, 3), ("elbow", "hand", "knee"))
    fitted = LinearClassifier().fit(vectors, labels)
    assert np.array_equal(fitted.head_.weight, head.weight)
    assert np.array_equal(fitted.predict_proba(vectors), head.probabilities(vectors))
    assert fitted.predict(vectors).tolist() == np.array(head.regions)[head.logits(vectors).argmax(axis=1)].tolist()


def test_the_nearest_vote_by_cosine(labelled: Labelled) -> None:
    vectors, labels = labelled
    fitted = NeighbourClassifier(k=3).fit(vectors, labels)
    query = vectors[:1] * 100
    cosine = (vectors @ query[0]) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    near = np.argsort(-cosine)[:3]
    weights = np.exp((cosine[near] - cosine[near[0]]) / 0.07)
    shares = [weights[labels[near] == name].sum() / weights.sum() for name in fitted.classes_]
    assert fitted.predict_proba(query)[0] == pytest.approx(shares, abs=1e-5)


@pytest.mark.parametrize("estimator", [LinearClassifier(), NeighbourClassifier()])
def test_scikit_learn_validates_it_by_patients(labelled: Labelled, estimator: Any) -> None:
    vectors, labels = labelled
    scores = cross_val_score(estimator, vectors, labels, groups=np.arange(120) // 2, cv=GroupKFold(5))
    assert scores.mean() > 0.8


def test_an_embedding_without_a_direction_says_nothing(labelled: Labelled) -> None:
    vectors, labels = labelled
    vectors[7] = 0
    nothing = np.zeros((1, 16), np.float32)
    linear, nearest = LinearClassifier().fit(vectors, labels), NeighbourClassifier().fit(vectors, labels)
    assert nearest.predict_proba(nothing)[0] == pytest.approx([1 / 3] * 3)
    assert linear.predict_proba(nothing).sum() == pytest.approx(1)
    assert np.isfinite(linear.decision_function(nothing)).all()
