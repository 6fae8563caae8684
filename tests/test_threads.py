"""Matrix products take one thread: on busy cores more of them wait for each other, and sums differ in the last bit."""

import numpy as np
import pytest
import threadpoolctl

from embedkit.heads import FoldedHeads
from embedkit.heads import linear as linear_module
from embedkit.heads import moments as moments_module
from embedkit.heads import whitening as whitening_module
from embedkit.heads.whitening import whiten
from embedkit.quality import rank_label_issues


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def seen(monkeypatch):
    """The threads that BLAS has whenever a fit brings vectors to length 1."""
    counts = set()

    def watch(module):
        unit = module.unit

        def spy(vectors):
            counts.update(blas_threads())
            return unit(vectors)

        monkeypatch.setattr(module, "unit", spy)

    for module in (linear_module, moments_module, whitening_module):
        watch(module)
    return counts


def test_fits_and_whitening_take_one_thread(seen):
    before = blas_threads()
    rng = np.random.default_rng(0)
    vectors, codes = rng.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 3
    FoldedHeads(vectors, codes, np.arange(60), 3).probabilities()
    whiten(vectors)
    assert seen == {1}
    assert blas_threads() == before


@pytest.mark.slow
def test_a_ranking_is_the_same_whatever_threads_there_are():
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 6
    vectors = (rng.normal(size=(6, 256))[labels] + 2 * rng.normal(size=(3000, 256))).astype(np.float32)
    scores = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            scores.append(rank_label_issues(labels.astype(str), vectors).score)
    assert np.array_equal(*scores)
