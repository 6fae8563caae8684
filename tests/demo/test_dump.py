"""The synthetic dump: read back by the rooms that read real ones."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import cv2
import pydicom
import pytest

from embedkit.demo import DemoImage, write_demo_dump
from embedkit.errors import UsageError
from embedkit.image import PreparationOptions, PreparedFile, prepare_file
from embedkit.labels.vocabulary import Vocabulary
from embedkit.sources.folder import find_files


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DemoImage]]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, write_demo_dump(folder, images=112, seed=4, noise=0.1)


@pytest.fixture(scope="module")
def prepared(dump: tuple[Path, list[DemoImage]]) -> dict[str, PreparedFile]:
    options = PreparationOptions(vocabulary=Vocabulary.load(), patient_key=b"key")
    root = (dump[0] / "dump").resolve()
    return {found.path.relative_to(root).as_posix(): prepare_file(found, options) for found in find_files([root])}


def test_every_image_is_read_and_only_the_broken_files_are_rejected(
    dump: tuple[Path, list[DemoImage]], prepared: dict[str, PreparedFile]
) -> None:
    rejected = {path: file.reason for path, file in prepared.items() if file.reason}
    assert rejected == {"MISC/notes.txt": "not-an-image", "MISC/truncated.dcm": "header-incomplete"}
    assert {path for path in prepared if path not in rejected} == {image.path for image in dump[1]}


def test_the_header_says_what_the_truth_says_it_does(
    dump: tuple[Path, list[DemoImage]], prepared: dict[str, PreparedFile]
) -> None:
    for image in dump[1]:
        facts = prepared[image.path].facts
        assert facts is not None
        assert (facts.sop_instance_uid, facts.region) == (image.sop_instance_uid, image.given_region)


def test_labels_come_from_every_source_and_pixels_in_every_syntax(prepared: dict[str, PreparedFile]) -> None:
    facts = [file.facts for file in prepared.values() if file.facts is not None]
    sources = {"anatomic-region-sequence", "body-part-examined", "description", ""}
    assert {fact.region_source for fact in facts} == sources
    assert len({fact.transfer_syntax_uid for fact in facts}) == 6
    assert {fact.photometric for fact in facts} == {"MONOCHROME1", "MONOCHROME2"}


@pytest.mark.slow
def test_all_kinds_of_faults_are_planted(tmp_path: Path) -> None:
    issues = Counter(image.issue for image in write_demo_dump(tmp_path, images=200, seed=0))
    assert set(issues) == {"none", "mislabel", "missing", "out_of_domain", "unusable", "duplicate"}
    assert issues["none"] > 150
    assert 5 < issues["mislabel"] < 22


def test_faults_are_what_they_are_called(dump: tuple[Path, list[DemoImage]], prepared: dict[str, PreparedFile]) -> None:
    for image in dump[1]:
        wrong = image.given_region != image.true_region
        assert wrong == (image.issue in {"mislabel", "missing", "out_of_domain"})
        if image.issue == "unusable":  # its noise may fill the grey scale, but no part of it differs from another
            parts = cv2.resize(prepared[image.path].pictures[0], (16, 16), interpolation=cv2.INTER_AREA)[4:12, 4:12]
            assert parts.std() < 15


def test_patients_are_never_split_and_have_two_images_or_more(
    dump: tuple[Path, list[DemoImage]], prepared: dict[str, PreparedFile]
) -> None:
    hashes: dict[str, set[str]] = {}
    for image in dump[1]:
        facts = prepared[image.path].facts
        assert facts is not None
        hashes.setdefault(image.group, set()).add(facts.patient)
    assert all(len(patients) == 1 for patients in hashes.values())
    assert len({next(iter(patients)) for patients in hashes.values()}) == len(hashes)


def test_the_truth_lies_beside_the_dump(dump: tuple[Path, list[DemoImage]]) -> None:
    with (dump[0] / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sop_instance_uid", "path", "true_region", "given_region", "issue", "group"]
    assert [DemoImage(**row) for row in rows] == dump[1]


def test_the_same_seed_writes_the_same_pixels_and_labels(tmp_path: Path) -> None:
    first = write_demo_dump(tmp_path / "first", images=8, seed=3)
    second = write_demo_dump(tmp_path / "second", images=8, seed=3)
    assert first == second
    for image in first:
        one, other = (pydicom.dcmread(tmp_path / name / "dump" / image.path) for name in ("first", "second"))
        assert one == other


def test_the_patient_is_obviously_synthetic(dump: tuple[Path, list[DemoImage]]) -> None:
    assert pydicom.dcmread(dump[0] / "dump" / dump[1][0].path).PatientName == "DEMO^PATIENT"


def test_an_existing_dump_is_not_overwritten(dump: tuple[Path, list[DemoImage]]) -> None:
    with pytest.raises(UsageError, match="cannot be made in"):
        write_demo_dump(dump[0], images=2)


def test_a_single_image_is_a_dump_too(tmp_path: Path) -> None:
    assert [image.issue for image in write_demo_dump(tmp_path, images=1, seed=5, noise=0.0)] == ["none"]
