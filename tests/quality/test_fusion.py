import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedkit.heads import Neighbours
from embedkit.quality.fusion import add_signs, log_margin, read_as_probability
from embedkit.quality.neighbourhood import mean_distance

FINITE = st.floats(-50, 50, allow_nan=False)


def test_log_margin_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(5), 40).astype(np.float32)
    codes = rng.integers(-1, 5, 40)
    for row, margin in enumerate(log_margin(table, codes)):
        others = [table[row, code] for code in range(5) if code != codes[row]]
        expected = 0 if codes[row] < 0 else np.log(max(others)) - np.log(table[row, codes[row]])
        assert margin == pytest.approx(expected, abs=1e-5)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(2, 60), elements=FINITE), st.integers(0, 10_000))
def test_probabilities_keep_the_order_of_suspicion(suspicion, seed):
    likely = np.random.default_rng(seed).random(len(suspicion)) ** 3
    score = read_as_probability(suspicion, likely, np.ones(len(suspicion)))
    assert np.isfinite(score).all()
    assert ((score >= 0) & (score <= 1)).all()
    assert (np.diff(score[np.argsort(suspicion)]) >= 0).all()


def test_probabilities_add_up_to_the_flags():
    rng = np.random.default_rng(0)
    flagged = np.arange(2000) < 120
    suspicion = rng.normal(size=2000) + 3 * flagged
    score = read_as_probability(suspicion, flagged.astype(float), np.ones(2000))
    assert score.sum() == pytest.approx(121, abs=2)


def test_where_nothing_is_flagged_nothing_is_likely():
    suspicion = np.random.default_rng(0).normal(size=500)
    assert read_as_probability(suspicion, np.zeros(500), np.ones(500)).max() < 0.3


def test_signs_weigh_the_same_whatever_their_unit():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 100)).astype(np.float32)
    labelled = np.arange(100) < 80
    plain, scaled = (add_signs([(sign, 1.0), (two, 0.5)], labelled) for sign in (one, 1000 * one + 5))
    assert plain == pytest.approx(scaled, abs=1e-3)
    assert (plain[80:] == 0).all()
    assert (plain != add_signs([(one, 1.0), (two, 1.0)], labelled))[:80].any()


def test_mean_distance_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    cosine = -np.sort(-rng.uniform(-1, 1, (30, 12)), axis=1).astype(np.float32)
    rows = np.tile(np.arange(12), (30, 1))
    rows[::3, 9:], cosine[::3, 9:] = -1, -1
    wanted = rng.random((30, 12)) < 0.3
    for query, found in enumerate(mean_distance(Neighbours(rows, cosine), wanted, 4)):
        seen = [cosine[query, place] for place in range(12) if rows[query, place] >= 0]
        good = [near for place, near in enumerate(seen) if wanted[query, place]][:4]
        good += [min(seen)] * (4 - len(good))
        assert found == pytest.approx(np.mean([(1 - near) / 2 for near in good]), abs=1e-6)


def test_where_errors_part_cleanly_the_sum_is_still_theirs():
    """A step as steep as Newton's method would like overshoots there."""
    rng = np.random.default_rng(0)
    for count in (5, 15, 50):
        flagged = np.arange(400) < count
        suspicion = np.where(flagged, rng.normal(9, 2, 400), rng.normal(-1, 1, 400))
        score = read_as_probability(suspicion, flagged.astype(float), np.ones(400))
        assert score.sum() == pytest.approx(count, abs=2)
