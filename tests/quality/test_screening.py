"""Foreign images among labelled ones: few and many, a cluster or alone, and hard images that are none."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from embedkit.quality import find_graph, rank_label_issues
from embedkit.quality.screening import screen_labels

from .test_ranking import make_clusters


def plant_foreign(count, seed, kinds=1):
    """Clusters with `count` images more, of regions that no label names; which are out of domain, which are wrong."""
    vectors, true, labels, groups = make_clusters(count=400, seed=seed)
    rng = np.random.default_rng(seed + 1)
    where = 1 + rng.normal(size=(kinds, 24))[rng.integers(0, kinds, count)]
    out_of_domain = np.arange(400 + count) >= 400
    vectors = np.concatenate([vectors, where + rng.normal(0, 0.6, (count, 24))]).astype(np.float32)
    groups = np.concatenate([groups, groups.max() + 1 + np.arange(count)])
    given = np.concatenate([labels, rng.integers(0, 4, count)])
    wrong = np.concatenate([labels != true, out_of_domain[400:]])
    return vectors, given, groups, out_of_domain, wrong


@pytest.mark.parametrize(("count", "kinds"), [(8, 1), (15, 1), (60, 1), (60, 2)])
def test_foreign_images_are_found_whether_few_or_many(count, kinds):
    for seed in range(3):
        vectors, labels, groups, out_of_domain, wrong = plant_foreign(count, seed, kinds)
        found = screen_labels(labels, vectors, groups)
        assert roc_auc_score(out_of_domain, found.out_of_domain) > 0.98
        assert (found.out_of_domain[~out_of_domain] > 0.5).sum() <= 2
        assert average_precision_score(wrong, found.wrong) > 0.93


def test_without_foreign_images_none_is_named():
    for seed in range(3):
        vectors, _, labels, groups = make_clusters(count=400, seed=seed)
        assert (screen_labels(labels, vectors, groups).out_of_domain > 0.5).sum() <= 1


def test_labels_of_foreign_images_do_not_count():
    vectors, labels, groups, _, _ = plant_foreign(60, 0)
    found = screen_labels(labels, vectors, groups)
    assert (found.labels.given[found.out_of_domain > 0.5] == -1).all()
    assert (found.wrong >= found.out_of_domain).all()


def test_two_regions_that_nobody_can_tell_apart_are_not_foreign():
    """The head doubts every label there, but knows that it cannot know: what is left is at most half-sure."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 400)
    place = np.where(true == 3, 2, true)
    vectors = (rng.normal(size=(4, 24))[place] + rng.normal(0, 0.6, (400, 24)) + 1).astype(np.float32)
    assert (screen_labels(true, vectors, np.arange(400)).out_of_domain > 0.5).mean() < 0.02


def test_a_graph_that_was_searched_for_before_gives_the_same_ranking():
    vectors, _, labels, groups = make_clusters()
    graph = find_graph(vectors, groups)
    fresh, given = (rank_label_issues(labels, vectors, groups=groups, graph=known) for known in (None, graph))
    assert (fresh.score == given.score).all()
    assert (groups[graph.nearest] != groups[:, None]).all()


def test_twins_have_the_cosines_of_the_raw_vectors():
    vectors, _, _, groups = make_clusters(count=60)
    candidates = find_graph(vectors, groups).candidates
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert candidates.cosine == pytest.approx((unit[:, None] * unit[candidates.rows]).sum(axis=2), abs=1e-5)
    assert (candidates.rows != np.arange(60)[:, None]).all()
