"""The region label of an image: from its header, or from the folder it lies in (docs/labels.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from pydicom import Dataset

from embedkit.dicom.header import guesses_of, value_of
from embedkit.dicom.identifiers import WITHHELD, Identifiers, text_of
from embedkit.dicom.silence import silence
from embedkit.labels.vocabulary import Vocabulary

LONGEST_LABEL = 64
"""Characters of a verbatim label that are kept; a LO value has no more (PS3.5 table 6.2-1)."""

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


def label_of(header: Dataset, vocabulary: Vocabulary) -> Label:
    """Label in a header: region, structure, body part, then what describes series and study (PS3.3 C.7.3.1, 10.6).

    A label that does not map gives way to the next source; where nothing maps, the first one is kept verbatim with
    region "". Of a description or the meaning of a code only the matched words are kept: free text may hold names.
    Comments are never read. Damaged elements are passed over.
    """
    with silence():
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


def _sources(header: Dataset, vocabulary: Vocabulary) -> Iterator[tuple[str, int, dict[str, str], str]]:
    """(source, reach, regions and areas with what names them, label to keep if none is), the most trusted first."""
    read = [
        (text_of(item, "CodeMeaning") or _code(item), _find_in_codes([item], vocabulary))
        for item in _items(header, "AnatomicRegionSequence")
    ]
    found = {name: label for label, names in read for name in names}
    yield "anatomic-region-sequence", _IMAGE, found, next((label for label, _ in read if label), "")
    found = _find_in_codes(_items(header, "PrimaryAnatomicStructureSequence"), vocabulary)
    yield "primary-anatomic-structure", _IMAGE, found, ""
    found, label = (
        _find_in_text(header, "BodyPartExamined", vocabulary.regions_of_label),
        text_of(header, "BodyPartExamined"),
    )
    yield "body-part-examined", _STEP, dict.fromkeys(found, label) if label else found, label
    for keyword, reach in _DESCRIPTIONS:
        source = "procedure-code" if keyword.endswith("CodeSequence") else "description"
        yield source, reach, _find(header, keyword, vocabulary), ""


def _find(dataset: Dataset, keyword: str, vocabulary: Vocabulary) -> dict[str, str]:
    """What a description, a sequence of codes or the requests name."""
    if keyword == "RequestAttributesSequence":
        found: dict[str, str] = {}
        for item in _items(dataset, keyword):
            found |= next(filter(None, (_find(item, inner, vocabulary) for inner in _REQUEST)), {})
        return found
    if keyword.endswith("Sequence"):
        return _find_in_codes(_items(dataset, keyword), vocabulary)
    return _find_in_text(dataset, keyword, vocabulary.regions_in)


def _find_in_codes(items: list[Dataset], vocabulary: Vocabulary) -> dict[str, str]:
    """What codes stand for; a code that is not known is read by its meaning."""
    found: dict[str, str] = {}
    for item in items:
        known = vocabulary.regions_of_code(_code(item), text_of(item, "CodingSchemeDesignator"))
        found |= dict.fromkeys(known, _code(item)) or _find_in_text(item, "CodeMeaning", vocabulary.regions_of_label)
    return found


def _find_in_text(dataset: Dataset, keyword: str, find: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """What a text names; one in an unknown character set names what all sets agree on in which it names anything."""
    text = text_of(dataset, keyword)
    if text:
        return find(text)
    readings = [found for found in map(find, guesses_of(dataset, keyword)) if found]
    return readings[0] if len({*map(tuple, readings)}) == 1 else {}


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    value = value_of(dataset, keyword)
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, list) else []


def _code(item: Dataset) -> str:
    return text_of(item, "CodeValue") or text_of(item, "LongCodeValue")


def _presentable(given: str, header: Dataset, vocabulary: Vocabulary) -> str:
    """A verbatim label cut to one printable line, and withheld where it names the patient (see `identifiers`).

    Words of the vocabulary stay: a patient may be called Hand.
    """
    given = "".join(char for char in given if char.isprintable()).strip()
    if vocabulary.is_spelling(given[:LONGEST_LABEL]):
        return given[:LONGEST_LABEL]
    return WITHHELD if Identifiers(header).occur_in(given) else given[:LONGEST_LABEL]


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
