"""How many errors to expect, and what verdicts change."""

import numpy as np
import pytest

from embedkit.errors import UsageError
from embedkit.quality import rank_label_issues
from embedkit.quality.estimate import estimate_errors
from embedkit.quality.screening import screen_labels

from .test_ranking import make_clusters


def estimate_from(ranking, settled=None):
    settled = np.zeros(len(ranking.score), dtype=bool) if settled is None else settled
    return estimate_errors(ranking.score, settled, ranking.disagreement)


@pytest.mark.slow
def test_the_interval_covers_the_truth_in_nine_of_ten_archives():
    covered = []
    for seed in range(20):
        vectors, true, labels, groups = make_clusters(count=400, seed=seed, noise=(0.03, 0.06, 0.12, 0.2)[seed % 4])
        found = estimate_from(rank_label_issues(labels, vectors, groups=groups))
        covered.append(found.low <= (labels != true).sum() <= found.high)
        assert found.low <= found.expected <= found.high
    assert np.mean(covered) >= 0.9


def test_scores_are_probabilities():
    score, wrong = [], []
    for seed in range(8):
        vectors, true, labels, groups = make_clusters(count=400, seed=seed, noise=0.1)
        score.append(rank_label_issues(labels, vectors, groups=groups).score)
        wrong.append(labels != true)
    score, wrong = np.concatenate(score), np.concatenate(wrong)
    part = np.minimum((score * 10).astype(int), 9)
    gaps = [
        abs(score[part == tenth].mean() - wrong[part == tenth].mean()) * (part == tenth).mean() for tenth in set(part)
    ]
    assert sum(gaps) < 0.05


def test_counts_are_those_of_a_loop():
    scores, settled = np.random.default_rng(0).random(300), np.arange(300) % 3 == 0
    scores[settled] = np.round(scores[settled])
    found = estimate_errors(scores, settled, 5.0)
    left = sorted((score for score, known in zip(scores, settled, strict=True) if not known), reverse=True)
    assert found.expected == pytest.approx(scores.sum())
    assert found.among_first == pytest.approx({first: sum(left[:first]) for first in (50, 100, 200)})
    assert found.worth_reviewing == sum(score >= 0.1 for score in left)
    assert "among the first 50" in str(found)


def test_when_all_is_judged_nothing_is_left_to_estimate():
    found = estimate_errors(np.array([1.0, 0.0, 1.0, 0.0]), np.ones(4, dtype=bool), 0.0)
    assert (found.low, found.expected, found.high, found.worth_reviewing) == (2, 2, 2, 0)


def test_verdicts_settle_what_they_are_about_and_sharpen_the_rest():
    vectors, true, labels, groups = make_clusters(count=400, noise=0.1)
    before = rank_label_issues(labels, vectors, groups=groups)
    judged = before.order[:50]
    after = rank_label_issues(labels, vectors, groups=groups, reviewed={int(row): str(true[row]) for row in judged})
    wrong = labels != true
    assert (after.score[judged] == wrong[judged]).all()
    assert (after.suggested[judged] == true[judged]).all()
    assert (after.is_issue[judged] == wrong[judged]).all()
    wide, narrow = estimate_from(before), estimate_from(after, np.isin(np.arange(400), judged))
    assert narrow.high - narrow.low < wide.high - wide.low
    assert narrow.low <= wrong.sum() <= narrow.high


def test_reviewers_who_find_every_suspect_right_are_believed():
    vectors, _, labels, groups = make_clusters(count=400, noise=0.1)
    before = rank_label_issues(labels, vectors, groups=groups)
    judged = before.order[:40:2]
    after = rank_label_issues(labels, vectors, groups=groups, reviewed={int(row): str(labels[row]) for row in judged})
    others = np.setdiff1d(before.order[:40], judged)
    assert after.score[others].mean() < 0.7 * before.score[others].mean()


def test_a_verdict_of_no_region_makes_an_image_foreign_and_finds_its_kin():
    vectors, _, labels, groups = make_clusters(count=400)
    rng = np.random.default_rng(5)
    vectors[:12] = rng.normal(size=24) + rng.normal(0, 0.3, (12, 24)) + 1
    found = screen_labels(labels, vectors, groups, reviewed=dict.fromkeys(range(5), "") | {399: str(labels[399])})
    assert (found.out_of_domain[:5] == 1).all()
    assert found.out_of_domain[399] == 0
    assert (found.out_of_domain[5:12] > 0.5).all()


@pytest.mark.parametrize("row", [-1, 300])
def test_a_verdict_on_no_image_is_refused(row):
    vectors, _, labels, groups = make_clusters()
    with pytest.raises(UsageError) as caught:
        rank_label_issues(labels, vectors, groups=groups, reviewed={row: "1"})
    assert caught.value.reason == "bad-review"
