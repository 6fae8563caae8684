"""Labels of a single image, and archives whose labels cannot be checked: what readers of the table say of them."""

import csv
import io
import json

import numpy as np
import pytest

from embedkit.cli.find_label_issues import document_of
from embedkit.export.predictions import read_predictions
from embedkit.quality import ISSUES, find_label_issues, rank_label_issues
from embedkit.quality.rarity import find_rare_labels
from embedkit.quality.table import read_issues
from embedkit.report.issues_page import issues_page
from embedkit.report.suspicion import read_suspicion
from embedkit.review import list_suspects, read_suspects
from embedkit.review.suspects import explain

from .conftest import MemoryIndex, draw_exposure

THREE = ["hand", "foot", "knee"]
PICTURES = np.stack([draw_exposure(9000 + number) for number in range(160)])


def make_index(labels, shown=None, patients=None, seed=0):
    """An index of images that show the regions `shown` (by default what the labels say) and are of one patient each."""
    rng = np.random.default_rng(seed)
    names, count = sorted({*(shown or labels)}), len(labels)
    place = [names.index(name) for name in shown or labels]
    vectors = rng.normal(size=(len(names), 32))[place] + rng.normal(0, 0.35, (count, 32)) + 1
    people = patients or [f"p{row}" for row in range(count)]
    return MemoryIndex(labels, vectors.astype(np.float32), people, PICTURES[:count])


def issues_of(found, row):
    return [entry for place, entry in zip(found.rows, found.table.to_pylist(), strict=True) if place == row]


def with_typo():
    shown = [THREE[row % 3] for row in range(120)]
    return make_index([*shown[:-1], "kneee"], shown)


def test_a_mistyped_label_is_listed_with_the_region_that_it_is_close_to():
    found = find_label_issues(with_typo())
    (row,) = issues_of(found, 119)
    assert (row["issue"], row["suggested_region"], row["score"]) == ("rare-label", "knee", 0.9)
    assert row["confidence"] > 0.9
    assert row["neighbour_agreement"] > 0.9
    assert found.counts["rare-label"] == 1
    assert found.reasons[found.rows.index(119)] == (
        "No other patient's image is labelled kneee; it may be knee, mistyped."
    )


def test_a_label_of_a_single_image_is_listed_also_where_it_is_a_region():
    shown = [THREE[row % 3] for row in range(120)]
    found = find_label_issues(make_index([*shown[:-1], "skull"], [*shown[:-1], "skull"]))
    (row,) = issues_of(found, 119)
    assert (row["issue"], row["score"]) == ("rare-label", 0.5)
    assert found.reasons[found.rows.index(119)].startswith("No other patient's image is labelled skull")


def test_a_person_settles_a_rare_label():
    found = find_label_issues(with_typo(), reviewed={119: "kneee"})
    assert not issues_of(found, 119)
    assert [row["issue"] for row in issues_of(find_label_issues(with_typo(), reviewed={119: "knee"}), 119)] == [
        "mislabelled"
    ]


@pytest.mark.parametrize(
    ("labels", "patients", "expected"),
    [
        (["knee"] * 5 + ["kneee"], "abcdef", {5: "knee"}),
        (["knee"] * 5 + ["Knee"], "abcdef", {5: "knee"}),
        (["knee"] * 5 + ["elbwo"], "abcdef", {5: "elbow"}),
        (["hand"] * 5 + ["head"], "abcdef", {5: "skull"}),
        (["hand"] * 5 + ["phantom"], "abcdef", {5: ""}),
        (["my region"] * 5 + ["my regoin"], "abcdef", {5: "my region"}),
        (["knee"] * 5 + ["kneee"] * 2, "abcdeff", {5: "knee", 6: "knee"}),
        (["knee"] * 5 + ["kneee"] * 2, "abcdefg", {}),
        (["knee"] * 5 + ["skull"] * 2, "abcdeff", {}),
        (["knee"] * 5 + ["kneee"] * 2, ["a", "b", "c", "d", "e", "", ""], {}),
        (["knee", "hand", "foot"], "abc", {}),
        (["", "", "knee"], "abc", {}),
        ([], "", {}),
    ],
)
def test_which_labels_are_rare_and_what_they_resemble(labels, patients, expected):
    found = find_rare_labels(labels, list(patients))
    assert {row: label.resembles for row, label in found.items()} == expected


def test_free_text_is_rare_and_no_slip_of_the_pen():
    found = find_rare_labels(["knee"] * 3 + [f"kneee {number}" for number in range(300)], ["p"] * 303)
    assert len(found) == 300
    assert {label.resembles for label in found.values()} == {""}


POOR = {
    "one region": (["chest"] * 120, None, None),
    "one region, some without label": (["chest"] * 80 + [""] * 40, ["chest"] * 120, None),
    "one region and a slip": (["chest"] * 119 + ["chst"], ["chest"] * 120, None),
    "a patient a region": ([THREE[row % 3] for row in range(120)], None, [f"p{row % 3}" for row in range(120)]),
    "no label": ([""] * 80, ["chest"] * 80, None),
}


@pytest.mark.parametrize("kind", POOR)
def test_where_no_label_can_be_checked_none_is_called_out_of_domain(kind):
    labels, shown, patients = POOR[kind]
    index = make_index(labels, shown, patients)
    found = find_label_issues(index, all_images=True)
    kinds = {(row["issue"], row["score"]) for row in found.table.to_pylist()}
    assert {issue for issue, _ in kinds} <= {"not-checked", "missing-label", "rare-label"}
    assert {score for issue, score in kinds if issue == "not-checked"} <= {0}
    assert set(found.rows) == set(range(len(labels)))
    assert found.estimate is None
    assert any("cannot be checked" in note for note in found.notes)
    assert any("out-of-domain images cannot be told" in note for note in found.notes)
    assert all(
        reason.startswith("Not checked")
        for row, reason in zip(found.table.to_pylist(), found.reasons, strict=True)
        if row["issue"] == "not-checked"
    )
    assert len(find_label_issues(index)) == sum(label in ("", "chst") for label in labels)


def test_in_an_archive_of_one_region_repeats_and_what_people_said_are_still_listed():
    index = make_index(["chest"] * 120)
    index._vectors[7], index._pictures = index._vectors[3] * 1.01, PICTURES.copy()
    index._pictures[7] = PICTURES[3]
    found = find_label_issues(index, reviewed={11: ""})
    assert {(row, entry["issue"]) for row, entry in zip(found.rows, found.table.to_pylist(), strict=True)} == {
        (3, "near-duplicate"),
        (7, "near-duplicate"),
        (11, "out-of-domain"),
    }


def test_a_region_of_one_patient_is_not_checked_and_the_others_are():
    shown = [THREE[row % 3] for row in range(120)]
    labels = [*shown, *["skull"] * 10]
    patients = [*(f"p{row}" for row in range(120)), *["q"] * 10]
    found = find_label_issues(make_index(labels, labels, patients), all_images=True)
    kinds = dict(zip(found.rows, found.table["issue"].to_pylist(), strict=True))
    assert {kinds[row] for row in range(120)} == {"none"}
    assert {kinds[row] for row in range(120, 130)} == {"not-checked"}
    assert {issues_of(found, row)[0]["suggested_region"] for row in range(120, 130)} == {""}


@pytest.mark.parametrize(
    "patients",
    [None, [f"p{row % 4}" for row in range(120)], ["p"] * 120, [""] * 120, [f"p{row // 40}" for row in range(120)]],
    ids=["one each", "fewer than folds", "all one", "none", "three"],
)
@pytest.mark.parametrize("regions", [2, 3])
def test_right_labels_of_few_regions_and_few_patients_are_not_suspected(regions, patients):
    labels = [THREE[row % regions] for row in range(120)]
    found = find_label_issues(make_index(labels, patients=patients), all_images=True)
    assert set(found.table["issue"].to_pylist()) == {"none"}


def test_arrays_say_which_labels_were_checked():
    index = with_typo()
    labels = index.images["region"].to_pylist()
    ranking = rank_label_issues(labels, index.vectors(), reviewed={5: labels[5]})
    assert ranking.checked.tolist() == [True] * 119 + [False]
    alone = rank_label_issues(["chest"] * 120, index.vectors(), reviewed={5: "chest"})
    assert np.flatnonzero(alone.checked).tolist() == [5]


def test_every_reader_of_the_table_shows_a_rare_label_and_passes_over_what_was_not_checked(tmp_path):
    shown = [*(THREE[row % 3] for row in range(110)), *["skull"] * 10]
    patients = [*(f"p{row}" for row in range(110)), *["q"] * 10]
    index = make_index(["kneee", *shown[1:]], ["knee", *shown[1:]], patients)
    found = find_label_issues(index, all_images=True)
    rows = list(csv.DictReader(io.StringIO(found.to_csv(), newline="")))
    assert [row["issue"] for row in rows].count("not-checked") == 10
    assert {float(row["score"]) for row in rows if row["issue"] == "not-checked"} == {0}
    document = json.loads(json.dumps(document_of(found)))
    assert document["counts"]["rare-label"] == 1
    assert document["issues"][0]["reason"].startswith("No other patient's image is labelled kneee")
    page = issues_page(index, found)
    assert 'data-issue="rare-label"' in page
    assert "not-checked" not in page
    assert read_predictions(found)[0].issues == ("rare-label",)
    assert (read_predictions(found)[115].region, read_predictions(found)[115].issues) == ("", ())
    suspicion = read_suspicion(found)
    assert suspicion.issues["rare-label"].tolist() == [True] + [False] * 119
    assert np.flatnonzero(suspicion.unchecked).tolist() == list(range(110, 120))
    for name in ("issues.csv", "issues.parquet"):
        (found.write_csv if name.endswith("csv") else found.write_parquet)(tmp_path / name)
        assert read_issues(tmp_path / name)["issue"].to_pylist() == found.table["issue"].to_pylist()
        assert read_suspects(tmp_path / name, index)[0].issues == ("rare-label",)
    suspects = {suspect.image_id: suspect for suspect in list_suspects(index, found)}
    told = explain(suspects["1.2.826.0"], "kneee", ["knee"] * 5)
    assert told[0] == "No other patient's image is labelled kneee; it may be knee, mistyped."
    assert "1.2.826.115" not in suspects
    assert "rare-label" in ISSUES
