"""The room that reads: from the files of a dump to header facts and display grey (docs/reading.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.dicom.annotations import is_selection, read_annotations
    from embedkit.dicom.grey import Presentation, to_display
    from embedkit.dicom.instance import InstanceFacts
    from embedkit.dicom.label_table import LabelTable, labels_from_csv
    from embedkit.dicom.labels import Label, label_from_folder, label_of
    from embedkit.dicom.radiograph import Radiograph, read_radiograph, stored_levels
    from embedkit.dicom.reading import FileContent, ReadFile, ReadingOptions, load_content, read_content, read_file
    from embedkit.dicom.vocabulary import Region, Vocabulary

_MODULES = {
    "FileContent": "reading",
    "InstanceFacts": "instance",
    "Label": "labels",
    "LabelTable": "label_table",
    "Presentation": "grey",
    "Radiograph": "radiograph",
    "ReadFile": "reading",
    "ReadingOptions": "reading",
    "Region": "vocabulary",
    "Vocabulary": "vocabulary",
    "is_selection": "annotations",
    "label_from_folder": "labels",
    "label_of": "labels",
    "labels_from_csv": "label_table",
    "load_content": "reading",
    "read_annotations": "annotations",
    "read_content": "reading",
    "read_file": "reading",
    "read_radiograph": "radiograph",
    "stored_levels": "radiograph",
    "to_display": "grey",
}

__all__ = [
    "FileContent",
    "InstanceFacts",
    "Label",
    "LabelTable",
    "Presentation",
    "Radiograph",
    "ReadFile",
    "ReadingOptions",
    "Region",
    "Vocabulary",
    "is_selection",
    "label_from_folder",
    "label_of",
    "labels_from_csv",
    "load_content",
    "read_annotations",
    "read_content",
    "read_file",
    "read_radiograph",
    "stored_levels",
    "to_display",
]

__getattr__ = import_on_use(__name__, _MODULES)  # decoders take long to import, and who opens an index needs none
