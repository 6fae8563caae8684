"""Suspects: read from rankings and files, explained, and worth a person's time."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

import pytest

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.quality import find_label_issues
from embedkit.review import Consensus, correct_labels, list_suspects, rank_suspects, read_suspects
from embedkit.review.decisions import Decisions
from embedkit.review.ranking import Reranker
from embedkit.review.suspects import Suspect, explain, settle_rows

from ..quality.conftest import Archive
from .conftest import Site


@pytest.mark.slow
def test_an_image_comes_once_with_all_its_issues_and_doubted_labels_first(whole_site: Site) -> None:
    index = Index.open(whole_site.index)
    issues = find_label_issues(index)
    found = list_suspects(index, issues)
    table = issues.table.to_pylist()
    listed = {}
    for row, fields in zip(issues.rows, table, strict=True):
        listed.setdefault(index.images["image_id"][row].as_py(), set()).add(fields["issue"])
    assert {suspect.image_id: set(suspect.issues) for suspect in found} == listed
    waits = [set(suspect.issues) <= {"near-duplicate", "missing-label"} for suspect in found]
    assert waits == sorted(waits)
    doubted = [suspect.score for suspect, wait in zip(found, waits, strict=True) if not wait]
    assert doubted == sorted(doubted, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_suspects_is_read_as_it_was_written(whole_site: Site, tmp_path: Path, suffix: str) -> None:
    index = Index.open(whole_site.index)
    issues = find_label_issues(index)
    path = tmp_path / f"issues{suffix}"
    (issues.write_csv if suffix == ".csv" else issues.write_parquet)(path)
    found, ranked = read_suspects(path, index), list_suspects(index, issues)
    assert sorted(s.image_id for s in found) == sorted(s.image_id for s in ranked)
    assert found[0].image_id == issues.table["sop_instance_uid"][0].as_py()
    assert {s.image_id: (s.issues, s.suggested, s.neighbours) for s in found} == {
        s.image_id: (s.issues, s.suggested, s.neighbours) for s in ranked
    }


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\1\2", "sop_instance_uid,issue\n1.2,mislabelled\n"])
def test_what_is_no_file_of_suspects_is_refused(whole_site: Site, tmp_path: Path, content: str) -> None:
    path = tmp_path / "issues.csv"
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        read_suspects(path, Index.open(whole_site.index))
    assert refused.value.reason == "issues-unreadable"


@pytest.mark.slow
def test_what_was_decided_is_left_out_and_what_was_agreed_on_is_believed(site: Site) -> None:
    before = rank_suspects(site.index)
    with Decisions.open(site.index) as decisions:
        for suspect in before[:5]:
            decisions.record(suspect.image_id, "anna", "unusable")
        decisions.record(before[5].image_id, "anna", "skip")
    after = {suspect.image_id for suspect in rank_suspects(site.index)}
    assert not after & {suspect.image_id for suspect in before[:5]}
    index = Index.open(site.index)
    first, second, third = index.images["image_id"].to_pylist()[:3]
    agreed = [("relabel", "forearm", first), ("unusable", "", second), ("", "", third)]
    corrected = correct_labels(index, {i: Consensus(i, "", v, r, ("anna",)) for v, r, i in agreed})
    assert corrected.images["region"].to_pylist()[:3] == ["forearm", "", index.images["region"][2].as_py()]
    assert corrected.images.drop(["region"]).equals(index.images.drop(["region"]))


@pytest.mark.slow
def test_the_rest_is_ranked_again_after_ten_decisions_in_a_process_of_its_own(site: Site) -> None:
    ranked: SimpleQueue[list[Suspect]] = SimpleQueue()
    images = Index.open(site.index).images["image_id"].to_pylist()
    reranker = Reranker(site.index, None, ranked.put)
    with Decisions.open(site.index) as decisions:
        for image in images[:10]:
            assert ranked.empty()
            decisions.record(image, "anna", "unusable")
            reranker.count_decision()
    found = ranked.get(timeout=120)
    reranker.close()
    here = [suspect for suspect in rank_suspects(site.index) if suspect.image_id not in images[:10]]
    assert {suspect.image_id: suspect.issues for suspect in found} == {
        suspect.image_id: suspect.issues for suspect in here
    }
    scores = {suspect.image_id: suspect.score for suspect in here}  # on other threads sums end in other bits
    assert [suspect.score for suspect in found] == pytest.approx([scores[s.image_id] for s in found], abs=1e-6)


def test_a_suspicion_is_told_in_words() -> None:
    suspect = Suspect("1", ("mislabelled",), "hand", 0.9, 0.97, 0.93, reasons=("Looks like hand.",))
    sentences = explain(suspect, "elbow", ["hand", "hand", "elbow", "hand", ""])
    assert sentences == ["Looks like hand.", "Of the 5 nearest, 1 are labelled elbow as this one is."]
    agreeing = Suspect("1", ("header-conflict",), "elbow", 0.5, 0.9, reasons=("It names two sides.",))
    assert explain(agreeing, "elbow", []) == [
        "It names two sides.",
        "A model that never saw this patient says so too: 90%.",
    ]


@pytest.mark.slow
def test_an_expert_who_reads_the_first_suspects_mends_most_labels() -> None:
    """An expert who knows the truth, and 1.3 times as many looks as there are wrong labels; ranked again every ten."""
    archive = Archive()
    index = archive.index
    truth = dict(zip(index.images["image_id"].to_pylist(), archive.region, strict=True))
    gone = {index.images["image_id"][int(row)].as_py() for row in (*archive.out_of_domain, *archive.blank)}
    given = dict(zip(truth, index.images["region"].to_pylist(), strict=True))
    wrong = {image for image, label in given.items() if label and (image in gone or label != truth[image])}
    decided: dict[str, Consensus] = {}
    for looks in range(int(1.3 * len(wrong))):
        if looks % 10 == 0:
            settled = settle_rows(index, decided)
            ranked = list_suspects(index, find_label_issues(index, reviewed=settled, all_images=True))
            queue = [suspect.image_id for suspect in ranked if suspect.image_id not in decided]
        image = queue.pop(0)
        verdict = "out-of-domain" if image in gone else "relabel"
        decided[image] = Consensus(image, given[image], verdict, "" if image in gone else truth[image], ("expert",))
    after = dict(zip(truth, correct_labels(index, decided).images["region"].to_pylist(), strict=True))
    labelled = [image for image, label in after.items() if label]
    right = sum(label == truth[image] and image not in gone for image, label in after.items() if label)
    assert 1 - len(wrong) / sum(map(bool, given.values())) < 0.92
    assert right / len(labelled) >= 0.98
