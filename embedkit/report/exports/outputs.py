"""What all exports share: tables and folders that are there in full or not at all, and what had to be left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedkit.dicom import REASONS
from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.indexes.storage import TEMPORARY_SUFFIX, make_folder, plain_errors, sync_folder, write_bytes
from embedkit.report.files import write_csv

LEFT_OUT: dict[str, str] = REASONS | {
    "not-in-the-index": "The index holds it no longer.",
    "not-dicom": "The image is no DICOM file.",
    "no-study": "Its header names no study.",
    "no-instance": "Its header names no series or no instance of its own, so that a report cannot refer to it.",
    "changed-file": "The file was changed after it was embedded: embed it again.",
    "no-code": "The vocabulary has no SNOMED CT code for the region: add one, and name the file with --vocabulary.",
    "frames-disagree": "Its frames are not all of one region, and a file has one label for all.",
}
"""Why an image is not in an export, by code."""

OnProgress = Callable[[int, int], None]
"""Is told how many of how many are done."""


def say_nothing(done: int, total: int) -> None:
    """The `OnProgress` of nobody."""


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


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder` at the end; where that is not reached, nothing is left of it.

    Raises
    ------
    UsageError
        ``output-exists`` unless `folder` is absent or empty.
    IndexFolderError
        Where it cannot be written.
    """
    folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError("output-exists", f"{folder}: name a folder that is not there yet, or is empty")
    temporary = folder.with_name(f".{folder.name}{TEMPORARY_SUFFIX}")
    try:
        with plain_errors(folder.parent):
            if temporary.exists():  # of a run that was killed
                shutil.rmtree(temporary)
        make_folder(temporary)
        yield temporary
        with plain_errors(folder.parent):
            temporary.rename(folder)
            sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def keep_away_from_originals(folder: Path, index: Index) -> None:
    """Raise UsageError ``output-in-source`` where `folder` lies in one that holds files of the index."""
    places = {str(Path(path).parent) for path in index.images["path"].to_pylist()}
    if any(str(place) in places for place in (folder.resolve(), *folder.resolve().parents)):
        raise UsageError("output-in-source", f"{folder}: it lies among the original files; name a folder elsewhere")
