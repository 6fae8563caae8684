"""Whitening against the definition, and where there is little to whiten."""

import numpy as np
import pytest

from embedkit.heads import whiten


def _naive(vectors):
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = directions - directions.mean(axis=0)
    _, deviations, axes = np.linalg.svd(centred / np.sqrt(len(vectors)), full_matrices=False)
    return centred @ axes.T / np.sqrt(deviations)


def test_whitening_is_what_a_singular_value_decomposition_gives():
    vectors = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32) * np.linspace(0.1, 3, 20) + 1
    ours, expected = whiten(vectors.astype(np.float32)), _naive(vectors)
    assert ours.shape == (300, 20)
    signs = np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours * signs, expected, atol=2e-3)


def test_at_most_64_directions_are_kept():
    assert whiten(np.random.default_rng(0).normal(size=(200, 100)).astype(np.float32)).shape == (200, 64)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_or_equal_vectors_give_no_zero_row(count):
    equal = np.ones((count, 8), np.float32)
    assert np.abs(whiten(equal)).max(axis=1).min() > 0
    mirrored = np.concatenate([equal, equal + np.eye(count, 8, dtype=np.float32)])
    assert np.abs(whiten(mirrored)).max(axis=1).min() > 0
    assert np.isfinite(whiten(mirrored)).all()
