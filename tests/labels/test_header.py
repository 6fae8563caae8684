"""Region labels from headers, tables and folders."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from embedkit.dicom.identifiers import WITHHELD
from embedkit.labels.header import Label, label_from_folder, label_of
from embedkit.labels.texts import parse_texts, read_header_texts, write_texts
from embedkit.labels.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load()


def header(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def read(ds: Dataset) -> Label:
    """The label of a header, which is of the same region by what an index keeps of it."""
    texts = read_header_texts(ds)
    kept = parse_texts(write_texts(texts.conceal(lambda text: VOCABULARY.regions_in(text).values())))
    label = label_of(texts, VOCABULARY)
    assert label_of(kept, VOCABULARY).region == label.region
    return label


def region_item(code: str = "72696002", scheme: str = "SCT", meaning: str = "Knee") -> Dataset:
    return header(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


@pytest.mark.parametrize(
    ("elements", "label"),
    [
        ({}, Label("", "", "")),
        ({"AnatomicRegionSequence": [region_item()]}, Label("knee", "Knee", "anatomic-region-sequence")),
        (
            {"AnatomicRegionSequence": [region_item("X1", "99SITE", "Kniegelenk links")], "BodyPartExamined": "HAND"},
            Label("knee", "Kniegelenk links", "anatomic-region-sequence"),
        ),
        (
            {"AnatomicRegionSequence": [region_item(meaning="")]},
            Label("knee", "72696002", "anatomic-region-sequence"),
        ),
        (
            {"AnatomicRegionSequence": [region_item("1", "SCT", "Liver")], "BodyPartExamined": "FOOT_LT"},
            Label("foot", "FOOT_LT", "body-part-examined"),
        ),
        ({"BodyPartExamined": "Gizmo"}, Label("", "Gizmo", "body-part-examined")),
        (
            {"BodyPartExamined": "Gizmo", "SeriesDescription": "Knee AP of Jane"},
            Label("knee", "knee", "description"),
        ),
        (
            {"AnatomicRegionSequence": [region_item("1", "SCT", "Liver")], "BodyPartExamined": "Gizmo"},
            Label("", "Liver", "anatomic-region-sequence"),
        ),
        ({"BodyPartExamined": ["HAND", "WRIST"]}, Label("", "HAND WRIST", "body-part-examined")),
        (
            {"SeriesDescription": "AP", "StudyDescription": "XR ankle left"},
            Label("ankle", "ankle", "description"),
        ),
        (
            {"SeriesDescription": "hand and wrist", "StudyDescription": "XR hand"},
            Label("", "", ""),
        ),
        ({"StudyDescription": "XR"}, Label("", "", "")),
    ],
)
def test_the_most_trusted_source_that_maps_decides(elements: dict[str, object], label: Label) -> None:
    assert read(header(**elements)) == label


@pytest.mark.parametrize("body_part", ["JANE", "xx-canary", "PID7788", "Jane?s gizmo", "CANARYGIZMO", "19700131"])
def test_a_label_that_repeats_the_patient_is_withheld(body_part: str) -> None:
    ds = header(PatientName="CANARY^JANE", PatientID="PID7788", PatientBirthDate="19700131", BodyPartExamined=body_part)
    assert read(ds) == Label("", WITHHELD, "body-part-examined")


def test_a_label_around_a_region_is_withheld_too_and_still_maps() -> None:
    ds = header(PatientName="CANARY^JANE", BodyPartExamined="KNEE JANE")
    assert read(ds) == Label("knee", WITHHELD, "body-part-examined")


def test_a_patient_may_be_called_hand() -> None:
    ds = header(PatientName="HAND^ANN", BodyPartExamined="HAND LT")
    assert read(ds) == Label("hand", "HAND LT", "body-part-examined")


def test_a_verbatim_label_is_one_short_printable_line() -> None:
    label = read(header(BodyPartExamined="\x1b[31mGizmo\n" + "x" * 300))
    assert label.given.startswith("[31mGizmo")
    assert label.given.isprintable()
    assert len(label.given) == 64


def test_damaged_elements_are_passed_over() -> None:
    ds = header(BodyPartExamined="KNEE")
    anatomic_region = Tag("AnatomicRegionSequence")
    ds[anatomic_region] = RawDataElement(anatomic_region, "SQ", 4, b"\1\2\3\4", 0, False, True)
    assert read(ds).region == "knee"
    ds[anatomic_region] = RawDataElement(anatomic_region, "UI", 4, b"1.2\0", 0, False, True)
    assert read(ds).region == "knee"
    del ds[anatomic_region]
    body_part = Tag("BodyPartExamined")
    ds[body_part] = RawDataElement(body_part, "FD", 3, b"abc", 0, False, True)
    assert read(ds) == Label("", "", "")


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("KNIE/IM1.dcm", Label("knee", "KNIE", "folder")),
        ("XR_ELBOW/patient1/study1_negative/image1.png", Label("elbow", "XR_ELBOW", "folder")),
        ("foot/left hand/1.png", Label("hand", "left hand", "folder")),
        ("batch/zebra/1.png", Label("zebra", "zebra", "folder")),
        ("IM1.dcm", None),
    ],
)
def test_folders_as_labels(path: str, label: Label | None) -> None:
    assert label_from_folder(PurePosixPath(path), VOCABULARY) == label


def coded(meaning: str, code: str = "X1", scheme: str = "99SITE") -> list[Dataset]:
    return [region_item(code, scheme, meaning)]


def request(**elements: object) -> list[Dataset]:
    return [header(**elements)]


@pytest.mark.parametrize(
    ("elements", "label"),
    [
        (
            {"PrimaryAnatomicStructureSequence": coded("Patella", "64234005", "SCT"), "BodyPartExamined": "HAND"},
            Label("knee", "64234005", "primary-anatomic-structure"),
        ),
        (
            {"PrimaryAnatomicStructureSequence": coded("Patella of JANE")},
            Label("knee", "patella", "primary-anatomic-structure"),
        ),
        ({"AcquisitionDeviceProcessingDescription": "KNEE, GENERAL"}, Label("knee", "knee", "description")),
        ({"PerformedProcedureStepDescription": "XR Knee JANE"}, Label("knee", "knee", "description")),
        ({"PerformedProtocolCodeSequence": coded("XR Knee JANE")}, Label("knee", "knee", "procedure-code")),
        ({"ScheduledProtocolCodeSequence": coded("XR Knee JANE")}, Label("knee", "knee", "procedure-code")),
        ({"ProcedureCodeSequence": coded("XR Knee 3 views")}, Label("knee", "knee", "procedure-code")),
        ({"RequestedProcedureCodeSequence": coded("", "72696002", "SCT")}, Label("knee", "72696002", "procedure-code")),
        (
            {"RequestAttributesSequence": request(ScheduledProcedureStepDescription="XR Knee JANE")},
            Label("knee", "knee", "description"),
        ),
        (
            {"RequestAttributesSequence": request(RequestedProcedureDescription="Knie bds.")},
            Label("knee", "knie", "description"),
        ),
        (
            {"RequestAttributesSequence": request(ScheduledProtocolCodeSequence=coded("XR Knee"))},
            Label("knee", "knee", "description"),
        ),
        # the order of trust
        (
            {"SeriesDescription": "Knee", "AcquisitionDeviceProcessingDescription": "FOOT"},
            Label("knee", "knee", "description"),
        ),
        (
            {"PerformedProcedureStepDescription": "Knee", "ProcedureCodeSequence": coded("XR Foot")},
            Label("knee", "knee", "description"),
        ),
        (
            {"ProcedureCodeSequence": coded("XR Foot"), "StudyDescription": "XR Knee"},
            Label("foot", "foot", "procedure-code"),
        ),
        # several regions: only what is closer to the image may choose
        (
            {"AnatomicRegionSequence": coded("", "416550000", "SCT"), "BodyPartExamined": "CHEST"},
            Label("", "416550000", "anatomic-region-sequence"),
        ),
        (
            {
                "AnatomicRegionSequence": [region_item(), region_item("56459004", "SCT", "Foot")],
                "BodyPartExamined": "FOOT",
            },
            Label("", "Knee", "anatomic-region-sequence"),
        ),
        (
            {"AnatomicRegionSequence": coded("Spine", "421060004", "SCT"), "BodyPartExamined": "CSPINE"},
            Label("cervical spine", "CSPINE", "body-part-examined"),
        ),
        (
            {"BodyPartExamined": "HAND WRIST", "SeriesDescription": "Hand pa"},
            Label("hand", "hand", "description"),
        ),
        (
            {"BodyPartExamined": "HAND WRIST", "StudyDescription": "XR Hand"},
            Label("", "HAND WRIST", "body-part-examined"),
        ),
        (
            {"ProcedureCodeSequence": [*coded("XR Knee"), *coded("XR Foot")], "StudyDescription": "XR Knee"},
            Label("", "", ""),
        ),
        ({"StudyDescription": "Spine"}, Label("", "", "")),
        # what is no claim about the region
        ({"ImageComments": "Knee", "PatientComments": "Knee", "StudyComments": "Knee"}, Label("", "", "")),
        ({"AdmittingDiagnosesDescription": "knee pain", "ReasonForStudy": "knee pain"}, Label("", "", "")),
    ],
)
def test_structures_protocols_and_procedures_are_read_in_the_order_of_trust(
    elements: dict[str, object], label: Label
) -> None:
    assert read(header(**elements)) == label


def test_no_name_in_a_new_source_comes_out() -> None:
    free = "XR CANARY^JANE canary jane PID7788"
    everything = header(
        PatientID="PID7788",
        PrimaryAnatomicStructureSequence=coded(free),
        AcquisitionDeviceProcessingDescription=free,
        PerformedProcedureStepDescription=free,
        PerformedProtocolCodeSequence=coded(free),
        ProcedureCodeSequence=coded(free, "PID7788"),
        RequestedProcedureCodeSequence=coded(free, "PID7788", "SCT"),
        RequestAttributesSequence=request(
            ScheduledProcedureStepDescription=free,
            ScheduledProtocolCodeSequence=coded(free),
            RequestedProcedureDescription=free,
        ),
        ViewCodeSequence=coded(free),
        ImageComments="knee " + free,
    )
    assert read(everything) == Label("", "", "")
