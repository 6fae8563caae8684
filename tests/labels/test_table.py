"""Labels of a CSV file."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.errors import UsageError
from embedkit.labels.header import Label
from embedkit.labels.table import labels_from_csv
from embedkit.labels.vocabulary import Vocabulary

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
    assert [(row.number, row.image_id, row.label) for row in table.rows] == [
        (2, "1.2.3", Label("knee", "KNIE", "csv")),
        (3, "1.2.4#2", Label("Zebra", "Zebra", "csv")),
    ]
    assert table.missing == 1


@pytest.mark.parametrize("column", ["path", "file", "filename", "file_name", "File Name", "filepath", "Image-Path"])
def test_a_column_of_paths_by_any_usual_name(tmp_path: Path, column: str) -> None:
    [row] = labels_from_csv(write(tmp_path, f"{column},label\nIMG7.jpg,hand\n"), VOCABULARY).rows
    assert (row.image_id, row.path, row.label.region) == ("", "IMG7.jpg", "hand")


def test_a_file_name_may_stand_where_an_id_is_meant(tmp_path: Path) -> None:
    [row] = labels_from_csv(write(tmp_path, "image_id,region\nIMG7.jpg,hand\n"), VOCABULARY).rows
    assert (row.image_id, row.path) == ("", "IMG7.jpg")


def test_an_id_and_a_path_may_stand_side_by_side(tmp_path: Path) -> None:
    table = labels_from_csv(write(tmp_path, "path,uid,region\na.png,1.2,hand\nb.png,nan,hand\n"), VOCABULARY)
    assert [(row.image_id, row.path) for row in table.rows] == [("1.2", "a.png"), ("", "b.png")]


WORDS = ["", " ", "nan", "NaN", "NULL", "N/A", "#N/A", "NA", "<NA>", "None", "unknown", "missing", "?", "-"]


@pytest.mark.parametrize("word", WORDS)
def test_words_for_a_missing_value_are_no_region_and_no_patient(tmp_path: Path, word: str) -> None:
    text = f"path,region,patient\na.png,{word},P1\nb.png,hand,{word}\n"
    table = labels_from_csv(write(tmp_path, text), VOCABULARY)
    assert [(row.path, row.label.region, row.label.patient) for row in table.rows] == [("b.png", "hand", "")]
    assert table.missing == 1


def test_a_vocabulary_may_know_a_region_by_a_word_for_missing(tmp_path: Path) -> None:
    regions = tmp_path / "regions.toml"
    regions.write_text('sides_and_views = []\n["nasal bone"]\nspellings = ["NA"]\n')
    table = labels_from_csv(write(tmp_path, "path,region\na.png,na\n"), Vocabulary.load(regions))
    assert [row.label.region for row in table.rows] == ["nasal bone"]


def test_a_cell_kept_from_being_a_formula_is_read_as_it_was(tmp_path: Path) -> None:
    [row] = labels_from_csv(write(tmp_path, "path,region\n'-a.png,hand\n"), VOCABULARY).rows
    assert row.path == "-a.png"


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
    assert [row.label for row in table.rows] == [Label("knee", "KNEE", "csv")]


def test_a_table_that_is_no_text_or_no_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        labels_from_csv(write(tmp_path, "uid,region\n1,kné\n", "latin-1"), VOCABULARY)
    with pytest.raises(UsageError, match="No such file"):
        labels_from_csv(tmp_path / "none.csv", VOCABULARY)
    with pytest.raises(UsageError):
        labels_from_csv(write(tmp_path, "uid,region\n1,\0\n2,\0" + "x" * 200_000), VOCABULARY)
