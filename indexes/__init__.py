"""The room that keeps vectors: the index folder, and `embed`, the walk that fills it (docs/index-format.md)."""

from embedkit.indexes.embedding import EmbedSettings, embed
from embedkit.indexes.index import Index, Neighbour
from embedkit.indexes.manifest import SPACE_NAME, Space
from embedkit.indexes.overlay import LabelSource, labels_from_folders
from embedkit.indexes.progress import EmbedReport, Progress
from embedkit.indexes.reasons import REASONS
from embedkit.indexes.training import read_image_ids, training_set
from embedkit.indexes.verification import verify

__all__ = [
    "REASONS",
    "SPACE_NAME",
    "EmbedReport",
    "EmbedSettings",
    "Index",
    "LabelSource",
    "Neighbour",
    "Progress",
    "Space",
    "embed",
    "labels_from_folders",
    "read_image_ids",
    "training_set",
    "verify",
]
