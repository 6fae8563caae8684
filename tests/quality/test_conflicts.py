"""Images of one study under two labels, and headers that name two sides: each as an issue of its own."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from embedkit.quality import find_label_issues
from embedkit.quality.conflicts import find_study_conflicts, name_header_conflict

from .conftest import Archive


def ranked(probabilities, given, score):
    return SimpleNamespace(
        probabilities=np.asarray(probabilities, np.float32), given=np.asarray(given), score=np.asarray(score, float)
    )


def find_naively(labels, studies, among):
    """The same by loops over all pairs."""
    found = {}
    for one in range(len(studies)):
        for other in range(len(studies)):
            if one == other or not studies[one] or studies[one] != studies[other] or not (among[one] and among[other]):
                continue
            if min(labels.given[one], labels.given[other]) < 0 or labels.given[one] == labels.given[other]:
                continue
            same = sum(float(p) * float(q) for p, q in zip(*labels.probabilities[[one, other]], strict=True))
            if same > 0.5 and labels.score[one] >= max(labels.score[other], 0.2):
                found[one] = (*found.get(one, ()), other)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_conflicts_are_those_of_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    given = rng.integers(-1, 3, 60)
    probabilities = rng.dirichlet([0.2] * 3, 60)
    studies = [rng.choice(["", "a", "b", "c", "d", "e", "f", "g"]) for _ in range(60)]
    labels, among = ranked(probabilities, given, rng.choice([0, 0.1, 0.2, 0.3], 60)), rng.random(60) < 0.8
    expected = find_naively(labels, studies, among)
    assert dict(find_study_conflicts(labels, studies, among)) == expected
    assert expected  # or nothing was compared


def with_columns(index, **columns):
    for name, values in columns.items():
        place = index.images.schema.get_field_index(name)
        index.images = index.images.set_column(place, name, pa.array(values))
    return index


@pytest.mark.slow
def test_a_study_that_contradicts_itself_is_listed_once_with_the_other_image():
    archive = Archive(5)
    plain = [
        row
        for row in range(160)
        if row not in {*archive.wrong, *archive.out_of_domain, *archive.blank, *archive.twin, *archive.original}
        and row not in archive.missing
    ]
    listed = set(find_label_issues(archive.index).rows)
    one, other = [row for row in plain if archive.region[row] == "knee" and row not in listed][:2]
    # Half between knee and foot, and filed as foot: alone it is no suspect.
    vectors, regions = archive.index.vectors(), archive.index.images["region"].to_pylist()
    feet = [row for row in plain if archive.region[row] == "foot"]
    vectors[one] = 0.52 * vectors[[row for row in plain if archive.region[row] == "knee"]].mean(0)
    vectors[one] += 0.48 * vectors[feet].mean(0)
    regions[one] = "foot"
    studies = archive.index.images["study_instance_uid"].to_pylist()
    studies[one] = studies[other]
    issues = find_label_issues(with_columns(archive.index, region=regions, study_instance_uid=studies))
    rows = {row["issue"]: row for row, place in zip(issues.table.to_pylist(), issues.rows, strict=True) if place == one}
    assert rows.keys() & {"study-conflict", "mislabelled"}
    if "study-conflict" in rows:
        assert rows["study-conflict"]["evidence"] == f"1.2.826.{other}"
        assert 0 < rows["study-conflict"]["score"] <= 1
    kinds = zip(issues.table["issue"].to_pylist(), issues.rows, strict=True)
    assert "study-conflict" not in [kind for kind, row in kinds if row == other]


@pytest.mark.slow
def test_a_header_that_contradicts_itself_is_listed(archive):
    issues = find_label_issues(archive.index)
    assert issues.counts["header-conflict"] == 0
    notes = [[] for _ in range(160)]
    notes[3], notes[4] = ["laterality-differs", "second-decoder"], ["laterality-differs", "view-differs"]
    index = with_columns(Archive().index, notes=notes)
    found = find_label_issues(index)
    listed = zip(found.rows, found.table["issue"].to_pylist(), found.reasons, strict=True)
    said = {row: reason for row, kind, reason in listed if kind == "header-conflict"}
    assert set(said) == {3, 4}
    assert "one side in" in said[3]
    assert "one side and view in" in said[4]
    assert "header-conflict" not in find_label_issues(index, reviewed={3: "hand", 4: ""}).table["issue"].to_pylist()
    everything = find_label_issues(index, all_images=True)
    assert set(everything.rows) == set(range(160))


def test_other_notes_are_no_conflict():
    assert name_header_conflict(["no-preamble"]) == ""
