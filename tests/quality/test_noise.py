"""The noise model finds the transition matrix, and patterns are told from slips."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from embedkit.quality import rank_label_issues
from embedkit.quality.noise import fit_noise
from embedkit.quality.patterns import find_patterns

from .test_ranking import make_clusters


def draw_labels(transition, count=4000, seed=0):
    """Calibrated probabilities, true and given classes."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(len(transition), 0.15), count)
    true = (table.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    given = (transition[true].cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return table, true, given


def test_the_transitions_that_made_the_labels_are_found():
    transition = np.array([[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.05, 0.05, 0.9]])
    table, true, given = draw_labels(transition)
    noise = fit_noise(table, given)
    assert noise.transition == pytest.approx(transition, abs=0.03)
    assert noise.transition.sum(axis=1) == pytest.approx(1)
    assert noise.wrong.sum() == pytest.approx((true != given).sum(), rel=0.15)
    assert roc_auc_score(true != given, noise.log_odds) > 0.9
    assert noise.wrong == pytest.approx(1 / (1 + np.exp(-noise.log_odds)), abs=1e-4)


def test_probabilities_of_zero_and_classes_without_an_image_do_no_harm():
    noise = fit_noise(np.eye(4)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    assert np.isfinite(noise.log_odds).all()
    assert noise.log_odds.argmax() == 3
    assert ((noise.wrong >= 0) & (noise.wrong <= 1)).all()


def test_a_fifth_of_a_class_filed_as_another_is_found_and_named():
    for seed in range(3):
        vectors, true, _, groups = make_clusters(count=600, seed=seed)
        moved = (true == 1) & (np.random.default_rng(seed).random(600) < 0.2)
        ranking = rank_label_issues(np.where(moved, 2, true), vectors, groups=groups)
        assert average_precision_score(moved, ranking.score) > 0.97
        (pattern,) = find_patterns(ranking)
        assert (pattern.region, pattern.given_region) == ("1", "2")
        assert pattern.images == pytest.approx(moved.sum(), rel=0.25)
        assert pattern.share == pytest.approx(moved.sum() / (true == 1).sum(), abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 0.06, 0.15])
def test_slips_are_no_pattern(noise):
    for seed in range(3):
        vectors, _, labels, groups = make_clusters(count=600, seed=seed, noise=noise)
        assert find_patterns(rank_label_issues(labels, vectors, groups=groups)) == ()
