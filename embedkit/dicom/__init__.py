"""The room that reads: from the files of a dump to header facts and display grey (docs/reading.md)."""

from embedkit.dicom.files import FoundFile, find_files
from embedkit.dicom.grey import Presentation, to_display
from embedkit.dicom.instance import InstanceFacts
from embedkit.dicom.reading import FileContent, ReadFile, ReadingOptions, load_content, read_content, read_file
from embedkit.dicom.reasons import NOTES, REASONS
from embedkit.dicom.workers import WorkerPool

__all__ = [
    "NOTES",
    "REASONS",
    "FileContent",
    "FoundFile",
    "InstanceFacts",
    "Presentation",
    "ReadFile",
    "ReadingOptions",
    "WorkerPool",
    "find_files",
    "load_content",
    "read_content",
    "read_file",
    "to_display",
]
