"""What an index keeps of a header's texts: all that labels are read from, and nobody's name."""

from __future__ import annotations

import json

import pytest
from pydicom.dataset import Dataset

from embedkit.dicom.identifiers import WITHHELD
from embedkit.errors import IndexFolderError
from embedkit.labels.texts import CODES, TEXTS, HeaderTexts, parse_texts, read_header_texts, write_texts
from embedkit.labels.vocabulary import Vocabulary

from .test_header import header, region_item


def knees(text: str) -> list[str]:
    return ["knee"] if "knee" in text.lower() else []


def everything(text: str) -> Dataset:
    """A header with one text in every place that is read."""
    places = dict.fromkeys(TEXTS, text) | {keyword: [region_item("72696002", "SCT", text)] for keyword in CODES}
    code = region_item("T-D9200", "SRT", text)
    item = header(RequestedProcedureDescription=text, ScheduledProtocolCodeSequence=[code])
    return header(RequestAttributesSequence=[item], **places)


def test_every_place_is_kept() -> None:
    kept = read_header_texts(everything("Knee")).conceal(knees)
    assert set(kept.texts) == set(TEXTS)
    assert set(kept.codes) == set(CODES)
    assert kept.requests[0].text("RequestedProcedureDescription") == "Knee"
    assert kept.requests[0].codes["ScheduledProtocolCodeSequence"][0].scheme == "SRT"
    assert parse_texts(write_texts(kept)) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("KNEE CANARY", "knee"),
        ("for Jane", WITHHELD),
        ("13.07.1944", WITHHELD),
        ("x" * 70 + "CANARY", WITHHELD),
        ("Knee 12345678", "Knee #"),
        ("Knee\n2 views", "Knee 2 views"),
    ],
)
def test_names_are_withheld_in_every_place(text: str, kept: str) -> None:
    ds = everything(text)
    ds.PatientName = "CANARY^JANE"
    texts = read_header_texts(ds).conceal(knees)
    written = write_texts(texts)
    assert "CANARY" not in written
    assert "Jane" not in written
    assert {*texts.texts.values()} == {(kept,)}
    assert {code.meaning for codes in texts.codes.values() for code in codes} == {(kept,)}


def test_a_code_that_is_a_name_is_withheld() -> None:
    ds = header(PatientID="CANARY", AnatomicRegionSequence=[region_item("CANARY-1", "99CANARY", "Knee")])
    assert "CANARY" not in write_texts(read_header_texts(ds).conceal(knees))


def test_a_header_full_of_items_costs_no_more_than_others() -> None:
    texts = read_header_texts(header(ProcedureCodeSequence=[region_item()] * 500))
    assert len(texts.codes["ProcedureCodeSequence"]) == 8


def test_a_header_without_any_is_nothing() -> None:
    assert write_texts(read_header_texts(Dataset())) == ""
    assert parse_texts("") == HeaderTexts()


@pytest.mark.parametrize("text", ["{", "[]", "3", json.dumps({"ViewCodeSequence": [["A"]]}), '{"BodyPartExamined":3}'])
def test_texts_that_nobody_wrote_are_damage(text: str) -> None:
    with pytest.raises(IndexFolderError, match="cannot be read"):
        parse_texts(text)


def test_a_vocabulary_finds_a_word_that_another_did_not_know() -> None:
    texts = read_header_texts(header(StudyDescription="Ellbogen links"))
    assert Vocabulary.load().regions_in("Ellbogen links")
    assert texts.conceal(lambda _: []).text("StudyDescription") == "Ellbogen links"
