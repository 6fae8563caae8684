"""The room that keeps vectors: the index folder, and `embed`, the walk that fills it (docs/index-format.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.encoder.names import SPACE_NAME
from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.indexes.compaction import CompactionReport, compact
    from embedkit.indexes.embedding import EmbedSettings, embed
    from embedkit.indexes.index import Index
    from embedkit.indexes.labelling import AddedLabels, LabelReport, add_labels, label_images
    from embedkit.indexes.manifest import Space
    from embedkit.indexes.merging import MergeReport, merge
    from embedkit.indexes.migration import MigrationReport, migrate
    from embedkit.indexes.overlay import ANNOTATOR, CLUSTER, LabelSource, labels_from_folders
    from embedkit.indexes.progress import EmbedReport
    from embedkit.indexes.queries import Neighbour, Neighbours
    from embedkit.indexes.reasons import REASONS
    from embedkit.indexes.removal import RemovalReport, read_names, read_newest_removed, remove
    from embedkit.indexes.removed_images import RemovedImages
    from embedkit.indexes.repairing import repair
    from embedkit.indexes.training import read_image_ids, training_set
    from embedkit.indexes.verification import verify

_MODULES = {
    "ANNOTATOR": "overlay",
    "CLUSTER": "overlay",
    "REASONS": "reasons",
    "AddedLabels": "labelling",
    "CompactionReport": "compaction",
    "EmbedReport": "progress",
    "EmbedSettings": "embedding",
    "Index": "index",
    "LabelReport": "labelling",
    "LabelSource": "overlay",
    "MergeReport": "merging",
    "MigrationReport": "migration",
    "Neighbour": "queries",
    "Neighbours": "queries",
    "RemovalReport": "removal",
    "RemovedImages": "removed_images",
    "Space": "manifest",
    "add_labels": "labelling",
    "compact": "compaction",
    "embed": "embedding",
    "label_images": "labelling",
    "labels_from_folders": "overlay",
    "merge": "merging",
    "migrate": "migration",
    "read_image_ids": "training",
    "read_names": "removal",
    "read_newest_removed": "removal",
    "remove": "removal",
    "repair": "repairing",
    "training_set": "training",
    "verify": "verification",
}

__all__ = [
    "ANNOTATOR",
    "CLUSTER",
    "REASONS",
    "SPACE_NAME",
    "AddedLabels",
    "CompactionReport",
    "EmbedReport",
    "EmbedSettings",
    "Index",
    "LabelReport",
    "LabelSource",
    "MergeReport",
    "MigrationReport",
    "Neighbour",
    "Neighbours",
    "RemovalReport",
    "RemovedImages",
    "Space",
    "add_labels",
    "compact",
    "embed",
    "label_images",
    "labels_from_folders",
    "merge",
    "migrate",
    "read_image_ids",
    "read_names",
    "read_newest_removed",
    "remove",
    "repair",
    "training_set",
    "verify",
]

__getattr__ = import_on_use(__name__, _MODULES)  # a worker needs `preparation` only, and no pyarrow
