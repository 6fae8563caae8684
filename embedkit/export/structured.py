"""Structured reports of what reviewers decided, for the archive: Imaging Measurement Reports (PS3.16 TID 1500)."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from embedkit.dicom.header import Header
from embedkit.dicom.silence import silence
from embedkit.errors import RejectedFile
from embedkit.export.coding import OWN_SCHEME, check_is_region, code_region
from embedkit.export.folders import keep_away_from_originals, whole_folder
from embedkit.export.outputs import Export, LeftOut
from embedkit.export.sources import read_source
from embedkit.indexes import Index
from embedkit.indexes.storage import write_bytes
from embedkit.labels import Vocabulary
from embedkit.progress import Advance, ignore_progress
from embedkit.review import Consensus

_OF_THE_STUDY = (  # Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1), as the source has them
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
)
_VERDICT = Code("verdict", OWN_SCHEME, "Verdict on the region label")
_PRIOR = Code("prior-region", OWN_SCHEME, "Region label before the review")
_VERDICTS = {
    "keep": "Region label is right",
    "relabel": "Region label is wrong",
    "out-of-domain": "No region of the vocabulary fits",
    "unusable": "Image shows nothing",
}
_SERIES_NUMBER = 900
"""Far behind those of acquisition devices."""


@dataclass(frozen=True)
class _Judged:
    """An image of a report, and what counts for it."""

    row: int
    image_id: str
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient: str
    frame: int
    frames: int
    notes: list[str]
    consensus: Consensus


def write_structured_reports(
    folder: Path,
    index: Index,
    consensus: Mapping[str, Consensus],
    vocabulary: Vocabulary,
    *,
    root: Path | None = None,
    overwrite: bool = False,
    on_progress: Advance = ignore_progress,
) -> Export:
    """Write a report for each study with decisions that count, numbered.

    It has the patient and the study of one of its images, read from the original file; for each image the region found,
    the one before, and the verdict; and who judged them as observers. Where different people judged images of one
    study, there is a report for each set of people, so that nobody is named for what others said.

    Raises
    ------
    UsageError
        ``output-in-source``, ``not-the-region`` where labels are of another attribute; else as `whole_folder`.
    IndexFolderError
        Where the folder cannot be written; then nothing is left of it.
    """
    check_is_region(index)
    keep_away_from_originals(folder, index)
    groups, left_out = _group(index, consensus)
    written = 0
    with whole_folder(folder, overwrite=overwrite) as place:
        for done, images in enumerate(groups):
            on_progress(done, len(groups))
            try:
                header = read_source(index, images[0].row, root)
                report = compose_report(images, header, vocabulary)
            except RejectedFile as error:
                left_out.extend(LeftOut(image.image_id, error.reason) for image in images)
                continue
            written += 1
            write_bytes(place / f"{written:06d}.dcm", report)
    return Export(written, tuple(left_out))


def _group(index: Index, consensus: Mapping[str, Consensus]) -> tuple[list[list[_Judged]], list[LeftOut]]:
    """The images of each report: of one study, one patient (a study may hold two by mistake), and the same readers."""
    columns = [name for name in _Judged.__dataclass_fields__ if name not in ("row", "consensus")]
    counting = {image_id: counts for image_id, counts in consensus.items() if not counts.disputed}
    groups: dict[tuple[str, str, frozenset[str]], list[_Judged]] = {}
    left_out = []
    for (image_id, counts), row in zip(counting.items(), index.rows_of(list(counting)).tolist(), strict=True):
        if row < 0:
            left_out.append(LeftOut(image_id, "not-in-the-index"))
            continue
        image = _Judged(row, **{name: index.images[name][row].as_py() for name in columns}, consensus=counts)
        if not image.study_instance_uid or not image.sop_class_uid:
            left_out.append(LeftOut(image_id, "no-study" if image.sop_class_uid else "not-dicom"))
        elif not image.series_instance_uid or "made-uid" in image.notes:
            left_out.append(LeftOut(image_id, "no-instance"))
        else:
            key = (image.study_instance_uid, image.patient, frozenset(counts.readers))
            groups.setdefault(key, []).append(image)
    return list(groups.values()), left_out


def compose_report(images: Sequence[_Judged], header: Header, vocabulary: Vocabulary) -> bytes:
    """The bytes of a report on images of one study, whose patient is that of `header`."""
    from highdicom.sr import EnhancedSR, MeasurementReport  # noqa: PLC0415 (takes half a second)

    with silence():
        content = MeasurementReport(
            observation_context=_name_observers(images[0].consensus.readers),
            procedure_reported=codes.SCT.PlainRadiography,
            imaging_measurements=[_describe(number, image, vocabulary) for number, image in enumerate(images, start=1)],
        )
        report = EnhancedSR(
            evidence=[_as_evidence(image) for image in images],
            content=content[0],
            series_instance_uid=generate_uid(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="embedkit",
            is_complete=True,
            series_description="Review of region labels",
            specific_character_set="ISO_IR 192",
            coding_schemes=[_own_scheme()],
        )
        for keyword in _OF_THE_STUDY:
            if keyword in header.dataset:
                setattr(report, keyword, _read_text(header, keyword))
        buffer = BytesIO()
        report.save_as(buffer)
    return buffer.getvalue()


def _read_text(header: Header, keyword: str) -> str:
    """A value as text, since the report is in UTF-8, whatever the source is in; "" where it is damaged."""
    try:
        value = header.dataset[keyword].value
    except Exception:  # a value is decoded on first access, and a damaged one raises almost anything
        return ""
    several = isinstance(value, MutableSequence)  # a PersonName iterates over letters, and is none
    return "\\".join(map(str, value)) if several else "" if isinstance(value, bytes) else str(value or "")


def _describe(number: int, image: _Judged, vocabulary: Vocabulary) -> Any:
    """TID 1501: one image, the region found as its finding site."""
    from highdicom import sr  # noqa: PLC0415

    counts = image.consensus
    evaluations = [sr.QualitativeEvaluation(_VERDICT, Code(counts.verdict, OWN_SCHEME, _VERDICTS[counts.verdict]))]
    if counts.prior:
        evaluations.append(sr.QualitativeEvaluation(_PRIOR, _code(counts.prior, vocabulary)))
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier=f"Image {number}"),
        finding_sites=[sr.FindingSite(_code(counts.region, vocabulary))] if counts.region else None,
        qualitative_evaluations=evaluations,
        source_images=[
            sr.SourceImageForMeasurementGroup(
                image.sop_class_uid, image.sop_instance_uid, [image.frame] if image.frames > 1 else None
            )
        ],
    )


def _code(region: str, vocabulary: Vocabulary) -> Code:
    """A region as a code: one of our own where the vocabulary has none."""
    return code_region(region, vocabulary) or Code(region[:16], OWN_SCHEME, region[:64])


def _name_observers(names: Sequence[str]) -> Any:
    """TID 1001 with a person for each reviewer (TID 1003), and this program (TID 1004)."""
    from highdicom import sr  # noqa: PLC0415

    people = [
        sr.ObserverContext(codes.DCM.Person, sr.PersonObserverIdentifyingAttributes(_as_person_name(name)))
        for name in names
    ]
    context = sr.ObservationContext(observer_person_context=people[0])
    for person in people[1:]:
        context.extend(person)
    return context


def _as_person_name(name: str) -> str:
    """A reviewer's name as a family name (PS3.5 6.2.1): what would divide it into parts becomes a blank."""
    return name.translate(dict.fromkeys(map(ord, "^=\\"), " ")) + "^"


def _as_evidence(image: _Judged) -> Dataset:
    """What highdicom needs to refer to an image; the patient is put in later, by our own reading."""
    evidence = Dataset()
    evidence.SOPClassUID, evidence.SOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
    evidence.SeriesInstanceUID, evidence.StudyInstanceUID = image.series_instance_uid, image.study_instance_uid
    evidence.PatientID = evidence.PatientName = evidence.PatientSex = evidence.AccessionNumber = evidence.StudyID = ""
    evidence.PatientBirthDate = evidence.StudyDate = evidence.StudyTime = evidence.ReferringPhysicianName = None
    return evidence


def _own_scheme() -> Any:
    from highdicom.coding_schemes import CodingSchemeIdentificationItem  # noqa: PLC0415

    return CodingSchemeIdentificationItem(OWN_SCHEME, name="embedkit: verdicts, and regions without another code")
