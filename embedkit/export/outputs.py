"""What all exports share: tables, and what had to be left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedkit.indexes.storage import write_bytes
from embedkit.reasons import REASONS
from embedkit.report.files import write_csv

LEFT_OUT: dict[str, str] = REASONS | {
    "not-in-the-index": "The index holds it no longer.",
    "not-dicom": "The image is no DICOM file.",
    "no-study": "Its header names no study.",
    "no-instance": "Its header names no series or no instance of its own, so that a report cannot refer to it.",
    "original-gone": "Its file is not where it was: if it moved, embed the new place, or name it with --root.",
    "changed-file": "The file was changed after it was embedded: embed it again.",
    "no-code": "The vocabulary has no SNOMED CT code for the region: add one, and name the file with --vocabulary.",
    "frames-disagree": "Its frames are not all of one region, and a file has one label for all.",
}
"""Why an image is not in an export, by code."""


@dataclass(frozen=True)
class LeftOut:
    """An image that could not be exported."""

    image_id: str
    reason: str
    """A code of `LEFT_OUT`."""


@dataclass(frozen=True)
class Export:
    """What became of an export to a folder."""

    files: int
    """DICOM files written."""
    left_out: tuple[LeftOut, ...] = ()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as the suffix says, .parquet or .csv; in CSV, lists have "; " between.

    Raises IndexFolderError where it cannot be written; what stood there before still does.
    """
    if path.suffix == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        write_bytes(path, sink.getvalue().to_pybytes())
        return
    rows = ([_as_text(value) for value in row.values()] for row in table.to_pylist())
    write_csv(path, table.column_names, rows)


def _as_text(value: object) -> object:
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return "" if value is None else value
