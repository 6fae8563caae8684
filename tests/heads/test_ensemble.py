"""Ensembles, what is in the domain, and from which confidence on a head may be believed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from embedkit.errors import UsageError
from embedkit.heads import NEVER, FoldedHeads, Moments, blend, find_thresholds, fit_domain, fit_ensemble, fit_linear
from embedkit.heads.confidence import find_threshold, lower_bound

REGIONS = ("hand", "knee", "foot")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_sum_of_softmax_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    parts = [rng.dirichlet(np.ones(4), 50).astype(np.float32) for _ in range(3)]
    mixed = blend(parts)
    for row in range(50):
        assert mixed[row] == pytest.approx(sum(part[row] for part in parts) / 3, abs=1e-6)
    sharper = blend(parts, 0.5)
    assert sharper == pytest.approx(mixed**2 / (mixed**2).sum(axis=1, keepdims=True), abs=1e-5)
    assert (sharper.argmax(axis=1) == mixed.argmax(axis=1)).all()


def test_one_space_makes_the_head_that_fit_head_makes(clusters):
    vectors, codes, groups = clusters
    alone = fit_ensemble({"simclr": vectors}, codes, groups, REGIONS)
    head = FoldedHeads(vectors, codes, groups, 3).head(REGIONS)
    assert alone.probabilities({"simclr": vectors}) == pytest.approx(head.probabilities(vectors), abs=1e-6)


def test_two_weak_spaces_are_better_together(clusters):
    _, codes, groups = clusters
    rng = np.random.default_rng(1)
    signal = np.eye(3)[codes]
    spaces = {name: (signal + rng.normal(0, 1.0, (120, 3)) + 3).astype(np.float32) for name in "abcd"}
    fresh = {name: (signal + rng.normal(0, 1.0, (120, 3)) + 3).astype(np.float32) for name in "abcd"}

    def right(names):
        fitted = fit_ensemble({name: spaces[name] for name in names}, codes, groups, REGIONS)
        return (fitted.probabilities(fresh).argmax(axis=1) == codes).mean()

    assert right("abcd") > max(right(name) for name in "abcd")


def test_dropped_images_teach_nothing_but_are_counted(clusters):
    vectors, codes, groups = clusters
    wrong = np.arange(120) % 10 == 0
    given = np.where(wrong, (codes + 1) % 3, codes)
    fitted = fit_ensemble({"simclr": vectors}, given, groups, REGIONS, excluded=wrong)
    clean = fit_linear(Moments.of(vectors, np.where(wrong, -1, codes), 3), REGIONS)
    best = fitted.probabilities({"simclr": vectors}).argmax(axis=1)
    assert (best == clean.logits(vectors).argmax(axis=1)).all()
    assert sum(threshold.errors for threshold in fitted.thresholds) >= wrong.sum() * 0.8


def test_vectors_of_no_use_are_refused(clusters):
    fitted = fit_ensemble({"simclr": clusters.vectors}, clusters.codes, clusters.groups, REGIONS)
    for vectors in ({}, {"simclr": np.zeros((2, 16), np.float32)}, {"simclr": np.ones((2, 15), np.float32)}):
        with pytest.raises(UsageError, match="simclr"):
            fitted.probabilities(vectors)
        with pytest.raises(UsageError, match="simclr"):
            fitted.contains(vectors)


def test_remoteness_is_the_mahalanobis_distance_of_a_loop(clusters):
    vectors, codes, _ = clusters
    points = unit(vectors.astype(np.float64))
    means = np.stack([points[codes == code].mean(axis=0) for code in range(3)])
    within = np.mean([np.outer(p - means[c], p - means[c]) for p, c in zip(points, codes, strict=True)], axis=0)
    covariance = 0.5 * within + 0.5 * np.trace(within) / 16 * np.eye(16)
    inverse = np.linalg.inv(covariance)
    found = fit_domain(Moments.of(vectors, codes, 4), reach=2.0).remoteness(vectors)
    for row, point in enumerate(points):
        expected = min((point - mean) @ inverse @ (point - mean) for mean in means) / 2
        assert found[row] == pytest.approx(expected, rel=1e-3)


def test_a_domain_holds_its_own_and_not_what_lies_elsewhere(clusters):
    vectors, codes, groups = clusters
    fitted = fit_ensemble({"simclr": vectors}, codes, groups, REGIONS)
    assert fitted.contains({"simclr": vectors}).mean() > 0.97
    out_of_domain = np.random.default_rng(3).normal(-3, 1, (50, 16)).astype(np.float32)
    assert fitted.contains({"simclr": out_of_domain}).mean() < 0.05
    with pytest.raises(ValueError, match="labelled"):
        fit_domain(Moments.of(vectors, np.full(120, -1), 3))


@pytest.mark.parametrize("errors", [0, 1, 5])
def test_the_bound_is_where_so_few_errors_are_just_unlikely(errors):
    bound = float(lower_bound(400 - errors, 400))
    assert binom.cdf(errors, 400, 1 - bound) == pytest.approx(0.05, abs=1e-6)
    assert lower_bound([0], [10]) == [0]


def test_299_patients_without_an_error_are_needed():
    confidence = np.linspace(0.9, 1, 299).astype(np.float32)
    right, groups = np.ones(299, bool), np.arange(299)
    found = find_threshold(confidence, right, groups)
    assert (found.patients, found.errors) == (299, 0)
    assert found.confidence == pytest.approx(0.9)
    assert found.lower >= 0.99
    assert find_threshold(confidence[1:], right[1:], groups[1:]).confidence == NEVER
    assert find_threshold(confidence, right, groups // 2).confidence == NEVER, "two images a patient are one witness"
    assert find_threshold(confidence[:0], right[:0], groups[:0]).confidence == NEVER


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 900), st.integers(1, 3))
def test_thresholds_are_those_of_a_loop(seed, count, images):
    rng = np.random.default_rng(seed)
    confidence = np.round(rng.random(count), 2).astype(np.float32)
    right = rng.random(count) < 0.99 + confidence / 100
    groups = rng.integers(0, max(1, count // images), count)
    found = find_threshold(confidence, right, groups)
    best = NEVER
    for least in np.unique(confidence):
        above = confidence >= least
        patients = len(set(groups[above]))
        errors = len(set(groups[above & ~right]))
        if lower_bound(patients - errors, patients) >= 0.99:
            best = min(best, float(least))
    assert found.confidence == best


def test_thresholds_hold_for_images_never_seen():
    """Whoever is believed from the threshold on is right 99 times of 100, in nearly every archive drawn."""
    kept = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 2, 6000)
        sure = rng.random(6000) ** 0.2
        named = np.where(rng.random(6000) < 0.5 + sure / 2, codes, 1 - codes)
        table = np.zeros((6000, 2), np.float32)
        table[np.arange(6000), named], table[np.arange(6000), 1 - named] = 0.5 + sure / 2, 0.5 - sure / 2
        found = find_thresholds(table[:3000], codes[:3000], np.arange(3000))
        best = table[3000:].max(axis=1)
        for code, threshold in enumerate(found):
            believed = (named[3000:] == code) & (best >= threshold.confidence)
            kept += not believed.any() or (codes[3000:][believed] == code).mean() >= 0.98
    assert kept >= 76


def test_only_what_reaches_its_own_threshold_passes(clusters):
    fitted = fit_ensemble({"simclr": clusters.vectors}, clusters.codes, clusters.groups, REGIONS)
    levels = [dataclasses.replace(fitted.thresholds[0], confidence=value) for value in (0.5, 0.9, NEVER)]
    gate = dataclasses.replace(fitted, thresholds=tuple(levels))
    table = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.05, 0.95, 0], [0, 0, 1]], np.float32)
    assert gate.passes(table).tolist() == [True, False, True, False]
