"""Structured reports: right references, right codes, the patient of the study and of nobody else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom
import pytest
from highdicom.sr import EnhancedSR, srread
from pydicom import Dataset

from embedkit.dicom.silence import silence
from embedkit.export import Export, write_structured_reports
from embedkit.indexes import EmbedSettings, embed
from embedkit.labels import Vocabulary
from embedkit.review import Decisions, find_consensus

from ..indexes.conftest import TinyEncoder
from .archive import CANARY, Archive, write_file

_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Two studies, the first with three images, one of them of another patient, one with two frames."""
    archive = Archive(tmp_path_factory.mktemp("studies"))
    study = {"StudyInstanceUID": "1.2.4.1", "StudyDate": "20260102", "PatientSex": "F", "AccessionNumber": "ACC-1"}
    write_file(archive.dump / "1", 1, BodyPartExamined="KNEE", **study)
    write_file(archive.dump / "2", 2, frames=2, SOPClassUID=_MULTI_FRAME, BodyPartExamined="KNEE", **study)
    write_file(archive.dump / "3", 3, BodyPartExamined="KNEE", **(study | {"PatientID": "OTHER", "PatientName": "X"}))
    name = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürgen", "PatientBirthDate": "about 1970"}
    write_file(archive.dump / "4", 4, BodyPartExamined="KNEE", **name)
    write_file(archive.dump / "5", 5, StudyInstanceUID=None, BodyPartExamined="KNEE")
    embed([archive.dump], archive.folder / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    return archive


@pytest.fixture
def archive(whole: Archive, tmp_path: Path) -> Archive:
    shutil.copytree(whole.folder / "index", tmp_path / "index")
    return Archive(tmp_path)


def export(archive: Archive) -> tuple[Export, list[EnhancedSR]]:
    with Decisions.open(archive.folder / "index") as decisions:
        consensus = find_consensus(decisions.latest())
    done = write_structured_reports(archive.folder / "sr", archive.index, consensus, Vocabulary.load())
    with silence():
        return done, [srread(path) for path in sorted((archive.folder / "sr").glob("*.dcm"))]


def referred(report: Dataset) -> set[tuple[str, str, str]]:
    """(study, series, instance) of the evidence."""
    return {
        (str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(instance.ReferencedSOPInstanceUID))
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


def evaluations(group: highdicom.sr.MeasurementsAndQualitativeEvaluations) -> dict[str, str]:
    return {item.name.value: item.value.value for item in group.get_qualitative_evaluations()}


def test_a_report_of_a_study_says_what_was_found_in_each_image(archive: Archive) -> None:
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.2#2", "unusable")
    done, [report] = export(archive)
    assert done == Export(1)
    assert isinstance(report, EnhancedSR)
    assert (report.StudyInstanceUID, report.Modality, report.AccessionNumber) == ("1.2.4.1", "SR", "ACC-1")
    assert (str(report.PatientName), report.PatientID, report.PatientSex) == (CANARY, "CANARY-1", "F")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert referred(report) == {("1.2.4.1", "1.2.5.1", "1.2.3.1"), ("1.2.4.1", "1.2.5.2", "1.2.3.2")}
    first, second = report.content.get_image_measurement_groups()
    assert [site.value.value for site in first.finding_sites] == ["56459004"]
    assert not second.finding_sites
    assert evaluations(first) == {"verdict": "relabel", "prior-region": "72696002"}
    assert evaluations(second) == {"verdict": "unusable", "prior-region": "72696002"}
    [source] = second.source_images
    assert source.referenced_sop_instance_uid == "1.2.3.2"
    assert source.referenced_frame_numbers == [2]
    [observer] = report.content.get_observer_contexts(
        observer_type=highdicom.sr.CodedConcept("121006", "DCM", "Person")
    )
    assert str(observer.observer_identifying_attributes.name) == "anna^"


def test_images_of_two_patients_or_other_readers_are_in_reports_of_their_own(archive: Archive) -> None:
    for uid in ("1.2.3.1", "1.2.3.3"):
        archive.decide(uid, "relabel", "foot")
    for reviewer in ("anna", "Ben^=\\Özil"):
        archive.decide("1.2.3.2#1", "keep", reviewer=reviewer)
    done, reports = export(archive)
    assert done == Export(3)
    assert [{uid for _, _, uid in referred(report)} for report in reports] == [{"1.2.3.1"}, {"1.2.3.3"}, {"1.2.3.2"}]
    assert [report.PatientID for report in reports] == ["CANARY-1", "OTHER", "CANARY-1"]
    names = [
        [str(item.value) for item in report.content[0].ContentSequence if item.name.value == "121008"]
        for report in reports
    ]
    assert names == [["anna^"], ["anna^"], ["anna^", "Ben   Özil^"]]


def test_a_patient_is_copied_whatever_the_header_is_in(archive: Archive) -> None:
    archive.decide("1.2.3.4", "relabel", "no such region")
    _, [report] = export(archive)
    assert report.SpecificCharacterSet == "ISO_IR 192"
    assert str(report.PatientName) == "Müller^Jürgen"
    [group] = report.content.get_image_measurement_groups()
    site = group.finding_sites[0].value
    assert (site.value, site.scheme_designator, site.meaning) == ("no such region", "99EMBEDKIT", "no such region")


def test_what_has_no_study_or_no_consensus_is_not_reported(archive: Archive) -> None:
    archive.decide("1.2.3.5", "relabel", "foot")
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.1", "keep", reviewer="ben")
    done, reports = export(archive)
    assert reports == []
    assert [(one.image_id, one.reason) for one in done.left_out] == [("1.2.3.5", "no-study")]


@pytest.mark.parametrize("tool", ["dcmdump", "dsrdump", "dciodvfy"])
def test_other_readers_find_no_fault(archive: Archive, tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"no {tool}")
    archive.decide("1.2.3.1", "relabel", "foot")
    archive.decide("1.2.3.2#2", "out-of-domain")
    export(archive)
    done = subprocess.run([tool, archive.folder / "sr" / "000001.dcm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


def test_a_report_refers_to_no_instance_that_the_archive_cannot_know(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    write_file(archive.dump / "hash", 1, SOPInstanceUID="9a5094b2563a1ef3ff50")
    write_file(archive.dump / "series", 2, SeriesInstanceUID="")
    embed([archive.dump], tmp_path / "index", encoders=[TinyEncoder()], settings=EmbedSettings(workers=1))
    for uid in archive.index.images["image_id"].to_pylist():
        archive.decide(uid, "relabel", "foot")
    done, reports = export(archive)
    assert reports == []
    assert [one.reason for one in done.left_out] == ["no-instance", "no-instance"]
