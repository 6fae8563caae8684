"""Writing reports: to their files at once, or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.evaluation import Evaluation
from embedkit.indexes import Index, Neighbour
from embedkit.indexes.storage import make_folder, write_bytes
from embedkit.quality import IssueTable
from embedkit.quality.pictures import Pictures
from embedkit.quality.table import as_cell
from embedkit.report.attention import ATTENTION_COLUMNS, attention_markdown, attention_rows, draw_attention
from embedkit.report.contact_sheet import draw_neighbours
from embedkit.report.evaluation_figures import draw_evaluation
from embedkit.report.evaluation_tables import evaluation_markdown, long_tables, to_summary
from embedkit.report.explanation import draw_explanation
from embedkit.report.issues_page import issues_page
from embedkit.report.map import RegionMap
from embedkit.report.map_figure import draw_map
from embedkit.report.map_page import PICTURED, map_page
from embedkit.report.report_figures import draw_report
from embedkit.report.report_page import report_page
from embedkit.report.summary import Report
from embedkit.report.table import to_markdown

if TYPE_CHECKING:
    from embedkit.evaluation.attention import AttentionReport
    from embedkit.heads.attribution import Attribution


def write_contact_sheet(
    path: Path, index: Index, query: Pictures, region: str, neighbours: Sequence[Neighbour]
) -> None:
    """Write `draw_neighbours` as PNG; raises IndexFolderError where the file cannot be written."""
    write_bytes(path, draw_neighbours(index, query, region, neighbours))


def write_issues_page(path: Path, index: Index, issues: IssueTable) -> None:
    """Write `issues_page` as HTML; raises IndexFolderError where the file cannot be written."""
    write_bytes(path, issues_page(index, issues).encode("utf-8", errors="surrogateescape"))


def write_explanation(path: Path, picture: Pictures, attribution: Attribution) -> None:
    """Write `draw_explanation` as the suffix says, .svg or .png; raises IndexFolderError where it cannot be written."""
    write_bytes(path, draw_explanation(picture, attribution, path.suffix.removeprefix(".")))


def write_map_figure(path: Path, drawn: RegionMap) -> None:
    """Write `draw_map` as the suffix says, .svg or .png; raises IndexFolderError where it cannot be written."""
    write_bytes(path, draw_map(drawn, path.suffix.removeprefix(".")))


def write_map_page(path: Path, index: Index, drawn: RegionMap, *, pictured: int = PICTURED) -> None:
    """Write `map_page` as HTML; raises IndexFolderError where the file cannot be written."""
    write_bytes(path, map_page(index, drawn, pictured=pictured).encode())


def write_report(
    path: Path, report: Report, drawn: RegionMap | None = None, *, pictures_of: Index | None = None
) -> None:
    """Write `report_page` as HTML; raises IndexFolderError where the file cannot be written."""
    page = report_page(report, drawn, pictures_of=pictures_of)
    write_bytes(path, page.encode("utf-8", errors="surrogateescape"))


def write_report_tables(folder: Path, report: Report, drawn: RegionMap | None = None) -> None:
    """Write every table as CSV, all of them as `report.md`, and the figures as SVG into `folder`, made where absent.

    Raises IndexFolderError where it cannot be written.
    """
    make_folder(folder)
    for table in report.tables:
        write_csv(folder / f"{table.name}.csv", *table.flat())
    write_bytes(folder / "report.md", to_markdown(report.tables).encode("utf-8", errors="surrogateescape"))
    for name, content in draw_report(report, drawn):
        write_bytes(folder / name, content)


def write_attention(folder: Path, report: AttentionReport) -> list[Path]:
    """Write attention.csv, .md, .svg and .png into a folder that is there, and return their paths.

    Raises IndexFolderError where one cannot be written.
    """
    paths = [folder / f"attention.{suffix}" for suffix in ("csv", "md", "svg", "png")]
    write_csv(paths[0], ATTENTION_COLUMNS, attention_rows(report))
    write_bytes(paths[1], attention_markdown(report).encode())
    for path in paths[2:]:
        write_bytes(path, draw_attention(report, path.suffix.removeprefix(".")))
    return paths


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, safe to open in a spreadsheet; raises IndexFolderError where it cannot be written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([as_cell(value) for value in row] for row in (columns, *rows))
    write_bytes(path, text.getvalue().encode("utf-8", errors="surrogateescape"))


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write tables (CSV, Markdown), figures (SVG, PNG) and `summary.json` into `folder`.

    Raises IndexFolderError where the folder cannot be written.
    """
    make_folder(folder)
    for table in long_tables(evaluation):
        write_csv(folder / f"{table.name}.csv", table.columns, table.rows)
    write_bytes(folder / "evaluation.md", evaluation_markdown(evaluation).encode())
    write_bytes(folder / "summary.json", json.dumps(to_summary(evaluation), indent=2, allow_nan=False).encode())
    for name, content in draw_evaluation(evaluation):
        write_bytes(folder / name, content)
