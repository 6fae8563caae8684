"""The region label of an image: from its header, from a table, or from the folder it lies in (docs/labels.md)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePath

from pydicom import Dataset

from embedkit.dicom.header import silence
from embedkit.dicom.vocabulary import Vocabulary, fold
from embedkit.errors import UsageError

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
_UID_COLUMNS = ("image_id", "sop_instance_uid", "uid")
_PATH_COLUMNS = ("path", "file", "filename")
_LABEL_COLUMNS = ("region", "label", "class", "body_part")
_PATIENT_COLUMNS = ("patient_id", "patient", "group")


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
        region = vocabulary.region_of_code(code, scheme) or vocabulary.region_of_spelling(meaning)
        yield region, meaning or code, "anatomic-region-sequence"
    body_part = " ".join(_texts(header, "BodyPartExamined"))
    yield vocabulary.region_of_spelling(body_part), body_part, "body-part-examined"
    for keyword in _DESCRIPTIONS:
        found = vocabulary.regions_in(" ".join(_texts(header, keyword)))
        if len(found) > 1:
            return  # it names several: a wider description cannot tell which one this image shows
        for region, words in found.items():
            yield region, words, "description"


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


class LabelTable:
    """Labels of a CSV file, found by image id or by path."""

    def __init__(self, by_uid: dict[str, Label], by_path: dict[str, Label]) -> None:
        self._by_uid = by_uid
        self._by_path = by_path

    def __len__(self) -> int:
        return len(self._by_uid) + len(self._by_path)

    def lookup(self, image_id: str, path: PurePath | str) -> Label | None:
        """Label of an image by its id (with or without `#frame`), else by the longest matching end of its path."""
        label = self._by_uid.get(image_id) or self._by_uid.get(image_id.partition("#")[0])
        if label is None and self._by_path:
            parts = _path_parts(str(path))
            ends = ("/".join(parts[start:]) for start in range(len(parts)))
            label = next((self._by_path[end] for end in ends if end in self._by_path), None)
        return label


def labels_from_csv(path: Path, vocabulary: Vocabulary) -> LabelTable:
    """Read a table with a column of ids or paths and a column of labels, separated by comma, semicolon or tab.

    A column of patients may stand beside them. A label that the vocabulary does not know becomes a region of its own:
    whoever writes a table means it. A row without a label is passed over. Raises `UsageError`, which names lines and
    never values.
    """
    with read_rows(path) as rows:
        return _read_table(rows, path, vocabulary)


@contextmanager
def read_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a table separated by comma, semicolon or tab; what is wrong with the file becomes a `UsageError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header_line = file.readline()
            file.seek(0)
            separator = max(",;\t", key=header_line.count)
            yield csv.reader(file, delimiter=separator, strict=True)
    except UnicodeDecodeError as error:
        raise wrong_table(path, "it is not UTF-8 text") from error
    except csv.Error as error:
        raise wrong_table(path, f"it is not CSV: {error}") from error
    except OSError as error:
        raise wrong_table(path, error.strerror or "it cannot be read") from error


def _read_table(rows: Iterator[list[str]], path: Path, vocabulary: Vocabulary) -> LabelTable:
    columns = [name.strip().lower() for name in next(rows, [])]
    key = find_column(columns, (*_UID_COLUMNS, *_PATH_COLUMNS), path)
    value = find_column(columns, _LABEL_COLUMNS, path)
    patient = next((columns.index(name) for name in _PATIENT_COLUMNS if name in columns), None)

    @lru_cache(maxsize=4096)
    def label_for(text: str) -> Label:
        return Label(vocabulary.region_of_spelling(text) or text, text, "csv")

    by_uid: dict[str, Label] = {}
    by_path: dict[str, Label] = {}
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(columns):
            raise wrong_table(path, f"row {number} has {len(row)} cells, the first row {len(columns)}")
        name, text = row[key].strip(), row[value].strip()
        if not name:
            raise wrong_table(path, f"row {number} has an empty {columns[key]}")
        if not text:
            continue
        as_path = columns[key] in _PATH_COLUMNS or not re.fullmatch(r"[0-9.]+(#[0-9]+)?", name)
        labels, name = (by_path, "/".join(_path_parts(name))) if as_path else (by_uid, name)
        label = label_for(text)
        if patient is not None:
            label = replace(label, patient=row[patient].strip())
        known = labels.setdefault(name, label)
        if (known.region, known.patient) != (label.region, label.patient):
            raise wrong_table(path, f"row {number} contradicts an earlier row for the same image")
    return LabelTable(by_uid, by_path)


def find_column(columns: list[str], known: tuple[str, ...], path: Path) -> int:
    """The place of the first column of `known` that a table has; `UsageError` where it has none."""
    for name in known:
        if name in columns:
            return columns.index(name)
    raise wrong_table(path, f"its first row names none of the columns {', '.join(known)}")


def _path_parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def wrong_table(path: Path, message: str) -> UsageError:
    """The error of a table that cannot be used; `message` names rows and never values."""
    return UsageError("labels-invalid", f"the label table {path} cannot be used: {message}")


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
