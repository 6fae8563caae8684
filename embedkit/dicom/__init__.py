"""The room that reads: from the files of a dump to header facts and display grey (docs/reading.md)."""

from embedkit.dicom.annotations import read_annotations
from embedkit.dicom.files import FoundFile, find_files
from embedkit.dicom.grey import Presentation, to_display
from embedkit.dicom.instance import InstanceFacts
from embedkit.dicom.labels import Label, LabelTable, label_from_folder, label_of, labels_from_csv
from embedkit.dicom.radiograph import Radiograph, read_radiograph, stored_levels
from embedkit.dicom.reading import FileContent, ReadFile, ReadingOptions, load_content, read_content, read_file
from embedkit.dicom.reasons import NOTES, REASONS
from embedkit.dicom.vocabulary import Region, Vocabulary
from embedkit.dicom.workers import WorkerPool

__all__ = [
    "NOTES",
    "REASONS",
    "FileContent",
    "FoundFile",
    "InstanceFacts",
    "Label",
    "LabelTable",
    "Presentation",
    "Radiograph",
    "ReadFile",
    "ReadingOptions",
    "Region",
    "Vocabulary",
    "WorkerPool",
    "find_files",
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
