"""The room of labels: what an image is said to show, in headers, tables and folder names (docs/labels.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.labels.annotations import is_selection, read_annotations
    from embedkit.labels.header import Label, label_from_folder, label_of
    from embedkit.labels.reading import read_labels
    from embedkit.labels.table import LabelTable, labels_from_csv
    from embedkit.labels.vocabulary import Vocabulary
    from embedkit.labels.vocabulary_file import Region

_MODULES = {
    "Label": "header",
    "LabelTable": "table",
    "Region": "vocabulary_file",
    "Vocabulary": "vocabulary",
    "is_selection": "annotations",
    "label_from_folder": "header",
    "label_of": "header",
    "labels_from_csv": "table",
    "read_annotations": "annotations",
    "read_labels": "reading",
}

__all__ = [
    "Label",
    "LabelTable",
    "Region",
    "Vocabulary",
    "is_selection",
    "label_from_folder",
    "label_of",
    "labels_from_csv",
    "read_annotations",
    "read_labels",
]

__getattr__ = import_on_use(__name__, _MODULES)  # who opens an index needs no pydicom
