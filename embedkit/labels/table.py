"""Labels of a CSV file: which image, which region, and perhaps which patient (docs/labels.md)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from embedkit.errors import UsageError
from embedkit.labels.header import Label
from embedkit.labels.vocabulary import Vocabulary

MISSING = frozenset({"", "nan", "null", "n/a", "#n/a", "na", "<na>", "none", "nil", "unknown", "missing", "-", "?"})
"""Lower-case words by which a table says that it has no value: those of pandas, R, SQL, Excel and people."""

_UID_COLUMNS = ("image_id", "sop_instance_uid", "uid")
_PATH_COLUMNS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path")
_LABEL_COLUMNS = ("region", "label", "class", "body_part")
_PATIENT_COLUMNS = ("patient_id", "patient", "group")
_IMAGE_ID = re.compile(r"[0-9.]+(#[0-9]+)?")
_ESCAPED = re.compile(r"'[=+\-@\t\r]")
"""A cell that our own tables keep from being run as a formula."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row that has a label."""

    number: int
    """Its place in the file; the first row, which names the columns, is 1."""
    image_id: str
    """With or without `#frame`; "" where a path alone says which image is meant."""
    path: str = field(repr=False)
    """As it is written; "" where there is none."""
    label: Label

    @property
    def name(self) -> str:
        """What the row says of which image it means."""
        return self.image_id or self.path


@dataclass(frozen=True)
class LabelTable:
    """The rows of a table that have a label, each image once."""

    rows: tuple[LabelRow, ...]
    missing: int = 0
    """Rows without a label."""
    path_map: tuple[tuple[str, str], ...] = ()
    """Pairs (old, new): a path that begins with the folders `old` is taken to begin with `new`; the first that fits."""

    def __len__(self) -> int:
        return len(self.rows)


def labels_from_csv(path: Path, vocabulary: Vocabulary, path_map: Sequence[tuple[str, str]] = ()) -> LabelTable:
    """Read a table with a column of ids or paths and a column of labels, separated by comma, semicolon or tab.

    A column of patients may stand beside them. A label that the vocabulary does not know becomes a region of its own:
    whoever writes a table means it. A row without a label, or with a word of `MISSING`, is passed over.

    Raises
    ------
    UsageError
        ``labels-invalid``; the message names rows and never values.
    """
    with read_rows(path) as rows:
        columns = _Columns.find(column_names(next(rows, [])), path)
        return replace(_read_labels(rows, columns, path, vocabulary), path_map=tuple(path_map))


@contextmanager
def read_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a table separated by comma, semicolon or tab; what is wrong with the file becomes a `UsageError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header_line = file.readline()
            file.seek(0)
            separator = max(",;\t", key=header_line.count)
            rows = csv.reader(file, delimiter=separator, strict=True)
            yield ([cell[1:] if _ESCAPED.match(cell) else cell for cell in row] for row in rows)
    except UnicodeDecodeError as error:
        raise wrong_table(path, "it is not UTF-8 text") from error
    except csv.Error as error:
        raise wrong_table(path, f"it is not CSV: {error}") from error
    except OSError as error:
        raise wrong_table(path, error.strerror or "it cannot be read") from error


def column_names(row: Sequence[str]) -> list[str]:
    """The names in a first row in one spelling: `File Name` is `file_name`."""
    return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in row]


def find_column(columns: list[str], known: tuple[str, ...], path: Path) -> int:
    """The place of the first column of `known` that a table has; `UsageError` where it has none."""
    place = _place(columns, known)
    if place is None:
        raise wrong_table(path, f"its first row names none of the columns {', '.join(known)}")
    return place


def path_parts(path: str) -> list[str]:
    """The folders and the name of a path, of Windows or of Unix."""
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def wrong_table(path: Path, message: str) -> UsageError:
    """The error of a table that cannot be used; `message` names rows and never values."""
    return UsageError("labels-invalid", f"the table {path} cannot be used: {message}")


@dataclass(frozen=True)
class _Columns:
    """Where in a row is what; None where the table does not say it."""

    names: list[str]
    image_id: int | None
    path: int | None
    label: int
    patient: int | None

    @classmethod
    def find(cls, names: list[str], path: Path) -> _Columns:
        find_column(names, (*_UID_COLUMNS, *_PATH_COLUMNS), path)
        label = find_column(names, _LABEL_COLUMNS, path)
        image_id, file, patient = (_place(names, known) for known in (_UID_COLUMNS, _PATH_COLUMNS, _PATIENT_COLUMNS))
        return cls(names, image_id, file, label, patient)

    def which_image(self, row: list[str]) -> tuple[str, str]:
        """The image id and the path of a row; a column of ids may hold file names."""
        image_id, path = (_value(row, place) for place in (self.image_id, self.path))
        return (image_id, path) if _IMAGE_ID.fullmatch(image_id) else ("", path or image_id)

    @property
    def of_images(self) -> str:
        return " and ".join(self.names[place] for place in (self.image_id, self.path) if place is not None)


def _place(columns: list[str], known: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)


def _value(row: list[str], place: int | None) -> str:
    text = row[place].strip() if place is not None else ""
    return "" if text.lower() in MISSING else text


def _read_labels(rows: Iterator[list[str]], columns: _Columns, path: Path, vocabulary: Vocabulary) -> LabelTable:
    label_of = _label_reader(vocabulary)
    found: dict[tuple[str, str], LabelRow] = {}
    missing = 0
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns.names):
            raise wrong_table(path, f"row {number} has {len(row)} cells, the first row {len(columns.names)}")
        image_id, file = columns.which_image(row)
        if not (image_id or file):
            raise wrong_table(path, f"row {number} has an empty {columns.of_images}")
        label = label_of(row[columns.label].strip())
        if label is None:
            missing += 1
            continue
        label = replace(label, patient=_value(row, columns.patient))
        key = (image_id, "" if image_id else "/".join(path_parts(file)))
        known = found.setdefault(key, LabelRow(number, image_id, file, label)).label
        if (known.region, known.patient) != (label.region, label.patient):
            raise wrong_table(path, f"row {number} contradicts an earlier row for the same image")
    return LabelTable(tuple(found.values()), missing)


def _label_reader(vocabulary: Vocabulary) -> Callable[[str], Label | None]:
    """What reads one cell; None for a missing label. A site's vocabulary may know a region by a word of `MISSING`."""

    @lru_cache(maxsize=4096)
    def read(text: str) -> Label | None:
        region = vocabulary.region_of_spelling(text)
        if not region and text.lower() in MISSING:
            return None
        return Label(region or text, text, "csv")

    return read
