"""Label quality: wrong labels, out-of-domain and unusable images, near-duplicates, missing labels."""

from embedkit.quality.classification import (
    Classification,
    classify,
    classify_index,
    fit_classifier,
    fit_index_classifier,
)
from embedkit.quality.estimate import ErrorEstimate
from embedkit.quality.finder import Finder
from embedkit.quality.findings import Issue
from embedkit.quality.issues import find_label_issues
from embedkit.quality.neighbourhood import Graph, find_graph
from embedkit.quality.patterns import ConfusionPattern
from embedkit.quality.ranking import LabelRanking, rank_label_issues
from embedkit.quality.table import ISSUES, IssueTable, read_issues
from embedkit.quality.verdicts import Verdict, Verdicts, classify_files, classify_rows

__all__ = [
    "ISSUES",
    "Classification",
    "ConfusionPattern",
    "ErrorEstimate",
    "Finder",
    "Graph",
    "Issue",
    "IssueTable",
    "LabelRanking",
    "Verdict",
    "Verdicts",
    "classify",
    "classify_files",
    "classify_index",
    "classify_rows",
    "find_graph",
    "find_label_issues",
    "fit_classifier",
    "fit_index_classifier",
    "rank_label_issues",
    "read_issues",
]
