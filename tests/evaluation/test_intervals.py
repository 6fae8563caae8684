import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.evaluation import mean_interval
from embedkit.evaluation.calibration import BINS, bin_of, calibration_error, reliability
from embedkit.evaluation.intervals import draw_sums


def test_drawn_sums_are_those_of_a_loop():
    totals = np.random.default_rng(1).random((7, 2))
    drawn = draw_sums(totals, 50, seed=3)
    rng = np.random.default_rng(3)
    often = rng.multinomial(7, np.full(7, 1 / 7), size=50)
    for row in range(50):
        expected = sum(times * totals[patient] for patient, times in enumerate(often[row]))
        assert drawn[row] == pytest.approx(expected)


def test_draws_do_not_depend_on_how_many_fit_into_memory(monkeypatch):
    from embedkit.evaluation import intervals

    totals = np.random.default_rng(1).random((40, 2))
    whole = draw_sums(totals, 300)
    monkeypatch.setattr(intervals, "_AT_ONCE", 400)
    assert draw_sums(totals, 300) == pytest.approx(whole, rel=1e-12)  # BLAS adds up in another order


def test_images_of_one_patient_widen_the_interval():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(100) < 0.9, 5)
    alone, together = (mean_interval(right, groups) for groups in (np.arange(500), np.repeat(np.arange(100), 5)))
    assert alone.value == together.value
    assert together.high - together.low > 1.8 * (alone.high - alone.low)
    assert (alone.images, alone.patients, together.patients) == (500, 500, 100)


def test_the_interval_holds_the_truth_about_95_times_of_100():
    held = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        skill = rng.choice([0.6, 1.0], 200)  # of a patient: accuracy is 0.8
        right = rng.random((200, 3)) < skill[:, None]
        found = mean_interval(right.ravel(), np.repeat(np.arange(200), 3), draws=400)
        held += found.low <= 0.8 <= found.high
    assert 106 <= held <= 120


def test_without_an_error_the_interval_is_not_a_point():
    perfect = mean_interval(np.ones(60), np.repeat(np.arange(20), 3))
    assert (perfect.value, perfect.high) == (1, 1)
    assert perfect.low == pytest.approx(0.025 ** (1 / 20))
    hopeless = mean_interval(np.zeros(60), np.repeat(np.arange(20), 3))
    assert (hopeless.value, hopeless.low) == (0, 0)
    assert hopeless.high == pytest.approx(1 - 0.025 ** (1 / 20))
    nothing = mean_interval(np.array([]), np.array([], np.int64))
    assert np.isnan(nothing.value)
    assert nothing.images == 0


def naive_error(confidence, right):
    total = 0.0
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        inside = (confidence > low) & (confidence <= high) if place else confidence <= high
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 200))
def test_the_calibration_error_is_that_of_a_loop(seed, count):
    rng = np.random.default_rng(seed)
    confidence = rng.random(count)
    right = rng.random(count) < confidence
    found = calibration_error(confidence, right, np.arange(count), draws=20)
    assert found.value == pytest.approx(naive_error(confidence, right))
    assert 0 <= found.low <= found.value <= found.high


@pytest.mark.slow
def test_honest_confidence_has_a_small_error_and_bins_on_the_diagonal():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 20_000).astype(np.float32)
    right = rng.random(20_000) < confidence
    groups = np.arange(20_000)
    assert calibration_error(confidence, right, groups, draws=100).value < 0.015
    assert calibration_error(np.sqrt(confidence), right, groups, draws=100).low > 0.1
    bins = reliability(confidence, right, groups)
    assert sum(one.accuracy.images for one in bins) == 20_000
    assert all(one.accuracy.value == pytest.approx(one.confidence, abs=0.05) for one in bins)


def test_bins_include_their_upper_end():
    assert bin_of(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0])).tolist() == [0, 0, 1, 14]
