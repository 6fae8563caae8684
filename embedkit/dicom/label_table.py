"""Labels of a CSV file: which image, which region, and perhaps which patient (docs/labels.md)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePath

from embedkit.dicom.labels import Label
from embedkit.dicom.vocabulary import Vocabulary
from embedkit.errors import UsageError

_UID_COLUMNS = ("image_id", "sop_instance_uid", "uid")
_PATH_COLUMNS = ("path", "file", "filename")
_LABEL_COLUMNS = ("region", "label", "class", "body_part")
_PATIENT_COLUMNS = ("patient_id", "patient", "group")


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
