"""Text in every character set that archives hold, declared rightly, wrongly or not at all."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.dicom.characters import read_characters
from embedkit.dicom.silence import silence
from embedkit.dicom.spelling import fold
from embedkit.labels.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load()
UTF_8, LATIN, GB, JIS, KOREAN, CYRILLIC = (
    "ISO_IR 192",
    "ISO_IR 100",
    "GB18030",
    "ISO_IR 13",
    "ISO 2022 IR 149",
    "ISO_IR 144",
)
SETS = {UTF_8: "utf-8", LATIN: "latin-1", GB: "gb18030", JIS: "shift_jis", KOREAN: "euc_kr", CYRILLIC: "iso8859_5"}
PYTHON = {
    UTF_8: "UTF8",
    LATIN: "latin_1",
    GB: "GB18030",
    JIS: "shift_jis",
    KOREAN: "euc_kr",
    CYRILLIC: "iso_ir_144",
    "": "iso8859",
}


def file_with(tools: Any, charset: str, **texts: bytes) -> bytes:
    """A DICOM file with these bytes as they stand in its elements."""
    marks = {
        keyword: f"QZ{number}".ljust(max(6, len(value) + len(value) % 2), "Z")
        for number, (keyword, value) in enumerate(texts.items())
    }
    with silence():
        content: bytes = tools.dicom(tools.frame(12), bits=12, SpecificCharacterSet="ISO_IR 100", **marks)
    declared = charset.encode()
    old = b"\x08\x00\x05\x00CS" + struct.pack("<H", 10) + b"ISO_IR 100"
    new = (
        b"\x08\x00\x05\x00CS"
        + struct.pack("<H", len(declared) + len(declared) % 2)
        + declared
        + b" " * (len(declared) % 2)
    )
    assert content.count(old) == 1
    content = content.replace(old, new)
    for keyword, value in texts.items():
        mark = marks[keyword].encode()
        assert content.count(mark) == 1
        content = content.replace(mark, value.ljust(len(mark)))
    return content


def label(tools: Any, charset: str, **texts: bytes) -> tuple[str, str]:
    facts = tools.read(file_with(tools, charset, **texts), vocabulary=VOCABULARY).facts
    return facts.region, facts.given


@pytest.mark.parametrize(
    ("text", "charset", "region"),
    [
        ("膝关节", GB, "knee"),
        ("膝", GB, "knee"),
        ("胸部正位", GB, "chest"),
        ("膝関節", JIS, "knee"),
        ("ｹｲﾂｲ 頸椎", JIS, "cervical spine"),
        ("무릎", KOREAN, "knee"),
        ("요추", KOREAN, "lumbar spine"),
        ("КОЛЕНО", CYRILLIC, "knee"),
        ("Коленный сустав", CYRILLIC, "knee"),
        ("Череп", CYRILLIC, "skull"),
        ("Hüfte", LATIN, "pelvis/hip"),
        ("CRÂNE", LATIN, "skull"),
        ("ÉPAULE G", LATIN, "shoulder"),
        ("MÃOS", LATIN, "hand"),
        *[
            (text, UTF_8, region)
            for text, region in {"髋关节": "pelvis/hip", "足関節": "ankle", "손목": "wrist", "Füße": "foot"}.items()
        ],
    ],
)
@pytest.mark.parametrize("keyword", ["BodyPartExamined", "SeriesDescription"])
def test_text_is_read_under_every_declaration(tools: Any, text: str, charset: str, region: str, keyword: str) -> None:
    """Said to be what it is, undeclared, and declared as something else; and UTF-8 under any declaration."""
    own, utf_8 = text.encode(SETS[charset]), text.encode()
    for declared, value in ((charset, own), ("", own), (UTF_8, own), *((other, utf_8) for other in ("", *SETS))):
        found, given = label(tools, declared, **{keyword: value})
        assert found == region, (declared, value)
        assert given, (declared, value)
        assert keyword == "SeriesDescription" or given == text or given in fold(text), (declared, given)


@pytest.mark.parametrize(
    ("charset", "value", "region"),
    [
        ("ISO 2022 IR 149", b"\x1b$)C" + "무릎".encode("euc_kr"), "knee"),
        ("\\ISO 2022 IR 149", "무릎".encode("euc_kr"), "knee"),
        ("\\ISO 2022 IR 87", "膝関節".encode("iso2022_jp"), "knee"),
        ("", "膝関節".encode("iso2022_jp"), "knee"),
        ("ISO 2022 IR 6\\ISO 2022 IR 58", b"\x1b$)A" + "膝关节".encode("gb2312"), "knee"),
        ("", "колено".encode("cp1251"), "knee"),
        ("", "膝關節".encode("big5"), "knee"),
        ("", "Hüfte".encode("cp850"), "pelvis/hip"),
        ("", "HÃ¼fte".encode(), "pelvis/hip"),
        ("NONSENSE", "Hüfte".encode(), "pelvis/hip"),
        (UTF_8, "左膝关节正侧位".encode()[:20], "knee"),
    ],
)
def test_code_extensions_old_code_pages_and_cut_text_are_read(
    tools: Any, charset: str, value: bytes, region: str
) -> None:
    assert label(tools, charset, SeriesDescription=value)[0] == region


@pytest.mark.parametrize("charset", ["", *SETS])
@pytest.mark.parametrize(
    "value", [b"\xcf\xa5\xb9\xd8 X", b"\xff\xfe\xfd", b"\x81\x8d\x90", b"KNI\xc3", b"\xca\xd6 unbekannt \xd7"]
)
def test_what_cannot_be_told_is_no_label_rather_than_a_garbled_one(tools: Any, charset: str, value: bytes) -> None:
    given = label(tools, charset, BodyPartExamined=value)[1]
    assert "\ufffd" not in given
    assert not any("\x7f" < char < "\xa0" for char in given)


@pytest.mark.parametrize(
    ("text", "charset"), [("MÜLLER", LATIN), ("山田", JIS), ("王", GB), ("김", KOREAN), ("ИВАНОВ", CYRILLIC)]
)
def test_a_name_is_withheld_in_every_character_set(tools: Any, text: str, charset: str) -> None:
    for declared, encoding in ((charset, SETS[charset]), ("", "utf-8"), (charset, "utf-8")):
        value = text.encode(encoding)
        region, given = label(tools, declared, BodyPartExamined=value + b" GIZMO", PatientName=value + b"^JANE")
        assert (region, given) == ("", "(withheld)"), (declared, encoding)


def test_other_facts_are_read_so_too(tools: Any) -> None:
    content = file_with(tools, LATIN, Manufacturer="Gerät".encode(), StationName="Röntgen 1".encode("latin-1"))
    facts = tools.read(content).facts
    assert (facts.device, facts.station) == ("Gerät", "Röntgen 1")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(sorted(PYTHON.values())))
def test_any_bytes_are_text_without_replacement_or_nothing(value: bytes, declared: str) -> None:
    with silence():
        text = read_characters(value, [declared])
    assert not any("\x7f" < char < "\xa0" or char == "\ufffd" for char in text)


def test_the_table_of_terms_is_read_in_all_its_sets() -> None:
    page = (Path(__file__).parents[1] / "labels" / "region_terms.toml").read_text(encoding="utf-8")
    for term in (term.strip() for line in page.splitlines() for term in line.split("|")):
        assert read_characters(term.encode(), ["iso8859"]) == term


def test_patients_are_told_apart_by_ids_in_unknown_sets(tools: Any) -> None:
    ids = ["患者一".encode("gb18030"), "患者二".encode("gb18030"), "患者一".encode("gb18030"), b"\xff\xfe\xfd7"]
    first, second, again, other = (
        tools.read(file_with(tools, "", PatientID=value), patient_key=b"k").facts.patient for value in ids
    )
    assert first == again
    assert len({first, second, other, ""}) == 4
