"""Decisions as tables, tasks and datasets; cohorts."""

from __future__ import annotations

import base64
import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.export import (
    CohortRules,
    list_cohort,
    tabulate_decisions,
    write_fiftyone,
    write_label_studio,
    write_table,
)
from embedkit.labels import Vocabulary, labels_from_csv
from embedkit.quality import IssueTable
from embedkit.quality.table import SCHEMA
from embedkit.review import Decision, Decisions, find_consensus

from .archive import CANARY, Archive, write_archive

WORDS = {  # what a model says: issue, region, confidence
    "1.2.3.1": [("mislabelled", "foot", 0.9)],
    "1.2.3.2": [("none", "knee", 0.995)],
    "1.2.3.3": [("none", "knee", 0.7)],
    "1.2.3.4": [("missing-label", "knee", 0.999)],
    "1.2.3.5": [("near-duplicate", "knee", 0.999), ("mislabelled", "knee", 0.999)],
    "1.2.3.6": [("out-of-domain", "", 0.0)],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(whole: Archive, tmp_path: Path) -> Archive:
    shutil.copytree(whole.folder / "index", tmp_path / "index")
    return Archive(tmp_path)


def latest(archive: Archive) -> list[Decision]:
    with Decisions.open(archive.folder / "index") as decisions:
        return decisions.latest()


def ranking(archive: Archive) -> IssueTable:
    """A ranking of all images, by `WORDS`; the others are right beyond doubt."""
    rows, entries = [], []
    for row, (image_id, region) in enumerate(
        zip(*(archive.index.images[name].to_pylist() for name in ("image_id", "region")), strict=True)
    ):
        for issue, suggested, confidence in WORDS.get(image_id, [("none", region, 1.0)]):
            rows.append(row)
            entries.append(
                dict.fromkeys(SCHEMA.names, "")
                | {"rank": len(rows), "score": 0.5, "neighbour_agreement": 1.0}
                | {"issue": issue, "suggested_region": suggested, "confidence": confidence}
            )
    return IssueTable(pa.Table.from_pylist(entries, schema=SCHEMA), tuple(rows), len(archive.index), ())


def test_the_table_has_what_counts_and_who_said_it(archive: Archive, tmp_path: Path) -> None:
    archive.decide("1.2.3.1", "relabel", "foot", note="=cmd|' /C calc'!A0")
    archive.decide("1.2.3.2", "relabel", "foot")
    archive.decide("1.2.3.2", "keep", reviewer="ben")
    archive.decide("1.2.3.3", "out-of-domain")
    archive.decide("1.2.3.3", "out-of-domain", reviewer="ben", note="a\nb")
    archive.decide("1.2.3.5", "skip")
    archive.decide("9.9.9", "relabel", "foot")
    table = tabulate_decisions(archive.index, latest(archive))
    rows = {row["image_id"]: row for row in table.to_pylist()}
    assert [(uid, row["verdict"], row["region"], row["readings"]) for uid, row in rows.items()] == [
        ("1.2.3.1", "relabel", "foot", ["foot"]),
        ("1.2.3.2", "disputed", "", ["foot", "knee"]),
        ("1.2.3.3", "out-of-domain", "", ["out-of-domain", "out-of-domain"]),
        ("9.9.9", "relabel", "foot", ["foot"]),
    ]
    assert rows["1.2.3.2"]["reviewers"] == ["anna", "ben"]
    assert rows["1.2.3.1"]["prior_region"] == "knee"
    assert rows["1.2.3.1"]["path"].endswith("IM1")
    assert rows["9.9.9"]["path"] == ""
    write_table(tmp_path / "d.parquet", table)
    assert pq.read_table(tmp_path / "d.parquet").equals(table)
    write_table(tmp_path / "d.csv", table)
    with (tmp_path / "d.csv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert cells[0]["notes"].startswith("'="), "no spreadsheet runs it"
    assert (cells[1]["reviewers"], cells[2]["notes"]) == ("anna; ben", "a\nb")
    assert cells[0]["time"] == rows["1.2.3.1"]["time"].isoformat(timespec="milliseconds")


def test_the_table_is_a_label_table(archive: Archive, tmp_path: Path) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.2", "out-of-domain")
    archive.decide("1.2.3.30#2", "relabel", "hand")
    write_table(tmp_path / "d.csv", tabulate_decisions(archive.index, latest(archive)))
    labels = labels_from_csv(tmp_path / "d.csv", Vocabulary.load())
    assert {row.image_id: row.label.region for row in labels.rows} == {"1.2.3.1": "foot", "1.2.3.30#2": "hand"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (CohortRules(("knee",), 0.99, no_suspects=True), {"1.2.3.2": "given", "1.2.3.7": "reviewed"}),
        (
            CohortRules(("knee",), 0.99),
            {"1.2.3.2": "given", "1.2.3.4": "suggested", "1.2.3.5": "given", "1.2.3.7": "reviewed"},
        ),
        (CohortRules(("foot",)), {"1.2.3.20": "reviewed"}),
    ],
)
def test_a_cohort_by_rules(archive: Archive, rules: CohortRules, expected: dict[str, str]) -> None:
    archive.decide("1.2.3.7", "keep")
    archive.decide("1.2.3.20", "relabel", "foot")
    for uid in ("1.2.3.30#1", "1.2.3.30#2", "1.2.3.31#1", "1.2.3.31#2"):
        archive.decide(uid, "out-of-domain")
    archive.decide("1.2.3.40", "keep")
    archive.decide("1.2.3.40", "relabel", "foot", reviewer="ben")  # disputed
    table = list_cohort(archive.index, find_consensus(latest(archive)), ranking(archive), rules)
    assert {row["image_id"]: row["basis"] for row in table.to_pylist()} == expected
    assert {row["region"] for row in table.to_pylist()} <= set(rules.regions)


def test_confidence_is_that_of_the_region(archive: Archive) -> None:
    table = list_cohort(archive.index, {}, ranking(archive), CohortRules())
    found = {row["image_id"]: (row["region"], row["confidence"]) for row in table.to_pylist()}
    assert found["1.2.3.1"] == ("knee", None)  # the model says foot
    assert found["1.2.3.3"] == ("knee", 0.7)
    assert found["1.2.3.4"] == ("knee", 0.999)


def test_label_studio_has_a_task_for_each_suspect_and_decision(archive: Archive, tmp_path: Path) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.1", "unusable", reviewer="ben")
    archive.decide("1.2.3.2", "keep")
    assert write_label_studio(tmp_path / "ls", archive.index, latest(archive), ranking(archive)) == 5
    tasks = {task["data"]["image_id"]: task for task in json.loads((tmp_path / "ls" / "tasks.json").read_text())}
    assert set(tasks) == {"1.2.3.1", "1.2.3.2", "1.2.3.4", "1.2.3.5", "1.2.3.6"}
    config = ElementTree.parse(tmp_path / "ls" / "config.xml").getroot()
    choices = {choice.attrib["value"] for choice in config.iter("Choice")}
    [control] = config.iter("Choices")
    chosen = [
        [
            (result["from_name"], result["to_name"], result["type"], *result["value"]["choices"])
            for result in one["result"]
        ]
        for one in tasks["1.2.3.1"]["annotations"]
    ]
    at = (control.attrib["name"], control.attrib["toName"], "choices")
    assert chosen == [[(*at, "foot")], [(*at, "unusable")]]
    assert {"foot", "knee", "unusable", "out-of-domain"} <= choices
    assert tasks["1.2.3.4"]["annotations"] == []
    assert tasks["1.2.3.4"]["predictions"][0]["score"] == 0.999
    assert tasks["1.2.3.6"]["predictions"] == []
    kind, _, coded = tasks["1.2.3.2"]["data"]["image"].partition(",")
    assert kind == "data:image/webp;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_GRAYSCALE)
    stored = archive.index.pictures([archive.index.find("1.2.3.2") or 0])[0]
    assert np.abs(shown.astype(int) - stored).mean() < 8


def test_fiftyone_has_every_image(archive: Archive, tmp_path: Path) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.2", "unusable")
    assert write_fiftyone(tmp_path / "fo", archive.index, latest(archive), ranking(archive)) == len(archive.index)
    document = json.loads((tmp_path / "fo" / "samples.json").read_text())
    samples = {sample["image_id"]: sample for sample in document["samples"]}
    assert list(samples) == archive.index.images["image_id"].to_pylist()
    one = samples["1.2.3.1"]
    assert (one["given"]["label"], one["suggested"]["label"], one["decided"]["label"]) == ("knee", "foot", "foot")
    assert one["tags"] == ["mislabelled"]
    assert samples["1.2.3.2"]["decided"]["label"] == "unusable"
    assert (samples["1.2.3.3"]["decided"], samples["1.2.3.4"]["given"]) == (None, None)
    for row, sample in enumerate(samples.values()):
        picture = cv2.imread(str(tmp_path / "fo" / sample["filepath"]), cv2.IMREAD_GRAYSCALE)
        assert np.array_equal(picture, archive.index.pictures([row])[0])


def test_the_patient_is_in_none_of_them(archive: Archive, tmp_path: Path) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    write_table(tmp_path / "d.csv", tabulate_decisions(archive.index, latest(archive)))
    write_label_studio(tmp_path / "ls", archive.index, latest(archive), ranking(archive))
    write_fiftyone(tmp_path / "fo", archive.index, latest(archive), ranking(archive))
    table = list_cohort(archive.index, {}, ranking(archive), CohortRules())
    write_table(tmp_path / "c.csv", table)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "index" not in path.parts]
    assert len(written) > 6
    for path in written:
        assert CANARY.encode() not in path.read_bytes()
        assert b"CANARY-1" not in path.read_bytes()
