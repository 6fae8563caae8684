"""Reports: contact sheets, a page of suspects, maps of a vector space, explanations, evaluations."""

from embedkit.report.contact_sheet import contact_sheet, draw_neighbours
from embedkit.report.evaluation_tables import Table, to_summary, wide_tables
from embedkit.report.explanation import draw_explanation
from embedkit.report.files import (
    write_attention,
    write_contact_sheet,
    write_csv,
    write_evaluation,
    write_explanation,
    write_issues_page,
    write_map_figure,
    write_map_page,
)
from embedkit.report.issues_page import issues_page
from embedkit.report.map import Finding, RegionMap, make_map
from embedkit.report.map_figure import draw_map
from embedkit.report.map_page import map_page
from embedkit.report.projection import project

__all__ = [
    "Finding",
    "RegionMap",
    "Table",
    "contact_sheet",
    "draw_explanation",
    "draw_map",
    "draw_neighbours",
    "issues_page",
    "make_map",
    "map_page",
    "project",
    "to_summary",
    "wide_tables",
    "write_attention",
    "write_contact_sheet",
    "write_csv",
    "write_evaluation",
    "write_explanation",
    "write_issues_page",
    "write_map_figure",
    "write_map_page",
]
