"""The table of suspects, and the files it is written to."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedkit.errors import UsageError
from embedkit.indexes.columns import texts
from embedkit.indexes.storage import write_bytes
from embedkit.quality.estimate import ErrorEstimate
from embedkit.quality.patterns import ConfusionPattern

MISLABELLED = "mislabelled"
OUT_OF_DOMAIN = "out-of-domain"
UNUSABLE = "unusable"
RARE_LABEL = "rare-label"
NEAR_DUPLICATE = "near-duplicate"
STUDY_CONFLICT = "study-conflict"
HEADER_CONFLICT = "header-conflict"
MISSING_LABEL = "missing-label"
NONE, NOT_CHECKED = "none", "not-checked"
"""Of an image without an issue: its label was checked, or could not be."""
DOUBTFUL = 0.05
"""The score from which an image without an issue is worth a look, after the suspects: of 600 real radiographs this adds
45 to 72, and a fifth or more of them are wrong, most of what the ranking does not list."""
ISSUES = (
    MISLABELLED,
    OUT_OF_DOMAIN,
    UNUSABLE,
    RARE_LABEL,
    NEAR_DUPLICATE,
    STUDY_CONFLICT,
    HEADER_CONFLICT,
    MISSING_LABEL,
)

SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("sop_instance_uid", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("issue", pa.string(), nullable=False),
        pa.field("given_region", pa.string(), nullable=False),
        pa.field("suggested_region", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("neighbour_agreement", pa.float64(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("duplicate_group", pa.string(), nullable=False),
        pa.field("duplicate_role", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
REASON = "reason"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class IssueTable:
    """Suspects, the worst first: a row for each issue of an image."""

    table: pa.Table
    """The columns of `SCHEMA`; `score` in 0..1, falling, 0 of a label that could not be checked; `evidence`: image ids
    with ";" between."""
    rows: tuple[int, ...]
    """The row of each suspect in the index's `images`."""
    images: int
    """Images looked at."""
    notes: tuple[str, ...]
    """What could not be done, one sentence each."""
    patterns: tuple[ConfusionPattern, ...] = ()
    """Regions that are filed as another one by habit, the commonest first."""
    estimate: ErrorEstimate | None = None
    """How many errors to expect, and where looking for them stops paying; None where no label could be checked."""
    made: str = ""
    """When it was made, in ISO 8601, where it was kept beside the index."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each issue, in the order of `ISSUES`, and of those that finders of one's own found."""
        found = dict(zip(*(column.to_pylist() for column in self.table["issue"].value_counts().flatten()), strict=True))
        return {issue: found.get(issue, 0) for issue in (*ISSUES, *sorted({*found} - {*ISSUES, NONE, NOT_CHECKED}))}

    def say_when(self) -> str:
        """Say when a ranking that was kept was made; "" for one that was made now."""
        told = f"the ranking of {self.made} is still that of this index: nothing was ranked again"
        return told if self.made else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each row is listed, in words; "" for an image without an issue."""
        return tuple(self.table["reason"].to_pylist())

    def listed(self) -> IssueTable:
        """The same without images that have no issue, ranked anew."""
        has_none = pc.is_in(self.table["issue"], value_set=pa.array([NONE, NOT_CHECKED]))
        return self._take(np.flatnonzero(~has_none.to_numpy(zero_copy_only=False)))

    def worth_reading(self) -> IssueTable:
        """The same with images that have an issue, or whose label is a little doubtful, ranked anew."""
        has_none = pc.is_in(self.table["issue"], value_set=pa.array([NONE, NOT_CHECKED]))
        certain = pc.or_(pc.equal(self.table["issue"], NOT_CHECKED), pc.less(self.table["score"], DOUBTFUL))
        return self._take(np.flatnonzero(~pc.and_(has_none, certain).to_numpy(zero_copy_only=False)))

    def without(self, rows: Collection[int]) -> IssueTable:
        """The same without the suspects of these rows of the index, ranked anew."""
        return self._take(np.flatnonzero(~np.isin(np.array(self.rows, np.int64), list(rows))))

    def _take(self, places: NDArray[np.int64]) -> IssueTable:
        table = self.table.take(pa.array(places))
        ranks = pa.array(np.arange(1, len(places) + 1))
        rows = tuple(np.array(self.rows, np.int64)[places].tolist())
        return replace(self, table=table.set_column(0, SCHEMA.field("rank"), ranks), rows=rows)

    def to_csv(self) -> str:
        """The table as CSV (RFC 4180); a text that a spreadsheet would run as a formula has an apostrophe before it."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(SCHEMA.names)
        for row in self.table.to_pylist():
            writer.writerow([as_cell(value) for value in row.values()])
        return text.getvalue()

    def write_csv(self, path: Path) -> None:
        """Write `to_csv` in UTF-8, atomically; raises IndexFolderError where the file cannot be written."""
        write_bytes(path, self.to_csv().encode("utf-8", errors="surrogateescape"))

    def write_parquet(self, path: Path) -> None:
        """Write the table as Parquet, atomically; raises IndexFolderError where the file cannot be written."""
        sink = pa.BufferOutputStream()
        pq.write_table(self.table, sink)
        write_bytes(path, sink.getvalue().to_pybytes())


def read_issues(path: Path, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Read `columns` of what `IssueTable.write_csv` (.csv) or `write_parquet` (.parquet) wrote.

    A .csv may have gone through a spreadsheet, which separates by semicolon or tab where the comma is for decimals.

    One of a version before 0.2 has no reasons: they are "". Raises UsageError ``issues-unreadable`` for any other file.
    """
    try:
        table = _read_parquet(path, columns) if path.suffix == ".parquet" else _read_csv(path, columns)
        if REASON in columns and REASON not in table.schema.names:
            table = table.append_column(SCHEMA.field(REASON), texts([""] * len(table)))
        return table.select(list(columns)).cast(pa.schema([SCHEMA.field(name) for name in columns]))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        message = f"{path}: this is not a table of issues; write one with `find-label-issues --out` (.csv or .parquet)"
        raise UsageError("issues-unreadable", message) from error


def _read_parquet(path: Path, columns: Sequence[str]) -> pa.Table:
    with path.open("rb") as file:
        held = pq.read_schema(file).names
        return pq.read_table(file, columns=[name for name in columns if name != REASON or name in held])


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    with path.open("rb") as file:  # by Python: pyarrow takes no path that this locale cannot say
        head = file.read(1 << 16)
        file.seek(0)
        separator, decimal = _find_separators(head)
        names = [name for name in columns if name != REASON or REASON.encode() in head.partition(b"\n")[0]]
        table = pyarrow.csv.read_csv(
            file,
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: SCHEMA.field(name).type for name in names},
                include_columns=names,
                decimal_point=decimal,
            ),
        )
    return pa.Table.from_arrays([_from_cells(column) for column in table.columns], names=names)


def _find_separators(head: bytes) -> tuple[str, str]:
    """Find what stands between cells and what before decimals in a CSV file that begins like this."""
    first, _, rows = head.partition(b"\n")
    separator = max(",;\t", key=lambda mark: first.count(mark.encode()))
    commas = separator != "," and re.search(rb"[;\t][0-9]+,[0-9]+[;\t]", rows)
    return separator, "," if commas else "."


def _from_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take off the apostrophes that `as_cell` put on."""
    return pc.replace_substring_regex(column, "^'([=+@\\t\\r-])", r"\1") if pa.types.is_string(column.type) else column


def as_cell(value: object) -> str:
    """A cell that no spreadsheet runs as a formula; floats with nine digits."""
    if isinstance(value, float):
        return f"{value:.9g}"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
