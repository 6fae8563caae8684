import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import UsageError
from embedkit.evaluation import EvaluationSettings, evaluate
from embedkit.evaluation.fractions import draw_labels, self_trained_learner
from embedkit.evaluation.judging import judge_ensemble, judge_linear, judge_neighbours
from embedkit.evaluation.labelled import select_labelled
from embedkit.evaluation.protocol import judged_rows, plan_folds, plan_split
from embedkit.heads import Moments, fit_linear, fit_self_trained, number_groups
from embedkit.heads.linear import fit_temperature, softmax

QUICK = EvaluationSettings(fractions=(0.01, 1.0), repeats=3)


@pytest.fixture(scope="module", params=[0, 5], ids=["split", "folds"])
def found(request, archive):
    return evaluate(
        archive.labels, archive.spaces, archive.patients, settings=dataclasses.replace(QUICK, folds=request.param)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 4))
def test_no_patient_is_judged_by_a_head_that_saw_it_and_folds_judge_everyone_once(seed, folds, images):
    rng = np.random.default_rng(seed)
    groups = np.arange(40).repeat(images)
    codes = rng.integers(0, 3, len(groups))
    split, dealt = plan_split(codes, groups, seed), plan_folds(codes, groups, folds, seed)
    for judged in (*split, *dealt):
        assert not set(groups[judged.train]) & set(groups[judged.test])
        assert not (judged.calibration & judged.test).any()
    assert (np.sum([judged.test for judged in dealt], axis=0) == 1).all()
    assert not (split[0].train & split[0].calibration).any()
    assert len(judged_rows(dealt)) == len(groups) > len(judged_rows(split)) > 0


def test_linear_judgements_are_those_of_a_loop(archive):
    data = select_labelled(archive.labels, archive.patients)
    vectors = archive.spaces["simclr"]
    rounds = plan_folds(data.codes, data.groups, 5)
    found = judge_linear("simclr", vectors, data.codes, rounds, 4)
    for number, judged in enumerate(rounds):
        head = fit_linear(Moments.of(vectors[judged.train], data.codes[judged.train], 4), data.regions)
        logits = head.logits(vectors[judged.test])
        assert found.raw[judged.test] == pytest.approx(softmax(logits), abs=1e-4)
        others = np.concatenate([np.flatnonzero(one.test) for at, one in enumerate(rounds) if at != number])
        heat = fit_temperature(np.log(found.raw + 1e-30)[others], data.codes[others])
        assert found.probabilities[judged.test] == pytest.approx(softmax(logits / np.float32(heat)), abs=2e-3)


def test_neighbours_vote_from_the_training_part_only(archive):
    data = select_labelled(archive.labels, archive.patients)
    (judged,) = rounds = plan_split(data.codes, data.groups)
    spoilt = archive.spaces["simclr"].copy()
    found = judge_neighbours("simclr", spoilt, data.codes, rounds, 4)
    assert found.probabilities[judged.test].sum(axis=1) == pytest.approx(1)
    assert (found.probabilities[judged.train] == 0).all()
    relabelled = np.where(judged.test, (data.codes + 1) % 4, data.codes)
    assert (judge_neighbours("simclr", spoilt, relabelled, rounds, 4).raw == found.raw).all()


def test_the_ensemble_names_the_largest_sum_of_softmax(archive):
    data = select_labelled(archive.labels, archive.patients)
    rounds = plan_folds(data.codes, data.groups, 5)
    members = [judge_linear(name, values, data.codes, rounds, 4) for name, values in archive.spaces.items()]
    together = judge_ensemble(members, data.codes, rounds)
    expected = members[0].probabilities + members[1].probabilities
    assert (together.probabilities.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_every_method_is_scored_on_the_same_images_and_the_ensemble_is_best(found):
    assert [score.method for score in found.scores] == [
        "simclr linear",
        "byol linear",
        "simclr kNN",
        "byol kNN",
        "ensemble",
    ]
    for score in found.scores:
        assert score.overall.low <= score.overall.value <= score.overall.high
        assert sum(region.images for region in score.regions) == score.overall.images == found.confusion.sum()
        mean = sum(one.value * one.images for one in score.regions) / score.overall.images
        assert mean == pytest.approx(score.overall.value)
    assert found.scores[-1].overall.value == max(score.overall.value for score in found.scores)
    assert np.trace(found.confusion) / found.confusion.sum() == pytest.approx(found.scores[-1].overall.value)


def test_calibration_gets_better_and_more_labels_do_too(found):
    for calibration in found.calibration[:2]:
        assert calibration.after.value < calibration.before.value + 0.02
    for method in ("simclr linear", "byol linear", "ensemble"):
        few, all_of_them = (score for score in found.fractions if score.method == method)
        assert few.low <= few.mean <= few.high
        assert few.labels < all_of_them.labels
        assert few.mean < all_of_them.mean
        score = next(score for score in found.scores if score.method == method)
        assert all_of_them.mean == pytest.approx(score.overall.value, abs=0.02)


def test_the_head_that_comes_with_it_knows_all_regions(found, archive):
    right = [
        found.head.regions[best] == given
        for best, given in zip(
            found.head.probabilities(archive.spaces).argmax(axis=1).tolist(), archive.labels, strict=True
        )
    ]
    assert np.mean(right) > found.scores[-1].overall.low
    assert found.head.contains(archive.spaces).mean() > 0.95


def test_labels_that_are_not_there_and_regions_of_few_patients_are_left_out(archive):
    labels = archive.labels.copy()
    labels[::7] = ""
    labels[np.isin(archive.patients, ["p1", "p2"])] = "rib"
    found = evaluate(labels, archive.spaces, archive.patients, without=["hip"], settings=QUICK)
    assert found.regions == ("foot", "hand", "knee")
    assert found.images == np.isin(labels, found.regions).sum()
    assert any("rib" in note for note in found.notes)
    for spoilt, without, reason in (
        (np.full(600, "hand"), (), "too-few-labels"),
        (np.full(600, ""), (), "too-few-labels"),
        (archive.labels, ("chest",), "unknown-region"),
    ):
        with pytest.raises(UsageError) as caught:
            evaluate(spoilt, archive.spaces, archive.patients, without=without)
        assert caught.value.reason == reason
    with pytest.raises(UsageError, match="simclr"):
        evaluate(archive.labels, {"simclr": archive.spaces["simclr"][:5]}, archive.patients)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(archive):
    one, two = (evaluate(archive.labels, archive.spaces, archive.patients, settings=QUICK) for _ in range(2))
    assert one.scores == two.scores
    assert one.fractions == two.fractions
    other = evaluate(archive.labels, archive.spaces, archive.patients, settings=dataclasses.replace(QUICK, seed=1))
    assert other.scores != one.scores


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.001, 0.01, 0.1, 0.5, 1.0]))
def test_draws_are_stratified_nested_in_the_training_part_and_repeatable(seed, fraction):
    codes = np.random.default_rng(seed).integers(0, 4, 300)
    rounds = plan_folds(codes, np.arange(300), 3, seed)
    draws = list(draw_labels(codes, rounds, [fraction], 4, seed))
    assert len(draws) == (3 if fraction == 1 else 4)
    for draw in draws:
        judged = rounds[draw.number % 3]
        assert judged.train[draw.train].all()
        assert (draw.test == np.flatnonzero(judged.test)).all()
        assert len(set(draw.train.tolist())) == len(draw.train)
        held, there = np.bincount(codes[draw.train], minlength=4), np.bincount(codes[judged.train], minlength=4)
        assert (held == np.maximum(np.round(fraction * there), 1)).all()
    again = list(draw_labels(codes, rounds, [fraction], 4, seed))
    assert all((one.train == two.train).all() for one, two in zip(draws, again, strict=True))


def test_learners_get_rows_of_what_was_given(archive):
    labels = archive.labels.copy()
    labels[:100] = ""
    asked = []

    def oracle(rows, codes, others):
        known = {labels[row]: code for row, code in zip(rows, codes, strict=True)}
        asked.append(rows)
        return np.array([known[labels[row]] for row in others])

    found = evaluate(
        labels, archive.spaces, number_groups(archive.patients, 600), learners={"oracle": oracle}, settings=QUICK
    )
    assert [score.mean for score in found.fractions if score.method == "oracle"] == [1, 1]
    assert min(rows.min() for rows in asked) >= 100


def test_self_training_learns_nothing_from_judged_patients_or_from_labels_left_out(archive):
    data = select_labelled(archive.labels, archive.patients, ["hip"])
    vectors = archive.spaces["simclr"]
    (judged,) = plan_split(data.codes, data.groups)
    rows, others = data.rows[judged.train][:30], data.rows[judged.test]
    codes = data.codes[judged.train][:30]
    found = self_trained_learner(vectors, data.patients, 3)(rows, codes, others)
    spoilt = vectors.copy()
    spoilt[archive.labels == "hip"] *= -1
    spoilt[others[1:]] *= -1
    again = self_trained_learner(spoilt, data.patients, 3)(rows, codes, others)
    assert again[0] == found[0]
    named = fit_self_trained(vectors[rows], codes, data.regions)
    assert (found != named.logits(vectors[others]).argmax(axis=1)).any()
