"""The room that reads: from the files of a dump to header facts and display grey (docs/reading.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.dicom.grey import Presentation, to_display
    from embedkit.dicom.instance import InstanceFacts
    from embedkit.dicom.radiograph import Radiograph, read_radiograph, stored_levels
    from embedkit.dicom.reading import FileContent, ReadFile, ReadingOptions, load_content, read_content, read_file

_MODULES = {
    "FileContent": "reading",
    "InstanceFacts": "instance",
    "Presentation": "grey",
    "Radiograph": "radiograph",
    "ReadFile": "reading",
    "ReadingOptions": "reading",
    "load_content": "reading",
    "read_content": "reading",
    "read_file": "reading",
    "read_radiograph": "radiograph",
    "stored_levels": "radiograph",
    "to_display": "grey",
}

__all__ = [
    "FileContent",
    "InstanceFacts",
    "Presentation",
    "Radiograph",
    "ReadFile",
    "ReadingOptions",
    "load_content",
    "read_content",
    "read_file",
    "read_radiograph",
    "stored_levels",
    "to_display",
]

__getattr__ = import_on_use(__name__, _MODULES)  # decoders take long to import, and who opens an index needs none
