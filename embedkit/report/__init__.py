"""Reports: contact sheets, a page of suspects, and maps of a vector space."""

from embedkit.report.contact_sheet import contact_sheet, draw_neighbours
from embedkit.report.files import (
    write_contact_sheet,
    write_csv,
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
    "contact_sheet",
    "draw_map",
    "draw_neighbours",
    "issues_page",
    "make_map",
    "map_page",
    "project",
    "write_contact_sheet",
    "write_csv",
    "write_issues_page",
    "write_map_figure",
    "write_map_page",
]
