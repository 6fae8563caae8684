"""Clusters to be named in one go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.annotate import find_clusters
from embedkit.errors import UsageError


def crowds(sizes, seed=0):
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    return of, (rng.normal(size=(len(sizes), 16))[of] + rng.normal(0, 0.05, (len(of), 16))).astype(np.float32)


@pytest.mark.slow
def test_crowds_are_found_the_largest_first():
    of, vectors = crowds([5, 40, 12])
    found = find_clusters(vectors, 3)
    assert found.sizes.tolist() == [40, 12, 5]
    assert [set(of[found.of_image == cluster].tolist()) for cluster in range(3)] == [{1}, {2}, {0}]


def test_examples_go_from_the_middle_to_the_edge():
    _, vectors = crowds([100])
    found = find_clusters(vectors, 1)
    rows = found.examples(0, 10)
    assert len(set(rows.tolist())) == 10
    assert (np.diff(found.cosine[rows]) <= 0).all()
    assert found.cosine[rows[0]] == found.cosine.max()
    assert found.cosine[rows[-1]] == found.cosine.min()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 99))
def test_every_image_is_in_a_cluster_and_the_same_seed_gives_the_same(count, clusters, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    one, two = (find_clusters(vectors, clusters, seed=seed) for _ in range(2))
    assert one.of_image.tolist() == two.of_image.tolist()
    assert 1 <= len(one) <= min(count, clusters)
    assert one.sizes.sum() == count
    assert sorted(one.sizes.tolist(), reverse=True) == one.sizes.tolist()
    assert all(len(one.examples(cluster)) for cluster in range(len(one)))


def test_equal_images_make_one_cluster():
    assert len(find_clusters(np.ones((9, 4), np.float32), 5)) == 1


def test_no_image_is_an_error():
    with pytest.raises(UsageError, match="no image"):
        find_clusters(np.empty((0, 4), np.float32), 5)
