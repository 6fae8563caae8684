"""What a header says of what its image shows: all that attributes are read from, apart from the file it stood in.

An index keeps these texts, so that another vocabulary or another attribute needs no original file. Before they are
kept, what names the patient is withheld (see `dicom.identifiers`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydicom import Dataset

from embedkit.dicom.header import guesses_of, value_of
from embedkit.dicom.identifiers import WITHHELD, Identifiers, text_of
from embedkit.dicom.silence import silence
from embedkit.errors import IndexFolderError

LONGEST_LABEL = 64
"""Characters of a text that are kept; a LO value has no more (PS3.5 table 6.2-1)."""
TEXTS = (
    "BodyPartExamined",
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
    "ScheduledProcedureStepDescription",
    "RequestedProcedureDescription",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
    "FrameLaterality",
    "PatientOrientation",
)
"""Elements of text, in the data set or in an item of its RequestAttributesSequence."""
CODES = (
    "AnatomicRegionSequence",
    "PrimaryAnatomicStructureSequence",
    "PerformedProtocolCodeSequence",
    "ScheduledProtocolCodeSequence",
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
    "ViewCodeSequence",
)
"""Sequences of codes (PS3.3 8.8), in the same places."""
_REQUESTS = "RequestAttributesSequence"
_IN_REQUESTS = frozenset(
    {
        "ScheduledProtocolCodeSequence",
        "ScheduledProcedureStepDescription",
        "RequestedProcedureCodeSequence",
        "RequestedProcedureDescription",
    }
)  # PS3.3 10.6
_MOST_ITEMS = 8
"""Of a sequence; a header that somebody filled for fun costs no more than others."""
_LONG_NUMBER = re.compile(r"\d{6,}")
"""No count, age, size or year: an id of somebody."""

Readings = tuple[str, ...]
"""What a text says: one reading, or, where no character set can be told, one by each of some; () for nothing."""
Finder = Callable[[str], Collection[str]]
"""The words of a text that are known, and may stay whatever it names."""


@dataclass(frozen=True)
class Code:
    """A coded entry (PS3.3 section 8)."""

    value: str = ""
    scheme: str = ""
    """Coding Scheme Designator."""
    meaning: Readings = ()


@dataclass(frozen=True)
class HeaderTexts:
    """The texts and codes of one header by keyword; what is absent, empty or damaged has no entry."""

    texts: Mapping[str, Readings] = field(default_factory=dict)
    codes: Mapping[str, tuple[Code, ...]] = field(default_factory=dict)
    requests: tuple[HeaderTexts, ...] = ()
    """The items of RequestAttributesSequence."""
    header: Dataset | None = field(default=None, compare=False, repr=False)
    """What they were read from, as long as it is at hand."""

    def text(self, keyword: str) -> str:
        """A text that reads one way only; "" where it is absent or reads several ways."""
        readings = self.texts.get(keyword, ())
        return readings[0] if len(readings) == 1 else ""

    @cached_property
    def identifiers(self) -> Identifiers | None:
        """What must not be repeated; None where it has been withheld before."""
        return Identifiers(self.header) if self.header is not None else None

    def conceal(self, known: Finder) -> HeaderTexts:
        """What may be kept of them: what names the patient is withheld, but for the words that `known` finds in it."""

        def kept(text: str) -> str:
            text = "".join(char if char.isprintable() else " " for char in text).strip()
            if self.identifiers and self.identifiers.occur_in(text):
                text = " ".join(known(text)) or WITHHELD
            return _LONG_NUMBER.sub("#", text[:LONGEST_LABEL])

        def code(entry: Code) -> Code:
            value, scheme = entry.value[:LONGEST_LABEL], entry.scheme[:16]
            if self.identifiers and any(map(self.identifiers.occur_in, (value, scheme))):
                value, scheme = WITHHELD, ""
            return Code(value, scheme, tuple(map(kept, entry.meaning)))

        return HeaderTexts(
            {keyword: tuple(map(kept, readings)) for keyword, readings in self.texts.items()},
            {keyword: tuple(map(code, entries)) for keyword, entries in self.codes.items()},
            tuple(replace(item, header=self.header).conceal(known) for item in self.requests),
        )


def read_header_texts(header: Dataset) -> HeaderTexts:
    """Read the texts of a header, in whatever character set; damaged elements are passed over."""
    with silence():
        requests = _items(header, _REQUESTS)[:_MOST_ITEMS]
        items = tuple(_read(item, _IN_REQUESTS) for item in requests)
        return replace(_read(header, {*TEXTS, *CODES}), requests=items, header=header)


def _read(dataset: Dataset, keywords: Collection[str]) -> HeaderTexts:
    read = {keyword: _readings(dataset, keyword) for keyword in TEXTS if keyword in keywords}
    coded = {keyword: _codes(dataset, keyword) for keyword in CODES if keyword in keywords}
    return HeaderTexts(
        {keyword: readings for keyword, readings in read.items() if readings},
        {keyword: entries for keyword, entries in coded.items() if entries},
    )


def _readings(dataset: Dataset, keyword: str) -> Readings:
    text = text_of(dataset, keyword)
    return (text,) if text else tuple(filter(None, guesses_of(dataset, keyword)))


def _codes(dataset: Dataset, keyword: str) -> tuple[Code, ...]:
    return tuple(
        Code(
            text_of(item, "CodeValue") or text_of(item, "LongCodeValue"),
            text_of(item, "CodingSchemeDesignator"),
            _readings(item, "CodeMeaning"),
        )
        for item in _items(dataset, keyword)[:_MOST_ITEMS]
    )


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    value = value_of(dataset, keyword)
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, list) else []


def write_texts(texts: HeaderTexts) -> str:
    """Lay texts out as compact JSON; "" where there are none."""
    content = _to_json(texts)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) if content else ""


def parse_texts(text: str) -> HeaderTexts:
    """Read what `write_texts` wrote; raises `IndexFolderError` ``index-damaged`` for anything else."""
    try:
        return _from_json(json.loads(text)) if text else HeaderTexts()
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise IndexFolderError("index-damaged", "texts of headers in the index cannot be read") from error


def _to_json(texts: HeaderTexts) -> dict[str, Any]:
    """Texts by keyword are lists of text, codes lists of lists: value, scheme, readings of the meaning."""
    content: dict[str, Any] = {keyword: list(readings) for keyword, readings in texts.texts.items()}
    content |= {
        keyword: [[code.value, code.scheme, *code.meaning] for code in codes] for keyword, codes in texts.codes.items()
    }
    return content | ({_REQUESTS: [_to_json(item) for item in texts.requests]} if texts.requests else {})


def _from_json(content: dict[str, Any]) -> HeaderTexts:
    return HeaderTexts(
        {keyword: tuple(map(str, content[keyword])) for keyword in TEXTS if keyword in content},
        {
            keyword: tuple(Code(str(v), str(s), tuple(map(str, meaning))) for v, s, *meaning in content[keyword])
            for keyword in CODES
            if keyword in content
        },
        tuple(map(_from_json, content.get(_REQUESTS, ()))),
    )
