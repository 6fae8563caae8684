import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.heads import Moments, fit_linear, fit_self_trained, whiten
from embedkit.heads.self_training import NEIGHBOURS, SHARES, WEIGHT, find_nearest, keep_clearest

REGIONS = ("hand", "knee", "foot")


def clusters(seed, count=300):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, count)
    vectors = rng.normal(size=(3, 16))[codes] + rng.normal(0, 0.8, (count, 16)) + 1
    few = np.full(count, -1)
    for code in range(3):
        few[np.flatnonzero(codes == code)[:2]] = code
    return vectors.astype(np.float32), codes, few


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0, 9), min_size=3, max_size=3))
def test_the_clearest_of_each_class_are_kept_as_a_loop_keeps_them(seed, most):
    logits = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    expected = np.full(20, -1)
    for code in range(3):
        leads = []
        for row, scores in enumerate(logits.tolist()):
            others = [score for number, score in enumerate(scores) if number != code]
            if scores[code] > max(others):
                leads.append((scores[code] - max(others), row))
        for _, row in sorted(leads, reverse=True)[: round(most[code])]:
            expected[row] = code
    assert (keep_clearest(logits, most) == expected).all()
    assert keep_clearest(logits[:0], most).shape == (0,)


def test_the_nearest_are_those_that_a_loop_finds_and_the_image_itself():
    vectors, _, _ = clusters(2, 60)
    points = whiten(vectors).astype(np.float64)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = find_nearest(vectors, 40)
    for row in range(40):
        cosines = [float(points[row] @ other) for other in points]
        expected = sorted(range(60), key=lambda other: -cosines[other])[: NEIGHBOURS + 1]
        assert row in found[row]
        assert set(found[row].tolist()) == set(expected)
    assert find_nearest(vectors[:4], 3).shape == (3, 4)


def test_it_is_a_loop_of_fits_to_what_the_last_one_named():
    vectors, _, few = clusters(0)
    head = fit_linear(Moments.of(vectors, few, 3), REGIONS)
    rows = np.flatnonzero(few < 0)
    ordered = np.concatenate([rows, np.flatnonzero(few >= 0)])
    near = find_nearest(vectors[ordered], len(rows))
    for share in SHARES:
        said = head.probabilities(vectors[ordered])
        said[len(rows) :] = np.eye(3)[few[ordered[len(rows) :]]]
        heard = np.array([np.mean([said[row] for row in around], axis=0) for around in near])
        named = keep_clearest(np.log(heard + 1e-12), [share * len(rows) / 3] * 3)
        sums = Moments.of(vectors, few, 3)
        weight = min(1, WEIGHT / (named >= 0).sum())
        for row, code in zip(rows, named, strict=True):
            point = vectors[row].astype(np.float64) / np.linalg.norm(vectors[row])
            if code >= 0:
                sums.counts[code] += weight
                sums.sums[code] += weight * point
                sums.scatter[:] += weight * np.outer(point, point)
        head = fit_linear(sums, REGIONS)
    found = fit_self_trained(vectors, few, REGIONS, encoder="abc")
    assert found.encoder == "abc"
    assert found.logits(vectors) == pytest.approx(head.logits(vectors), abs=1e-2)


def test_images_without_a_label_help_where_labels_are_few():
    gains = []
    for seed in range(10):
        vectors, codes, few = clusters(seed)
        alone, taught = fit_linear(Moments.of(vectors, few, 3), REGIONS), fit_self_trained(vectors, few, REGIONS)
        unseen = few < 0
        right = [(head.logits(vectors).argmax(axis=1) == codes)[unseen].mean() for head in (alone, taught)]
        gains.append(right[1] - right[0])
    assert np.mean(gains) > 0.03


def test_one_label_a_class_says_nothing_of_proportions():
    vectors, _, few = clusters(0)
    few[[np.flatnonzero(few == code)[0] for code in range(3)]] = -1
    alone = fit_linear(Moments.of(vectors, few, 3), REGIONS)
    assert (fit_self_trained(vectors, few, REGIONS).weight == alone.weight).all()


def test_where_all_images_have_a_label_it_is_the_linear_head_and_without_any_it_says_nothing():
    vectors, codes, few = clusters(1)
    whole = fit_linear(Moments.of(vectors, codes, 3), REGIONS)
    assert fit_self_trained(vectors, codes, REGIONS).weight == pytest.approx(whole.weight)
    nothing = fit_self_trained(vectors, np.full(300, -1), REGIONS)
    assert nothing.probabilities(vectors) == pytest.approx(1 / 3)
    two = fit_self_trained(vectors, np.where(few == 2, -1, few), REGIONS)
    assert (two.probabilities(vectors)[:, 2] == 0).all()
