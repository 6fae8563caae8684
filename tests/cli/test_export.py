"""`embedkit export` as users type it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ..export.archive import CANARY, Archive, write_archive
from .test_commands import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = write_archive(tmp_path_factory.mktemp("archive"))
    for number in (1, 2, 4):
        archive.decide(f"1.2.3.{number}", "relabel", "foot")
    archive.decide("1.2.3.5", "out-of-domain")
    archive.decide("1.2.3.6", "relabel", "a region of our own")
    return archive


def test_everything_at_once_and_the_patient_only_in_dicom(decided: Archive, tmp_path: Path) -> None:
    folders = [word for name in ("dicom", "sr", "label-studio", "fiftyone") for word in (f"--{name}", tmp_path / name)]
    tables = ["--out", tmp_path / "d.csv", "--out", tmp_path / "d.parquet", "--cohort", tmp_path / "c.csv"]
    done = run("export", *folders, *tables, "--region", "foot", "--index", decided.index.path, "--json")
    document = json.loads(done.stdout)
    counts = {Path(one["path"]).name: one["count"] for one in document["written"]}
    assert counts == {
        "d.csv": 5,
        "d.parquet": 5,
        "dicom": 3,
        "sr": 5,
        "label-studio": counts["label-studio"],
        "fiftyone": len(decided.index),
        "c.csv": 3,
    }
    assert document["left_out"] == [{"image_id": "1.2.3.6", "reason": "no-code"}]
    assert CANARY not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert CANARY.encode() not in path.read_bytes(), path
    assert all(CANARY.encode() in path.read_bytes() for path in (tmp_path / "sr").glob("*.dcm"))
    with (tmp_path / "c.csv").open(newline="") as file:
        assert {row["image_id"] for row in csv.DictReader(file)} == {"1.2.3.1", "1.2.3.2", "1.2.3.4"}


def test_what_was_left_out_is_told_and_nothing_is_overwritten(decided: Archive, tmp_path: Path) -> None:
    said = run("export", "--dicom", tmp_path / "copies", "--index", decided.index.path).stdout
    assert "3 corrected copies" in said
    assert "1 no-code: The vocabulary has no SNOMED CT code" in said
    again = run("export", "--dicom", tmp_path / "copies", "--index", decided.index.path, code=2)
    assert "--overwrite" in again.stderr


def test_a_nightly_export_replaces_its_own_files_only_where_told(decided: Archive, tmp_path: Path) -> None:
    outputs = ["--dicom", tmp_path / "copies", "--out", tmp_path / "d.csv", "--cohort", tmp_path / "c.csv"]
    run("export", *outputs, "--index", decided.index.path)
    (tmp_path / "c.csv").write_text("edited by hand")
    said = run(
        "export", "--cohort", tmp_path / "c.csv", "--region", "foot", "--index", decided.index.path, code=2
    ).stderr
    assert "there already" in said
    assert (tmp_path / "c.csv").read_text() == "edited by hand"
    done = run("export", *outputs, "--overwrite", "--index", decided.index.path, "--json")
    assert {Path(one["path"]).name: one["count"] for one in json.loads(done.stdout)["written"]}["copies"] == 3
    assert (tmp_path / "c.csv").read_text() != "edited by hand"


def test_every_cohort_that_is_named_is_written(decided: Archive, tmp_path: Path) -> None:
    cohorts = ["--cohort", tmp_path / "a.csv", "--cohort", tmp_path / "b.parquet"]
    run("export", *cohorts, "--region", "foot", "--index", decided.index.path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.parquet"}
    twice = ["--cohort", tmp_path / "e.csv", "--out", tmp_path / "e.csv"]
    assert "two exports" in run("export", *twice, "--index", decided.index.path, code=2).stderr


@pytest.mark.parametrize(
    ("name", "meant"), [("fot", "foot"), ("Foot", "foot"), ("Fuß", "foot"), ("a region of ours", "a region")]
)
def test_a_region_that_does_not_exist_is_refused(decided: Archive, tmp_path: Path, name: str, meant: str) -> None:
    cohort = ["--cohort", tmp_path / "c.csv", "--region", name]
    assert f"did you mean '{meant}" in run("export", *cohort, "--index", decided.index.path, code=2).stderr
    assert list(tmp_path.iterdir()) == []


def test_moved_originals_are_found_under_a_root(decided: Archive, tmp_path: Path) -> None:
    shutil.copytree(decided.dump, tmp_path / "moved")
    shutil.copytree(decided.index.path, tmp_path / "index")
    decided.dump.rename(tmp_path / "away")
    try:
        lost = ["--dicom", tmp_path / "none", "--out", tmp_path / "lost.csv", "--index", tmp_path / "index"]
        said = run("export", *lost).stdout
    finally:
        (tmp_path / "away").rename(decided.dump)
    assert "4 original-gone" in said
    assert "5 of the listed originals are not where they were" in said
    options = ["--dicom", tmp_path / "copies", "--index", tmp_path / "index"]
    assert "3 corrected copies" in run("export", *options, "--root", tmp_path / "moved").stdout
    assert "no such folder" in run("export", *options, "--root", tmp_path / "nowhere", code=2).stderr


@pytest.mark.parametrize("version", [1, 99])
def test_decisions_are_exported_whatever_has_become_of_the_index(
    decided: Archive, tmp_path: Path, version: int
) -> None:
    index = shutil.copytree(decided.index.path, tmp_path / "index")
    body = json.dumps({"format": version})
    digest = hashlib.sha256(body.encode()).hexdigest()
    for manifest in index.glob("manifest-*.json"):
        manifest.write_bytes(f'{{"sha256":"{digest}","manifest":{body}}}\n'.encode())
    assert "export --out" in run("info", "--index", index, code=2).stderr
    done = run("export", "--out", tmp_path / "d.csv", "--index", index)
    assert "without the paths" in done.stderr
    run("export", "--out", tmp_path / "whole.csv", "--index", decided.index.path)
    alone, whole = (list(csv.DictReader((tmp_path / name).read_text().splitlines())) for name in ("d.csv", "whole.csv"))
    assert len(alone) == 5
    assert alone == [row | {"path": ""} for row in whole]
    run("export", "--cohort", tmp_path / "c.csv", "--index", index, code=2)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--out", "d.txt"],
        ["--cohort", "c.json"],
        ["--out", "d.csv", "--no-suspects"],
        ["--cohort", "c.csv", "--min-confidence", "2"],
    ],
)
def test_what_makes_no_sense_is_refused(decided: Archive, tmp_path: Path, options: list[str]) -> None:
    run("export", *options, "--index", decided.index.path, code=2, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
