"""Region labels from headers, tables and folders."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from embedkit.dicom.labels import WITHHELD, Label, label_from_folder, label_of, labels_from_csv
from embedkit.dicom.vocabulary import Vocabulary
from embedkit.errors import UsageError

VOCABULARY = Vocabulary.load()


@pytest.fixture(autouse=True)
def any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests write values that the standard forbids: real files hold them."""
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


def header(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


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
    assert label_of(header(**elements), VOCABULARY) == label


@pytest.mark.parametrize("body_part", ["JANE", "xx-canary", "PID7788", "Jane?s gizmo", "CANARYGIZMO", "19700131"])
def test_a_label_that_repeats_the_patient_is_withheld(body_part: str) -> None:
    ds = header(PatientName="CANARY^JANE", PatientID="PID7788", PatientBirthDate="19700131", BodyPartExamined=body_part)
    assert label_of(ds, VOCABULARY) == Label("", WITHHELD, "body-part-examined")


def test_a_label_around_a_region_is_withheld_too_and_still_maps() -> None:
    ds = header(PatientName="CANARY^JANE", BodyPartExamined="KNEE JANE")
    assert label_of(ds, VOCABULARY) == Label("knee", WITHHELD, "body-part-examined")


def test_a_patient_may_be_called_hand() -> None:
    ds = header(PatientName="HAND^ANN", BodyPartExamined="HAND LT")
    assert label_of(ds, VOCABULARY) == Label("hand", "HAND LT", "body-part-examined")


def test_a_verbatim_label_is_one_short_printable_line() -> None:
    label = label_of(header(BodyPartExamined="\x1b[31mGizmo\n" + "x" * 300), VOCABULARY)
    assert label.given.startswith("[31mGizmo")
    assert label.given.isprintable()
    assert len(label.given) == 64


def test_damaged_elements_are_passed_over() -> None:
    ds = header(BodyPartExamined="KNEE")
    anatomic_region = Tag("AnatomicRegionSequence")
    ds[anatomic_region] = RawDataElement(anatomic_region, "SQ", 4, b"\1\2\3\4", 0, False, True)
    assert label_of(ds, VOCABULARY).region == "knee"
    ds[anatomic_region] = RawDataElement(anatomic_region, "UI", 4, b"1.2\0", 0, False, True)
    assert label_of(ds, VOCABULARY).region == "knee"
    del ds[anatomic_region]
    body_part = Tag("BodyPartExamined")
    ds[body_part] = RawDataElement(body_part, "FD", 3, b"abc", 0, False, True)
    assert label_of(ds, VOCABULARY) == Label("", "", "")


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_by_uid(tmp_path: Path, separator: str, encoding: str) -> None:
    text = "SOP_Instance_UID,Region\n1.2.3,KNIE\n1.2.4#2,Zebra\n1.2.5,\n\n".replace(",", separator)
    table = labels_from_csv(write(tmp_path, text, encoding), VOCABULARY)
    assert len(table) == 2
    assert table.lookup("1.2.3", "x") == table.lookup("1.2.3#7", "x") == Label("knee", "KNIE", "csv")
    assert table.lookup("1.2.4#2", "x") == Label("Zebra", "Zebra", "csv")
    assert table.lookup("1.2.4", "x") is table.lookup("1.2.5", "x") is None


def test_a_table_by_path_matches_the_longest_end(tmp_path: Path) -> None:
    text = "path,class\nIM1.dcm,hand\nb/IM1.dcm,foot\n.\\c\\IM2.dcm,knee\n"
    table = labels_from_csv(write(tmp_path, text), VOCABULARY)
    regions = {
        path: getattr(table.lookup("9.9", PurePosixPath(path)), "region", None)
        for path in ("/data/a/IM1.dcm", "/data/b/IM1.dcm", "c/IM2.dcm", "/x/IM2.dcm", "IM1.dcm.bak", "XIM1.dcm")
    }
    assert list(regions.values()) == ["hand", "foot", "knee", None, None, None]


def test_a_file_name_may_stand_where_an_id_is_meant(tmp_path: Path) -> None:
    table = labels_from_csv(write(tmp_path, "image_id,region\nIMG7.jpg,hand\n"), VOCABULARY)
    assert table.lookup("2.25.1", "/data/IMG7.jpg") == Label("hand", "hand", "csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first row names none of the columns image_id"),
        ("name,region\nsecret,hand\n", "first row names none of the columns image_id"),
        ("uid,part\n1.2,secret\n", "first row names none of the columns region"),
        ("uid,region\n1.2,hand\n1.3\n", "row 3 has 1 cells, the first row 2"),
        ("uid,region\n,secret\n", "row 2 has an empty uid"),
        ("uid,region\n1.2,hand\n1.2,secret\n", "row 3 contradicts"),
        ('uid,region\n1.2,"secret', "not CSV"),
    ],
)
def test_a_wrong_table_is_named_by_row_without_its_values(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match="cannot be used") as caught:
        labels_from_csv(write(tmp_path, text), VOCABULARY)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "labels-invalid"


def test_the_same_label_twice_is_no_contradiction(tmp_path: Path) -> None:
    table = labels_from_csv(write(tmp_path, "uid,region\n1.2,KNEE\n1.2,Knie\n"), VOCABULARY)
    assert table.lookup("1.2", "") == Label("knee", "KNEE", "csv")


def test_a_table_that_is_no_text_or_no_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        labels_from_csv(write(tmp_path, "uid,region\n1,kné\n", "latin-1"), VOCABULARY)
    with pytest.raises(UsageError, match="No such file"):
        labels_from_csv(tmp_path / "none.csv", VOCABULARY)
    with pytest.raises(UsageError):
        labels_from_csv(write(tmp_path, "uid,region\n1,\0\n2,\0" + "x" * 200_000), VOCABULARY)


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
