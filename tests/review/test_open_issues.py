"""`find-label-issues` after a review: what reviewers settled is not asked again, and all else is ranked by it."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from embedkit.cli.app import app
from embedkit.indexes import EmbedSettings, Index, embed, labels_from_folders
from embedkit.labels import Vocabulary
from embedkit.quality import find_label_issues
from embedkit.review import Decision, Decisions, find_open_issues, settle_rows
from embedkit.review.agreement import find_consensus

from ..indexes.conftest import TinyEncoder, write_picture
from ..quality.conftest import Archive


@pytest.fixture(scope="module")
def archive():
    return Archive()


def decide(archive, row, region, reviewer="anna"):
    """A decision as `Decisions.latest` has it: `region` is what the image is to have."""
    image_id, prior = (archive.index.images[name][int(row)].as_py() for name in ("image_id", "region"))
    verdict = "keep" if region == prior else "relabel" if region else "out-of-domain"
    number, time = 1, datetime(2024, 5, 6, tzinfo=UTC)
    return Decision(number, image_id, reviewer, time, verdict, region if verdict == "relabel" else "", prior, "")


@pytest.mark.slow
def test_settled_images_are_left_out_and_sharpen_the_others(archive):
    settled = [int(row) for row in (*archive.wrong[:5], *archive.out_of_domain[:3])]
    decisions = [decide(archive, row, archive.region[row] if row in archive.wrong else "") for row in settled]
    plain, found = find_label_issues(archive.index), find_open_issues(archive.index, decisions)
    assert set(settled) <= set(plain.rows)
    assert set(found.rows).isdisjoint(settled)
    assert found.table["rank"].to_pylist() == list(range(1, len(found) + 1))
    assert len(found.reasons) == len(found)
    assert "Heeded what reviewers decided: 8 images settled." in found.notes
    heeded = find_label_issues(archive.index, reviewed=settle_rows(archive.index, find_consensus(decisions)))
    scores = dict(zip(heeded.rows, heeded.table["score"].to_pylist(), strict=True))
    assert all(score == scores[row] for row, score in zip(found.rows, found.table["score"].to_pylist(), strict=True)), (
        "the same code as the review queue and the exports"
    )


def test_every_image_is_listed_as_settled_on_request(archive):
    wrong, right = (
        int(archive.wrong[0]),
        next(row for row in range(160) if row not in find_label_issues(archive.index).rows),
    )
    decisions = [decide(archive, wrong, archive.region[wrong]), decide(archive, right, archive.region[right])]
    found = find_open_issues(archive.index, decisions, all_images=True)
    rows = dict(zip(found.rows, found.table.to_pylist(), strict=True))
    assert set(rows) == set(range(160))
    assert (rows[wrong]["score"], rows[wrong]["suggested_region"]) == (1, archive.region[wrong])
    assert (rows[right]["score"], rows[right]["issue"]) == (0, "none")


@pytest.mark.slow
def test_where_reviewers_disagree_or_nobody_has_decided_nothing_changes(archive):
    row = int(archive.wrong[0])
    plain = find_label_issues(archive.index)
    assert find_open_issues(archive.index, []) == plain
    given = archive.index.images["region"][row].as_py()
    disputed = [decide(archive, row, archive.region[row]), decide(archive, row, given, "ben")]
    found = find_open_issues(archive.index, disputed)
    assert found.table.equals(plain.table)
    assert found.notes[-1] == "Ranked as if nobody had read them: 1 image on which reviewers disagree."


def run(*arguments):
    done = CliRunner().invoke(app, ["find-label-issues", *map(str, arguments), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_command_heeds_the_decisions_of_the_index(tmp_path):
    for number in range(6):
        write_picture(tmp_path / "dump" / ("hand", "knee")[number % 2] / f"{number}.png", number)
    labels = labels_from_folders([tmp_path / "dump"], Vocabulary.load(None))
    place = tmp_path / "index"
    embed([tmp_path / "dump"], place, encoders=[TinyEncoder()], settings=EmbedSettings(workers=1), labels=labels)
    index = Index.open(place)
    regions, ids = (index.images[name].to_pylist() for name in ("region", "image_id"))
    hand, knee = regions.index("hand"), regions.index("knee")
    before = run("--index", place, "--all")
    assert not any("reviewers" in note for note in before["notes"])
    assert not (place / "decisions.sqlite").exists(), "nothing is made where nobody has reviewed"
    with Decisions.open(place) as decisions:
        decisions.record(ids[knee], "anna", "keep", prior="knee")
        decisions.record(ids[hand], "anna", "relabel", region="foot", prior="hand")
    after = run("--index", place)
    assert "Heeded what reviewers decided: 2 images settled." in after["notes"]
    assert not {ids[knee], ids[hand]} & {issue["sop_instance_uid"] for issue in after["issues"]}
    every = run("--index", place, "--all")["issues"]
    assert {issue["sop_instance_uid"] for issue in every} == set(ids)
    kinds = {name: {issue["issue"] for issue in every if issue["sop_instance_uid"] == name} for name in ids}
    assert "out-of-domain" in kinds[ids[hand]], "no image was given the label foot"
    assert kinds[ids[knee]] <= {"none", "near-duplicate"}
