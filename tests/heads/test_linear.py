import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from embedkit.heads import Moments, add_up, cross_validate, fit_head, fit_linear
from embedkit.heads.linear import fit_temperature, softmax

REGIONS = ("hand", "knee", "foot")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_moments_add_and_subtract_like_sets_of_images(clusters):
    vectors, codes, _ = clusters
    first = np.arange(len(codes)) < 50
    one = Moments.of(vectors, np.where(first, codes, -1), 3)
    two = Moments.of(vectors, np.where(first, -1, codes), 3)
    whole = Moments.of(vectors, codes, 3)
    for name in ("counts", "sums", "scatter"):
        assert getattr(add_up([one, two]), name) == pytest.approx(getattr(whole, name))
        assert getattr(whole - two, name) == pytest.approx(getattr(one, name))


def test_without_shrinkage_it_is_linear_discriminant_analysis(clusters):
    vectors, codes, _ = clusters
    peer = LinearDiscriminantAnalysis(solver="lsqr").fit(unit(vectors.astype(np.float64)), codes)
    head = fit_linear(Moments.of(vectors, codes, 3), REGIONS, shrinkage=0)
    assert head.probabilities(vectors) == pytest.approx(peer.predict_proba(unit(vectors.astype(np.float64))), abs=2e-3)


def test_the_more_images_the_less_shrinkage():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 8)).astype(np.float32) + 1
    for count, shrinkage in ((8, 0.1), (80, 0.01), (400, 0.002)):
        moments = Moments.of(vectors[:count], np.arange(count) % 2, 2)
        same = fit_linear(moments, REGIONS[:2], shrinkage=shrinkage)
        assert fit_linear(moments, REGIONS[:2]).weight == pytest.approx(same.weight)


def test_length_does_not_matter_and_probabilities_add_up(clusters):
    vectors, codes, _ = clusters
    head = fit_linear(Moments.of(vectors, codes, 3), REGIONS)
    assert head.probabilities(vectors * 7) == pytest.approx(head.probabilities(vectors), abs=1e-5)
    assert head.probabilities(vectors).sum(axis=1) == pytest.approx(1)
    assert (head.probabilities(vectors).argmax(axis=1) == codes).mean() > 0.9


def test_a_class_never_seen_gets_probability_zero(clusters):
    vectors, codes, _ = clusters
    head = fit_linear(Moments.of(vectors, np.where(codes == 2, -1, codes), 3), REGIONS)
    assert (head.probabilities(vectors)[:, 2] == 0).all()


def test_dimensions_that_never_vary_do_no_harm(clusters):
    vectors, codes, _ = clusters
    flat = np.concatenate([unit(vectors), np.zeros((len(vectors), 4), np.float32)], axis=1)
    assert np.isfinite(fit_linear(Moments.of(flat, codes, 3), REGIONS).probabilities(flat)).all()


def test_the_temperature_that_spoilt_the_logits_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4)).astype(np.float32)
    codes = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(logits * 3, codes) == pytest.approx(3, rel=0.12)
    assert fit_temperature(logits, np.full(20_000, -1)) == 1


def test_out_of_fold_equals_a_loop_that_fits_each_fold_from_scratch(clusters):
    from embedkit.heads import FoldedHeads

    vectors, codes, groups = clusters
    heads = FoldedHeads(vectors, codes, groups, 3)
    excluded = np.random.default_rng(1).random(len(codes)) < 0.2
    found = heads.logits(excluded)
    for fold in range(heads.folds.max() + 1):
        held = heads.folds == fold
        fresh = fit_linear(Moments.of(vectors, np.where(held | excluded, -1, codes), 3), REGIONS)
        assert found[held] == pytest.approx(fresh.logits(vectors[held]), abs=1e-3)


def test_a_patient_is_never_judged_by_a_head_that_saw_it():
    """Labels that only the patient explains: pairs of equal vectors with a label drawn for the pair."""
    rng = np.random.default_rng(0)
    groups = np.arange(1200) // 2
    vectors = rng.normal(size=(600, 64)).astype(np.float32)[groups]
    codes = rng.integers(0, 2, 600)[groups]
    right = cross_validate(vectors, codes, groups, 2).argmax(axis=1) == codes
    split = cross_validate(vectors, codes, np.arange(1200), 2).argmax(axis=1) == codes
    assert right.mean() < 0.57 < split.mean()


def test_images_without_a_label_are_judged_too(clusters):
    vectors, codes, groups = clusters
    known = np.where(np.arange(120) % 4 == 0, -1, codes)
    table = cross_validate(vectors, known, groups, 3)
    assert (table.argmax(axis=1) == codes)[known < 0].mean() > 0.8


def test_one_patient_is_too_few_to_cross_validate_but_not_to_fit(clusters):
    from embedkit.errors import UsageError

    vectors, codes, groups = clusters
    with pytest.raises(UsageError, match="two patients"):
        cross_validate(vectors, codes, np.zeros_like(groups), 3)
    head = fit_head(vectors, codes, np.zeros_like(groups), REGIONS)
    assert (head.probabilities(vectors).argmax(axis=1) == codes).mean() > 0.9


def test_the_final_head_is_as_sure_as_held_out_patients_allow(clusters):
    vectors, codes, groups = clusters
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(120) < 0.4, rng.integers(0, 3, 120), codes)
    sure, unsure = fit_head(vectors, codes, groups, REGIONS), fit_head(vectors, noisy, groups, REGIONS)
    assert unsure.probabilities(vectors).max(axis=1).mean() < sure.probabilities(vectors).max(axis=1).mean() - 0.1
