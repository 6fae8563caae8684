"""Reports: of an archive, contact sheets, a page of suspects, maps of a vector space, explanations, evaluations."""

from embedkit.report.archive import Archive
from embedkit.report.confusion import Confusion, confuse
from embedkit.report.contact_sheet import contact_sheet, draw_neighbours
from embedkit.report.correction import Accuracy, Correction, Labelling, compare_labels, measure_correction
from embedkit.report.evaluation_tables import to_summary, wide_tables
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
    write_report,
    write_report_tables,
)
from embedkit.report.issues_page import issues_page
from embedkit.report.map import Finding, RegionMap, make_map
from embedkit.report.map_figure import draw_map
from embedkit.report.map_page import map_page
from embedkit.report.projection import project
from embedkit.report.report_page import report_page
from embedkit.report.summary import Report, make_report
from embedkit.report.suspicion import Suspicion
from embedkit.report.table import Table

__all__ = [
    "Accuracy",
    "Archive",
    "Confusion",
    "Correction",
    "Finding",
    "Labelling",
    "RegionMap",
    "Report",
    "Suspicion",
    "Table",
    "compare_labels",
    "confuse",
    "contact_sheet",
    "draw_explanation",
    "draw_map",
    "draw_neighbours",
    "issues_page",
    "make_map",
    "make_report",
    "map_page",
    "measure_correction",
    "project",
    "report_page",
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
    "write_report",
    "write_report_tables",
]
