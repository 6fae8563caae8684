import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from embedkit.errors import UsageError
from embedkit.heads import cross_validate
from embedkit.quality import rank_label_issues


def make_clusters(count=300, classes=4, seed=0, noise=0.06):
    """Vectors, true codes, given codes, groups of two."""
    rng = np.random.default_rng(seed)
    groups = np.arange(count) // 2
    true = rng.integers(0, classes, count // 2 + 1)[groups]
    vectors = rng.normal(size=(classes, 24))[true] + rng.normal(0, 0.8, (count, 24)) + 1
    flipped = rng.random(count) < noise
    labels = np.where(flipped, (true + rng.integers(1, max(classes, 2), count)) % classes, true)
    return vectors.astype(np.float32), true, labels, groups


@pytest.mark.parametrize("noise", [0.03, 0.06, 0.15])
def test_planted_errors_come_first_and_the_true_class_is_suggested(noise):
    vectors, true, labels, groups = make_clusters(noise=noise)
    ranking = rank_label_issues(labels, vectors, groups=groups)
    wrong = labels != true
    assert average_precision_score(wrong, ranking.score) > 0.97
    assert wrong[ranking.order[: wrong.sum() // 2]].all()
    assert (ranking.suggested[wrong] == true[wrong]).mean() > 0.9
    assert wrong[ranking.is_issue].mean() > 0.8
    assert ranking.is_issue[wrong].mean() > 0.6
    assert ((ranking.score >= 0) & (ranking.score <= 1)).all()


def test_without_errors_few_are_flagged():
    vectors, true, _, groups = make_clusters()
    assert rank_label_issues(true, vectors, groups=groups).is_issue.sum() <= 4


def test_fusion_is_better_than_confidence_alone():
    gain = []
    for seed in range(6):
        vectors, true, labels, groups = make_clusters(seed=seed, noise=0.1)
        own = cross_validate(vectors, labels, groups, 4)[np.arange(len(labels)), labels]
        fused = rank_label_issues(labels, vectors, groups=groups).score
        gain.append(average_precision_score(labels != true, fused) - average_precision_score(labels != true, -own))
    assert np.mean(gain) > 0


def test_the_same_input_gives_the_same_ranking():
    vectors, _, labels, groups = make_clusters()
    first, second = (rank_label_issues(labels, vectors, groups=groups, seed=3) for _ in range(2))
    assert (first.score == second.score).all()
    assert (first.order == second.order).all()


def test_names_of_classes_do_not_matter():
    vectors, _, labels, groups = make_clusters()
    names = np.array(["a knee", "b hand", "c foot", "d rib"])
    texts, numbers = (rank_label_issues(given, vectors, groups=groups) for given in (names[labels], labels))
    assert texts.score == pytest.approx(numbers.score)
    assert texts.classes == tuple(names)
    assert numbers.classes == ("0", "1", "2", "3")


def test_probabilities_alone_are_enough():
    vectors, true, labels, groups = make_clusters()
    table = cross_validate(vectors, labels, groups, 4)
    ranking = rank_label_issues(labels, pred_probs=table)
    assert average_precision_score(labels != true, ranking.score) > 0.9
    assert (ranking.neighbours == -1).all()


def test_probabilities_and_vectors_are_fused():
    vectors, true, labels, groups = make_clusters(noise=0.1)
    useless = np.full((len(labels), 4), 0.25)
    ranking = rank_label_issues(labels, vectors, useless, groups)
    assert average_precision_score(labels != true, ranking.score) > 0.9


def test_missing_labels_get_a_suggestion_and_no_score():
    vectors, true, labels, groups = make_clusters()
    names = np.array(["foot", "hand", "knee", "rib"])[labels].tolist()
    missing = np.arange(0, 300, 7)
    for row, nothing in zip(missing, [None, "", float("nan")] * 20, strict=False):
        names[row] = nothing
    ranking = rank_label_issues(names, vectors, groups=groups)
    assert (ranking.score[missing] == 0).all()
    assert not ranking.is_issue[missing].any()
    assert (ranking.suggested[missing] == true[missing]).mean() > 0.9


def test_neighbours_are_of_other_patients():
    vectors, _, labels, groups = make_clusters()
    ranking = rank_label_issues(labels, vectors, groups=[f"patient {group}" for group in groups])
    assert (groups[ranking.neighbours] != groups[:, None]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 25),
    st.integers(1, 6),
    st.integers(1, 25),
    st.integers(0, 10_000),
)
def test_any_small_input_is_ranked_or_its_limits_named(count, classes, patients, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, classes, count)
    groups = rng.integers(0, patients, count).astype(str)
    ranking = rank_label_issues(labels, rng.normal(size=(count, 8)), groups=groups, seed=seed)
    assert np.isfinite(ranking.score).all()
    assert ((ranking.score >= 0) & (ranking.score <= 1)).all()
    assert (ranking.score[labels < 0] == 0).all()
    assert sorted(ranking.order) == list(range(count))
    if len(set(labels[labels >= 0])) < 2:
        assert ranking.notes
        assert not ranking.is_issue.any()


def test_one_class_says_what_it_cannot_do():
    vectors, _, labels, _ = make_clusters(count=20)
    ranking = rank_label_issues(np.zeros_like(labels), vectors)
    assert ranking.notes == ("Every label is 0: with one class labels cannot be checked.",)
    assert (ranking.suggested == -1).all()


def test_no_label_at_all_says_so():
    vectors, _, _, _ = make_clusters(count=20)
    ranking = rank_label_issues([None] * 20, vectors)
    assert len(ranking.notes) == 1
    assert (ranking.score == 0).all()


def test_a_label_of_one_patient_is_not_called_wrong():
    vectors, _, labels, groups = make_clusters()
    names = np.array(["foot", "hand", "knee", "rib"], dtype=object)[labels]
    names[groups == 3] = "skull"
    ranking = rank_label_issues(names, vectors, groups=groups)
    assert any("skull" in note for note in ranking.notes)
    assert not ranking.is_issue[groups == 3].any()


def test_every_label_alone_cannot_be_checked():
    rng = np.random.default_rng(0)
    ranking = rank_label_issues(np.arange(20), rng.normal(size=(20, 8)))
    assert (ranking.score == 0).all()
    assert ranking.notes


def test_one_id_for_everybody_is_no_patient():
    vectors, true, labels, _ = make_clusters()
    ranking = rank_label_issues(labels, vectors, groups=["ANONYMOUS"] * len(labels))
    assert average_precision_score(labels != true, ranking.score) > 0.9
    assert "not taken for one patient" in ranking.notes[0]
    assert "ANONYMOUS" not in ranking.notes[0]


def spoil(row, column, value):
    def change(table):
        table = table.copy()
        table[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (spoil(3, 2, np.nan), "bad-vectors"),
        (spoil(3, 2, np.inf), "bad-vectors"),
        (spoil(3, slice(None), 0), "bad-vectors"),
        (lambda table: table[:-1], "bad-vectors"),
        (lambda table: table[:, 0], "bad-vectors"),
        (lambda table: table.astype(str), "bad-vectors"),
    ],
)
def test_bad_vectors_are_refused(change, reason):
    vectors, _, labels, _ = make_clusters(count=20)
    with pytest.raises(UsageError) as caught:
        rank_label_issues(labels, change(vectors))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "table",
    [
        np.full((20, 3), 1 / 3),
        np.full((19, 4), 0.25),
        np.full((20, 4), 0.3),
        np.full((20, 4), np.nan),
        np.eye(20)[:, :4],
    ],
)
def test_bad_probabilities_are_refused(table):
    with pytest.raises(UsageError) as caught:
        rank_label_issues(np.arange(20) % 4, pred_probs=table)
    assert caught.value.reason == "bad-probabilities"


@pytest.mark.parametrize(
    "labels", [[0.5] * 20, [True] * 20, [[0]] * 20, [{}] * 20, [b"hand"] * 20, np.zeros(20, "M8[s]")]
)
def test_labels_of_another_kind_are_refused(labels):
    with pytest.raises(UsageError) as caught:
        rank_label_issues(labels, np.ones((20, 4)))
    assert caught.value.reason == "bad-labels"


def test_other_misuse_is_refused():
    with pytest.raises(UsageError, match="vectors, pred_probs"):
        rank_label_issues([0, 1])
    with pytest.raises(UsageError, match="classes"):
        rank_label_issues(["hand", "rib"], np.ones((2, 4)), classes=["hand"])
    with pytest.raises(UsageError, match="groups"):
        rank_label_issues([0, 1], np.ones((2, 4)), groups=["a"])


def test_classes_may_be_named_that_no_image_has():
    vectors, true, labels, groups = make_clusters()
    names = ["foot", "hand", "knee", "rib", "skull"]
    ranking = rank_label_issues(labels, vectors, groups=groups, classes=names)
    assert ranking.classes == tuple(names)
    assert average_precision_score(labels != true, ranking.score) > 0.97
