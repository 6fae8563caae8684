"""The region label of an image: from its header, or from the folder it lies in (docs/labels.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from embedkit.dicom.identifiers import WITHHELD
from embedkit.labels.texts import LONGEST_LABEL, Code, HeaderTexts, Readings
from embedkit.labels.vocabulary import Vocabulary

_IMAGE, _SERIES, _STEP, _STUDY = range(4)
"""How far what a source says reaches: where one names several regions, only a closer one can tell which is shown."""

_DESCRIPTIONS = (  # the most trusted first: from the series to the order
    ("SeriesDescription", _SERIES),
    ("ProtocolName", _SERIES),
    ("AcquisitionDeviceProcessingDescription", _IMAGE),
    ("PerformedProtocolCodeSequence", _STEP),
    ("PerformedProcedureStepDescription", _STEP),
    ("RequestAttributesSequence", _STUDY),
    ("ScheduledProtocolCodeSequence", _STUDY),
    ("ProcedureCodeSequence", _STUDY),
    ("StudyDescription", _STUDY),
    ("RequestedProcedureCodeSequence", _STUDY),
    ("RequestedProcedureDescription", _STUDY),
)
_REQUEST = (  # in an item of RequestAttributesSequence (PS3.3 10.6)
    "ScheduledProtocolCodeSequence",
    "ScheduledProcedureStepDescription",
    "RequestedProcedureCodeSequence",
    "RequestedProcedureDescription",
)


@dataclass(frozen=True)
class Label:
    """What an image is said to show."""

    region: str
    """A region, or "" where the label cannot be mapped."""
    given: str
    """The label as it stands at its source."""
    source: str
    """One of `anatomic-region-sequence`, `primary-anatomic-structure`, `body-part-examined`, `description`,
    `procedure-code`, `csv`, `folder`, `annotator`, `cluster`, or ""."""
    patient: str = field(default="", repr=False)
    """Who it shows, as a table says it; never stored but as a keyed hash. "" where nothing is said."""


def label_of(header: HeaderTexts, vocabulary: Vocabulary) -> Label:
    """Label in a header: region, structure, body part, then what describes series and study (PS3.3 C.7.3.1, 10.6).

    A label that does not map gives way to the next source; where nothing maps, the first one is kept verbatim with
    region "". Of a description or the meaning of a code only the matched words are kept: free text may hold names.
    Comments are never read.
    """
    first, furthest = Label("", "", ""), _STUDY + 1
    for source, reach, found, verbatim in _sources(header, vocabulary):
        if reach >= furthest:
            continue
        names = vocabulary.narrowest(found)
        if len(names) == 1 and vocabulary.region(names[0]):
            return Label(names[0], _presentable(found[names[0]], header, vocabulary), source)
        if vocabulary.names_several(names):
            furthest = reach
        if verbatim and not first.given:
            first = Label("", _presentable(verbatim, header, vocabulary), source)
    return first


def _sources(header: HeaderTexts, vocabulary: Vocabulary) -> Iterator[tuple[str, int, dict[str, str], str]]:
    """(source, reach, regions and areas with what names them, label to keep if none is), the most trusted first."""
    read = [
        ((code.meaning[0] if len(code.meaning) == 1 else "") or code.value, _find_in_codes([code], vocabulary))
        for code in header.codes.get("AnatomicRegionSequence", ())
    ]
    found = {name: label for label, names in read for name in names}
    yield "anatomic-region-sequence", _IMAGE, found, next((label for label, _ in read if label), "")
    found = _find_in_codes(header.codes.get("PrimaryAnatomicStructureSequence", ()), vocabulary)
    yield "primary-anatomic-structure", _IMAGE, found, ""
    label = header.text("BodyPartExamined")
    found = _find_in_text(header.texts.get("BodyPartExamined", ()), vocabulary.regions_of_label)
    yield "body-part-examined", _STEP, dict.fromkeys(found, label) if label else found, label
    for keyword, reach in _DESCRIPTIONS:
        source = "procedure-code" if keyword.endswith("CodeSequence") else "description"
        yield source, reach, _find(header, keyword, vocabulary), ""


def _find(header: HeaderTexts, keyword: str, vocabulary: Vocabulary) -> dict[str, str]:
    """What a description, a sequence of codes or the requests name."""
    if keyword == "RequestAttributesSequence":
        found: dict[str, str] = {}
        for item in header.requests:
            found |= next(filter(None, (_find(item, inner, vocabulary) for inner in _REQUEST)), {})
        return found
    if keyword.endswith("Sequence"):
        return _find_in_codes(header.codes.get(keyword, ()), vocabulary)
    return _find_in_text(header.texts.get(keyword, ()), vocabulary.regions_in)


def _find_in_codes(codes: Iterable[Code], vocabulary: Vocabulary) -> dict[str, str]:
    """What codes stand for; a code that is not known is read by its meaning."""
    found: dict[str, str] = {}
    for code in codes:
        known = vocabulary.regions_of_code(code.value, code.scheme)
        found |= dict.fromkeys(known, code.value) or _find_in_text(code.meaning, vocabulary.regions_of_label)
    return found


def _find_in_text(readings: Readings, find: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """What a text names; one in an unknown character set names what all sets agree on in which it names anything."""
    found = [names for names in map(find, readings) if names]
    return found[0] if len({*map(tuple, found)}) == 1 else {}


def _presentable(given: str, header: HeaderTexts, vocabulary: Vocabulary) -> str:
    """A verbatim label cut to one printable line, and withheld where it names the patient (see `identifiers`).

    Words of the vocabulary stay: a patient may be called Hand.
    """
    given = "".join(char for char in given if char.isprintable()).strip()
    if header.identifiers is None or vocabulary.is_spelling(given[:LONGEST_LABEL]):
        return given[:LONGEST_LABEL]
    return WITHHELD if header.identifiers.occur_in(given) else given[:LONGEST_LABEL]


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
