"""Label quality: wrong labels, foreign and unusable images, near-duplicates, missing labels."""

from embedkit.quality.classification import (
    Classification,
    classify,
    classify_index,
    fit_classifier,
    fit_index_classifier,
)
from embedkit.quality.clusters import Clusters, find_clusters
from embedkit.quality.estimate import ErrorEstimate
from embedkit.quality.issues import find_label_issues
from embedkit.quality.patterns import ConfusionPattern
from embedkit.quality.ranking import LabelRanking, rank_label_issues
from embedkit.quality.selection import Selection, choose_to_label, select_images
from embedkit.quality.surroundings import Graph, find_graph
from embedkit.quality.table import ISSUES, IssueTable, read_issues

__all__ = [
    "ISSUES",
    "Classification",
    "Clusters",
    "ConfusionPattern",
    "ErrorEstimate",
    "Graph",
    "IssueTable",
    "LabelRanking",
    "Selection",
    "choose_to_label",
    "classify",
    "classify_index",
    "find_clusters",
    "find_graph",
    "find_label_issues",
    "fit_classifier",
    "fit_index_classifier",
    "rank_label_issues",
    "read_issues",
    "select_images",
]
