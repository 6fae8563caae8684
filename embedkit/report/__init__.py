"""Reports: contact sheets, and a page of suspects."""

from embedkit.report.contact_sheet import contact_sheet, draw_neighbours
from embedkit.report.files import write_contact_sheet, write_csv, write_issues_page
from embedkit.report.issues_page import issues_page

__all__ = [
    "contact_sheet",
    "draw_neighbours",
    "issues_page",
    "write_contact_sheet",
    "write_csv",
    "write_issues_page",
]
