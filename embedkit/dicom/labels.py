"""The region label of an image: from its header, or from the folder it lies in (docs/labels.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field
from pathlib import PurePath

from pydicom import Dataset

from embedkit.dicom.header import silence
from embedkit.dicom.spelling import fold
from embedkit.dicom.vocabulary import Vocabulary

WITHHELD = "(withheld)"
"""Stands for a label that repeats the patient's name or an id."""

LONGEST_LABEL = 64
"""Characters of a verbatim label that are kept; a LO value has no more (PS3.5 table 6.2-1)."""

_DESCRIPTIONS = (  # from the one image to the whole order
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
    "StudyDescription",
    "RequestedProcedureDescription",
)
_IDENTIFIERS = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "AccessionNumber",
    "ReferringPhysicianName",
)


@dataclass(frozen=True)
class Label:
    """What an image is said to show."""

    region: str
    """A region, or "" where the label cannot be mapped."""
    given: str
    """The label as it stands at its source."""
    source: str
    """One of `anatomic-region-sequence`, `body-part-examined`, `description`, `csv`, `folder`, `annotator`, `cluster`,
    or ""."""
    patient: str = field(default="", repr=False)
    """Who it shows, as a table says it; never stored but as a keyed hash. "" where nothing is said."""


def label_of(header: Dataset, vocabulary: Vocabulary) -> Label:
    """Label in a header: AnatomicRegionSequence, then BodyPartExamined, then the descriptions (PS3.3 C.7.3.1, 10.5).

    A label that does not map gives way to the next source; where nothing maps, the first one is kept verbatim with
    region "". Of a description only the matched words are kept: free text may hold names. Damaged elements are
    passed over.
    """
    with silence():
        first = Label("", "", "")
        for region, verbatim, source in _candidates(header, vocabulary):
            given = _presentable(verbatim, header, vocabulary)
            if region:
                return Label(region, given, source)
            if given and not first.given:
                first = Label("", given, source)
        return first


def _candidates(header: Dataset, vocabulary: Vocabulary) -> Iterator[tuple[str, str, str]]:
    """(region or "", verbatim text, source), the most trusted first."""
    for code, scheme, meaning in _anatomic_regions(header):
        if vocabulary.regions_of_code(code, scheme):
            yield vocabulary.region_of_code(code, scheme), meaning or code, "anatomic-region-sequence"
        else:
            yield vocabulary.region_of_spelling(meaning), meaning or code, "anatomic-region-sequence"
    body_part = " ".join(_texts(header, "BodyPartExamined"))
    yield vocabulary.region_of_spelling(body_part), body_part, "body-part-examined"
    for keyword in _DESCRIPTIONS:
        found = vocabulary.regions_in(" ".join(_texts(header, keyword)))
        if len(found) > 1:
            return  # it names several: a wider description cannot tell which one this image shows
        for name, words in found.items():
            if vocabulary.region(name):
                yield name, words, "description"


def _anatomic_regions(header: Dataset) -> Iterator[tuple[str, str, str]]:
    """(code value, coding scheme designator, code meaning) of every item."""
    for item in _value(header, "AnatomicRegionSequence") or ():
        if isinstance(item, Dataset):
            code = _texts(item, "CodeValue") or _texts(item, "LongCodeValue")
            yield (
                " ".join(code),
                " ".join(_texts(item, "CodingSchemeDesignator")),
                " ".join(_texts(item, "CodeMeaning")),
            )


def _value(header: Dataset, keyword: str) -> list[object] | None:
    """All values of an element; None where it is absent, empty or damaged."""
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return None
        return list(value) if isinstance(value, MutableSequence) else [value]  # a PersonName iterates over letters
    except Exception:  # a value is decoded on first access, and a damaged one raises almost anything
        return None


def _texts(header: Dataset, keyword: str) -> list[str]:
    return [str(value).strip() for value in _value(header, keyword) or () if str(value).strip()]


def _presentable(given: str, header: Dataset, vocabulary: Vocabulary) -> str:
    """A verbatim label cut to one printable line, and withheld where it repeats an identifier of the patient.

    Words of the vocabulary stay: a patient may be called Hand.
    """
    given = "".join(char for char in given if char.isprintable()).strip()[:LONGEST_LABEL]
    if vocabulary.is_spelling(given):
        return given
    squeezed = fold(given).replace(" ", "")
    for keyword in _IDENTIFIERS:
        for token in re.split(r"\W+", fold(" ".join(_texts(header, keyword)))):
            if len(token) >= 3 and token in squeezed:
                return WITHHELD
    return given


def label_from_folder(path: PurePath, vocabulary: Vocabulary) -> Label | None:
    """Label of a file whose folder names its class (``knee/IM1.dcm``); `path` is relative to the source.

    The nearest folder that maps to a region; where none does, the name of the folder that holds the file is a region
    of its own. None for a file that lies in no folder.
    """
    folders = [folder.name for folder in path.parents if folder.name]
    for name in folders:
        region = vocabulary.region_of_spelling(name)
        if region:
            return Label(region, name, "folder")
    return Label(folders[0], folders[0], "folder") if folders else None
