"""What the review changed, against loops over the truth."""

import math

import numpy as np
import pytest

from embedkit.heads import cross_validate, number_groups
from embedkit.report import compare_labels, confuse, make_report
from embedkit.report.correction import FILTERED, GIVEN, LEARNT, REVIEWED
from embedkit.review import find_consensus

from .archives import REGIONS, ArchiveIndex, decide, decide_by_truth, rank

NONE = ("out-of-domain", "unusable")


@pytest.fixture(scope="module")
def index():
    return ArchiveIndex()


@pytest.fixture(scope="module")
def report(index):
    """Everything that is wrong was read, and every fifth image."""
    rows = sorted({*index.wrong, *index.out_of_domain, *index.blank, *index.missing, *range(0, len(index), 5)})
    return make_report(index, rank(index), decide_by_truth(index, rows))


def predict(index, labels):
    """What the ensemble names, by the same heads."""
    codes = np.array([REGIONS.index(label) if label in REGIONS else -1 for label in labels])
    groups = number_groups(index.images["patient"].to_pylist(), len(index))
    tables = {space: cross_validate(index.vectors(space), codes, groups, 3) for space in index.spaces}
    tables["ensemble"] = tables["simclr"] + tables["byol"]
    return {name: [REGIONS[code] for code in table.argmax(axis=1)] for name, table in tables.items()}


def as_pairs(confusion):
    """The counts of a matrix by pair of labels, without zeros."""
    pairs = {}
    for row, name in enumerate(confusion.rows):
        for column, other in enumerate(confusion.columns):
            if confusion.counts[row, column]:
                pairs[name, other] = int(confusion.counts[row, column])
    return pairs


def test_old_against_reviewed_labels_is_counted_as_by_hand(index, report):
    given = index.images["region"].to_pylist()
    expected = {}
    for row in range(len(index)):
        if given[row] != index.true[row] or row % 5 == 0:
            pair = (index.true[row], given[row] or "no label")
            expected[pair] = expected.get(pair, 0) + 1
    assert as_pairs(report.correction.relabelled) == expected
    assert sum(count for (true, given), count in expected.items() if true != given) == 32
    assert int(report.correction.labels.wrong.sum()) == 25


def test_the_change_of_the_models_matrix_is_counted_as_by_hand(index, report):
    given = index.images["region"].to_pylist()
    named = predict(index, given)["ensemble"]
    expected = {}
    for row in range(len(index)):
        if given[row]:
            for label, step in ((index.true[row], 1), (given[row], -1)):
                pair = (label, named[row])
                expected[pair] = expected.get(pair, 0) + step
    assert as_pairs(report.correction.change) == {pair: count for pair, count in expected.items() if count}
    assert report.correction.change.counts.sum() == 0


def test_accuracies_are_counted_as_by_hand(index, report):
    given = index.images["region"].to_pylist()
    suspected = report.suspicion.suspected
    assert set(np.flatnonzero(suspected)) > {*index.out_of_domain, *index.blank, *index.wrong[:12]}
    before, after = predict(index, given), predict(index, index.true)
    stages = {
        GIVEN: (before, given, lambda row: True),
        FILTERED: (before, given, lambda row: not suspected[row]),
        REVIEWED: (before, index.true, lambda row: index.true[row] not in NONE),
        LEARNT: (after, index.true, lambda row: index.true[row] not in NONE),
    }
    assert [(one.method, one.stage) for one in report.correction.accuracy] == [
        (method, stage) for method in ("simclr", "byol", "ensemble") for stage in stages
    ]
    for one in report.correction.accuracy:
        named, truth, judged = stages[one.stage]
        right = {"": [0, 0]}
        for row in range(len(index)):
            if given[row] and judged(row):
                for key in ("", truth[row]):
                    counts = right.setdefault(key, [0, 0])
                    counts[0] += named[one.method][row] == truth[row]
                    counts[1] += 1
        found = {"": one.overall} | one.regions
        assert {name: (round(it.value * it.images), it.images) for name, it in found.items()} == {
            name: tuple(counts) for name, counts in right.items()
        }
        assert one.overall.low <= one.overall.value <= one.overall.high


def test_correction_helps(report):
    found = {one.stage: one.overall.value for one in report.correction.accuracy if one.method == "ensemble"}
    assert found[GIVEN] < found[REVIEWED]


def test_without_decisions_nothing_is_said_of_a_review(index):
    report = make_report(index, rank(index))
    assert report.correction.relabelled is None
    assert report.correction.change is None
    assert {one.stage for one in report.correction.accuracy} == {GIVEN, FILTERED}
    assert report.expected == report.left


def test_one_space_makes_no_ensemble(index):
    report = make_report(index, rank(index), spaces=["byol"])
    assert {one.method for one in report.correction.accuracy} == {"byol"}


def test_labels_that_cannot_be_judged_give_no_accuracy():
    index = ArchiveIndex().with_column("region", ["hand"] * 120)
    report = make_report(index, rank(index), [decide(0, "knee", "hand")])
    assert report.correction.change is None
    assert "accuracy" not in [table.name for table in report.tables]


def test_the_label_before_is_the_one_that_was_decided_on(index):
    """The corrections may have gone into the index meanwhile."""
    row = int(index.wrong[0])
    was = index.images["region"][row].as_py()
    regions = index.images["region"].to_pylist()
    regions[row] = index.true[row]
    applied = ArchiveIndex().with_column("region", regions)
    labels = compare_labels(applied, find_consensus([decide(row, index.true[row], was)]))
    assert (labels.given[row], labels.reviewed[row]) == (was, index.true[row])
    assert np.flatnonzero(labels.changed).tolist() == [row]


def test_skips_and_disputes_leave_the_label_and_are_not_read(index):
    given = index.images["region"].to_pylist()
    row, other = (int(row) for row in index.wrong[:2])
    decisions = [
        decide(row, index.true[row], given[row]),
        decide(row, given[row], given[row], "ben"),
        decide(other, "skip", given[other]),
    ]
    report = make_report(index, rank(index), decisions)
    assert report.disputed == 1
    assert not report.correction.labels.read.any()
    assert list(report.correction.labels.reviewed) == given


def test_agreement_is_that_of_the_images_both_read(index):
    given = index.images["region"].to_pylist()
    rows = [int(row) for row in index.wrong[:6]]
    decisions = decide_by_truth(index, rows) + decide_by_truth(index, rows[:3], "ben")
    decisions += [decide(rows[3], given[rows[3]], given[rows[3]], "ben")]
    [row] = make_report(index, rank(index), decisions).agreement.rows
    assert row[:3] == ("anna and ben", 4, 0.75)
    pairs = [(index.true[one], index.true[one] if one != rows[3] else given[one]) for one in rows[:4]]
    chance = sum(sum(a == name for a, _ in pairs) * sum(b == name for _, b in pairs) for name in {*REGIONS}) / 16
    assert row[3] == f"{(0.75 - chance) / (1 - chance):.2f}"


def test_quality_of_a_group_is_counted_as_by_hand(index, report):
    tables = {table.name: table for table in report.quality}
    assert set(tables) == {"quality-by-region", "quality-by-device", "quality-by-year"}  # there is but one station
    given, labels = index.images["region"].to_pylist(), report.correction.labels
    chance = dict(zip(rank(index).rows, rank(index).table["score"].to_pylist(), strict=True))
    devices = index.images["device"].to_pylist()
    for name, *counts, share in tables["quality-by-device"].rows:
        rows = [row for row in range(120) if (devices[row] or "not known") == name]
        read = [row for row in rows if labels.read[row]]
        wrong = [row for row in read if given[row] and given[row] != index.true[row]]
        labelled = [row for row in rows if given[row]]
        suspects = [row for row in rows if report.suspicion.suspected[row]]
        assert counts == [len(rows), len(rows) - len(labelled), len(suspects), len(read), len(wrong)]
        left = sum(chance[row] for row in labelled if row not in read)
        assert math.isclose(share, (len(wrong) + left) / len(labelled))
    assert [row[0] for row in tables["quality-by-year"].rows] == ["2018", "2019"]


def test_suspects_are_counted_by_kind(index, report):
    rows = {row[0]: row[1:] for row in report.suspects.rows}
    assert rows["out-of-domain"][:3] == (5, 5, 5)
    assert rows["unusable"][:3] == (2, 2, 2)
    assert rows["missing-label"][:3] == (7, 7, 7)
    assert rows["mislabelled"][0] == 13
    assert rows["mislabelled"][2] == 12


def test_a_matrix_counts_pairs_and_subtracts():
    one = confuse(["a", "b", "b", "unusable"], ["a", "a", "", "b"])
    assert as_pairs(one) == {("a", "a"): 1, ("b", "a"): 1, ("b", "no label"): 1, ("unusable", "b"): 1}
    assert one.rows == ("a", "b", "unusable")
    assert one.columns == ("a", "b", "no label")
    other = confuse(["b", "c"], ["a", "d"])
    assert as_pairs(one - other) == {
        ("a", "a"): 1,
        ("b", "no label"): 1,
        ("unusable", "b"): 1,
        ("c", "d"): -1,
    }
    assert not (one - one).without_zeros().counts.size
