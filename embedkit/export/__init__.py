"""Decisions and labels for other systems, and sheets for those who label."""

from embedkit.export.annotation import MEMBERS, spread_names, write_clusters, write_selection
from embedkit.export.cohort import CohortRules, list_cohort
from embedkit.export.corrected import Correction, list_corrections, write_corrected
from embedkit.export.datasets import write_fiftyone, write_label_studio
from embedkit.export.decision_table import tabulate_decisions
from embedkit.export.folders import check_output, remove_leftovers
from embedkit.export.outputs import LEFT_OUT, Export, LeftOut, write_table
from embedkit.export.structured import write_structured_reports

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
