"""The room for those who label: what to label first, and clusters to name (docs/selection.md)."""

from embedkit.annotate.clusters import Clusters, find_clusters
from embedkit.annotate.selection import Selection, choose_to_label, select_images

__all__ = ["Clusters", "Selection", "choose_to_label", "find_clusters", "select_images"]
