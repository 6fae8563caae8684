import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.errors import EncoderError, IndexFolderError, UsageError
from embedkit.quality import (
    ISSUES,
    IssueTable,
    classify,
    classify_index,
    find_label_issues,
    fit_classifier,
    fit_index_classifier,
)
from embedkit.quality.table import SCHEMA

from .conftest import Archive, MemoryIndex, draw_exposure

COLUMNS = (
    "rank,sop_instance_uid,path,issue,given_region,suggested_region,score,confidence,neighbour_agreement,evidence,"
    "duplicate_group,duplicate_role,reason"
)


@pytest.fixture(scope="module")
def issues(archive):
    return find_label_issues(archive.index)


def rows_with(issues, *kinds):
    return {row for row, issue in zip(issues.rows, issues.table["issue"].to_pylist(), strict=True) if issue in kinds}


def test_every_kind_of_fault_is_found(archive, issues):
    assert rows_with(issues, "unusable") == set(archive.blank)
    assert rows_with(issues, "missing-label") == set(archive.missing)
    assert rows_with(issues, "near-duplicate") == {*archive.twin, *archive.original} - set(archive.blank)
    assert len(set(archive.out_of_domain) & rows_with(issues, "out-of-domain")) >= len(archive.out_of_domain) - 1
    assert len(set(archive.wrong) & rows_with(issues, "mislabelled")) >= len(archive.wrong) - 2


def test_little_else_is_listed(archive, issues):
    faults = {*archive.wrong, *archive.out_of_domain, *archive.blank}
    assert len(rows_with(issues, "mislabelled", "out-of-domain", "unusable") - faults) <= 4


def test_the_table_is_sorted_and_ranked(issues):
    scores = issues.table["score"].to_pylist()
    assert issues.table.schema == SCHEMA
    assert ",".join(SCHEMA.names) == COLUMNS
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert issues.table["rank"].to_pylist() == list(range(1, len(issues) + 1))
    assert sum(issues.counts.values()) == len(issues)
    assert tuple(issues.counts) == ISSUES


def test_suggestions_name_the_true_region(archive, issues):
    rows = issues.table.to_pylist()
    named = [
        row["suggested_region"] == archive.region[place]
        for place, row in zip(issues.rows, rows, strict=True)
        if row["issue"] in ("mislabelled", "missing-label")
        and place not in archive.out_of_domain
        and place not in archive.blank
    ]
    assert np.mean(named) > 0.85


def test_evidence_is_five_images_of_other_patients_or_the_twin(archive, issues):
    patients = archive.index.images["patient"].to_pylist()
    for place, row in zip(issues.rows, issues.table.to_pylist(), strict=True):
        evidence = archive.index.rows_of(row["evidence"].split(";")).tolist()
        if row["issue"] == "near-duplicate":
            assert set(evidence) <= {*archive.twin, *archive.original}
        else:
            assert len(evidence) == 5
            assert patients[place] not in [patients[near] for near in evidence]


def test_of_images_of_one_exposure_one_is_to_be_kept(archive, issues):
    ids = archive.index.images["image_id"].to_pylist()
    groups = {}
    for place, row in zip(issues.rows, issues.table.to_pylist(), strict=True):
        if row["issue"] == "near-duplicate":
            groups.setdefault(row["duplicate_group"], []).append((ids[place], row["duplicate_role"]))
        else:
            assert (row["duplicate_group"], row["duplicate_role"]) == ("", "")
    pairs = {frozenset((ids[one], ids[two])) for one, two in zip(archive.twin, archive.original, strict=True)}
    assert {frozenset(name for name, _ in members) for members in groups.values()} == pairs
    for kept, members in groups.items():
        assert [name for name, role in members if role == "keep"] == [kept]


def test_all_images_adds_a_row_for_each_without_an_issue(archive, issues):
    every = find_label_issues(archive.index, all_images=True)
    assert set(every.rows) == set(range(len(archive.index)))
    assert rows_with(every, *ISSUES).isdisjoint(rows_with(every, "none"))
    assert len(every) == len(issues) + len(rows_with(every, "none"))


def test_the_same_index_gives_the_same_table():
    first, second = (find_label_issues(Archive(3).index, all_images=True) for _ in range(2))
    assert first.to_csv() == second.to_csv()


def small_index(regions, patients=None, seed=0):
    rng = np.random.default_rng(seed)
    count = len(regions)
    pictures = (
        np.stack([draw_exposure(number) for number in range(count)]) if count else np.empty((0, 256, 256), np.uint8)
    )
    return MemoryIndex(regions, rng.normal(size=(count, 16)).astype(np.float32), patients or [""] * count, pictures)


@pytest.mark.parametrize(
    ("regions", "note"),
    [
        (["hand"] * 20, "one class"),
        ([""] * 20, "No image has a label"),
        (["hand", "knee"] * 10, "Out-of-domain"),
        ([f"region {number}" for number in range(20)], "one patient only"),
        (["hand"], "one class"),
    ],
)
def test_small_or_poor_indexes_say_what_cannot_be_done(regions, note):
    found = find_label_issues(small_index(regions), all_images=True)
    assert any(note in sentence for sentence in found.notes)
    assert set(found.rows) == set(range(len(regions)))


def test_an_empty_index_cannot_be_ranked():
    with pytest.raises(UsageError, match="no image"):
        find_label_issues(small_index([]))


def table_with(**cells):
    row = dict.fromkeys(SCHEMA.names, "") | {"rank": 1, "score": 0.5, "confidence": 0.25, "neighbour_agreement": 1.0}
    return IssueTable(pa.Table.from_pylist([row | cells], schema=SCHEMA), (0,), 1, ())


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1", "-1", "@sum", "\tx", "\rx"])
def test_no_cell_is_a_formula(cell):
    (row,) = csv.DictReader(
        io.StringIO(table_with(path=cell, given_region=cell, sop_instance_uid="1.2.3").to_csv(), newline="")
    )
    assert row["path"] == row["given_region"] == f"'{cell}"
    assert (row["sop_instance_uid"], row["score"], row["rank"]) == ("1.2.3", "0.5", "1")


def test_csv_and_parquet_hold_the_same(tmp_path, issues):
    issues.write_csv(tmp_path / "issues.csv")
    issues.write_parquet(tmp_path / "issues.parquet")
    back = pq.read_table(tmp_path / "issues.parquet")
    with (tmp_path / "issues.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert back.equals(issues.table)
    assert [row["sop_instance_uid"] for row in rows] == back["sop_instance_uid"].to_pylist()
    assert [float(row["score"]) for row in rows] == pytest.approx(back["score"].to_pylist(), abs=1e-8)


def test_a_folder_that_is_missing_is_one_clear_error(tmp_path, issues):
    with pytest.raises(IndexFolderError):
        issues.write_csv(tmp_path / "missing" / "issues.csv")


def test_images_are_classified_and_foreign_ones_told(archive):
    found = classify_index(archive.index, np.arange(len(archive.region)), fit_index_classifier(archive.index))
    usual = np.setdiff1d(np.arange(len(archive.region)), [*archive.out_of_domain, *archive.blank])
    assert (np.array(found.regions)[usual] == archive.region[usual]).mean() > 0.9
    assert found.in_domain[usual].mean() > 0.95
    assert found.in_domain[archive.out_of_domain].mean() < 0.2
    assert not found.in_domain[archive.blank].any()
    assert ((found.probability > 0) & (found.probability <= 1)).all()
    assert not found.confident.any(), "160 images cannot show that 99 of 100 are right"
    assert (found.trusted == (found.in_domain & found.confident)).all()


def test_new_vectors_are_classified(archive):
    vectors = archive.index.vectors()
    head = fit_index_classifier(archive.index)
    assert classify(head, {"simclr": vectors[:7] * 3}).regions == classify(head, {"simclr": vectors}).regions[:7]
    blank = archive.blank[:1]
    assert not classify(head, {"simclr": vectors[blank]}, archive.index.pictures(blank)).in_domain.any()
    with pytest.raises(UsageError, match="finite"):
        classify(head, {"simclr": np.zeros((2, 32), np.float32)})
    with pytest.raises(UsageError, match="two regions"):
        fit_index_classifier(small_index(["hand"] * 20))


def test_a_head_of_other_vectors_is_refused(archive):
    head = fit_classifier(archive.index.images["region"].to_pylist(), {"simclr": archive.index.vectors()})
    with pytest.raises(EncoderError, match="another encoder"):
        classify_index(archive.index, np.arange(3), head)


def test_every_row_says_why_and_the_number_of_errors_is_estimated(archive, issues):
    reasons = {}
    for issue, reason in zip(issues.table["issue"].to_pylist(), issues.reasons, strict=True):
        reasons.setdefault(issue, []).append(reason)
    assert all(reason.startswith("Looks like") for reason in reasons["mislabelled"])
    assert all("noise" in reason for reason in reasons["unusable"])
    assert all(reason.startswith("No region fits") for reason in reasons["out-of-domain"])
    assert all("came without a label" in reason for reason in reasons["missing-label"])
    assert all(reason.startswith("The same exposure as 1 other image") for reason in reasons["near-duplicate"])
    wrong = len(archive.wrong) + len(archive.out_of_domain) + len(archive.blank)
    assert issues.estimate.low <= wrong <= issues.estimate.high


def test_a_repeat_under_another_patient_says_so_and_what_headers_claim():
    archive = Archive(1)
    row, twin = int(archive.original[0]), int(archive.twin[0])
    table = archive.index.images
    sides = [("L" if place == row else "R" if place == twin else "") for place in range(len(table))]
    people = table["patient"].to_pylist()
    people[twin] = people[row] + "'s namesake"
    archive.index.images = table.set_column(table.column_names.index("laterality"), "laterality", [sides]).set_column(
        table.column_names.index("patient"), "patient", [people]
    )
    found = find_label_issues(archive.index)
    (reason,) = [
        reason
        for place, issue, reason in zip(found.rows, found.table["issue"].to_pylist(), found.reasons, strict=True)
        if (place, issue) == (row, "near-duplicate")
    ]
    assert "another patient" in reason
    assert "laterality filed as L and R" in reason


def test_what_was_judged_right_is_not_listed_and_what_was_judged_wrong_is_certain(archive, issues):
    wrong, missing, blank = (int(rows[0]) for rows in (archive.wrong, archive.missing, archive.blank))
    right = next(row for row in range(160) if row not in issues.rows)
    region = archive.region
    reviewed = {wrong: region[wrong], right: region[right], missing: region[missing], blank: ""}
    found = find_label_issues(archive.index, reviewed=reviewed)
    assert {right, missing} & rows_with(found, "mislabelled", "missing-label", "out-of-domain") == set()
    rows = found.table.to_pylist()
    (fixed,) = [rows[place] for place, row in enumerate(found.rows) if row == wrong]
    assert (fixed["issue"], fixed["score"], fixed["suggested_region"]) == ("mislabelled", 1, region[wrong])
    assert blank in rows_with(found, "out-of-domain")


def test_progress_tells_each_stage_to_its_end(archive):
    told = []
    find_label_issues(archive.index, on_progress=lambda *progress: told.append(progress))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["Pictures", "Neighbours", "Labels", "Repeats"]
    count, candidates = len(archive.index), told[-1][2]
    assert candidates > 0
    assert {(stage, done) for stage, done, total in told if done == total} == {
        ("Pictures", count),
        ("Neighbours", count),
        ("Labels", 3),
        ("Repeats", candidates),
    }
