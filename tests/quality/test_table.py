import csv
import io
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from embedkit.errors import UsageError
from embedkit.quality import IssueTable, read_issues
from embedkit.quality.table import SCHEMA

ROW = (
    1,
    "1.2.3",
    "/dump/a",
    "mislabelled",
    "hand",
    "knee",
    0.75,
    0.5,
    0.25,
    "1.2.4;1.2.5",
    "1.2.4",
    "repeat",
    "Looks like knee.",
)


def table_of(*rows):
    return IssueTable(
        pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA), (), 9, ()
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_written_is_read_again(suffix, tmp_path):
    formula = (2, "1.2.6", '/dump/é, "b"\n', "none", "=1+1", "-", 0.5, 0.0, 0.0, "", "", "", "")
    issues = table_of(ROW, formula, (*formula[:4], "'tis", "", *formula[6:]))
    path = tmp_path / f"issues.{suffix}"
    getattr(issues, f"write_{suffix}")(path)
    assert read_issues(path).equals(issues.table)
    assert read_issues(path, ("score", "issue")).equals(issues.table.select(["score", "issue"]))


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("decimal", [",", "."])
def test_what_a_spreadsheet_saved_is_read(separator, decimal, tmp_path):
    issues = table_of(
        ROW, (2, "1.2.6", "/dump/é;b", "none", "hand", "", 0.125, 0.5, 1.0, "1.2.7;1.2.8", "", "", "It is, so.")
    )
    path = tmp_path / "issues.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=separator)
        for row in csv.reader(io.StringIO(issues.to_csv())):
            writer.writerow([re.sub(r"^([0-9]+)\.([0-9]+)$", rf"\1{decimal}\2", cell) for cell in row])
    assert read_issues(path).equals(issues.table)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_is_read(suffix, tmp_path):
    path = tmp_path / f"issues.{suffix}"
    getattr(table_of(), f"write_{suffix}")(path)
    assert read_issues(path).num_rows == 0


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"a,b\n1,2\n", b"PAR1xxxxPAR1", b"rank,score\nx,y\n"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_anything_else_is_refused(content, suffix, tmp_path):
    path = tmp_path / f"issues.{suffix}"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="find-label-issues"):
        read_issues(path)


def test_a_missing_file_and_missing_values_are_refused(tmp_path):
    with pytest.raises(UsageError, match="find-label-issues"):
        read_issues(tmp_path / "issues.csv")
    path = tmp_path / "issues.parquet"
    nullable = pa.schema([field.with_nullable(True) for field in SCHEMA])
    table = table_of(ROW).table.cast(nullable)
    gap = table.set_column(5, nullable.field("suggested_region"), pa.array([None], pa.string()))
    replace(table_of(), table=gap).write_parquet(path)
    with pytest.raises(UsageError, match="find-label-issues"):
        read_issues(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_an_earlier_version_has_no_reasons(suffix, tmp_path):
    issues = table_of(ROW)
    path = tmp_path / f"issues.{suffix}"
    earlier = issues.table.drop_columns(["reason"])
    if suffix == "csv":
        pyarrow.csv.write_csv(earlier, path)
    else:
        pq.write_table(earlier, path)
    assert read_issues(path)["reason"].to_pylist() == [""]
    assert read_issues(path).drop_columns(["reason"]).equals(earlier)
