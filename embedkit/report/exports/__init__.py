"""Decisions and labels for other systems, and sheets for those who label."""

from embedkit.report.exports.annotation import MEMBERS, spread_names, write_clusters, write_selection
from embedkit.report.exports.cohort import CohortRules, list_cohort
from embedkit.report.exports.corrected import Correction, list_corrections, write_corrected
from embedkit.report.exports.datasets import write_fiftyone, write_label_studio
from embedkit.report.exports.decision_table import tabulate_decisions
from embedkit.report.exports.folders import check_output, remove_leftovers
from embedkit.report.exports.outputs import LEFT_OUT, Export, LeftOut, write_table
from embedkit.report.exports.structured import write_structured_reports

__all__ = [
    "LEFT_OUT",
    "MEMBERS",
    "CohortRules",
    "Correction",
    "Export",
    "LeftOut",
    "check_output",
    "list_cohort",
    "list_corrections",
    "remove_leftovers",
    "spread_names",
    "tabulate_decisions",
    "write_clusters",
    "write_corrected",
    "write_fiftyone",
    "write_label_studio",
    "write_selection",
    "write_structured_reports",
    "write_table",
]
