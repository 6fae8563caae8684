"""Decisions and labels for other systems: tables, DICOM copies and reports, Label Studio, FiftyOne, cohorts."""

from embedkit.report.exports.cohort import CohortRules, list_cohort
from embedkit.report.exports.corrected import Correction, list_corrections, write_corrected
from embedkit.report.exports.datasets import write_fiftyone, write_label_studio
from embedkit.report.exports.decision_table import tabulate_decisions
from embedkit.report.exports.outputs import LEFT_OUT, Export, LeftOut, write_table
from embedkit.report.exports.structured import write_structured_reports

__all__ = [
    "LEFT_OUT",
    "CohortRules",
    "Correction",
    "Export",
    "LeftOut",
    "list_cohort",
    "list_corrections",
    "tabulate_decisions",
    "write_corrected",
    "write_fiftyone",
    "write_label_studio",
    "write_structured_reports",
    "write_table",
]
