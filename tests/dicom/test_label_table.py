"""Labels of a CSV file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from embedkit.dicom.label_table import labels_from_csv
from embedkit.dicom.labels import Label
from embedkit.dicom.vocabulary import Vocabulary
from embedkit.errors import UsageError

VOCABULARY = Vocabulary.load(None)


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
