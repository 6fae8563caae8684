"""From a file to its pictures: what a worker process does for each file of a dump."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.instance import InstanceFacts
from embedkit.dicom.reading import FileContent, ReadFile, ReadingOptions, load_content, read_content
from embedkit.errors import RejectedFile
from embedkit.image.picture import clean
from embedkit.labels.reading import read_labels
from embedkit.labels.vocabulary import Vocabulary
from embedkit.reasons import reject
from embedkit.sources.folder import FoundFile
from embedkit.workers.memory import check_memory


@dataclass(frozen=True)
class PreparedFile:
    """What an index keeps of one file: its facts and pictures, or the reason why it has none."""

    content_blake3: str
    """Of the file's bytes, in hex; "" where they could not be read."""
    facts: InstanceFacts | None
    """None where the file was rejected."""
    pictures: tuple[NDArray[np.uint8], ...] = ()
    """One a frame, each uint8 (256, 256)."""
    reason: str = ""
    """Code of the rejection; "" where there are pictures."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparationOptions(ReadingOptions):
    """What is taken, the limits within which it is read, and how its label is found."""

    vocabulary: Vocabulary | None = None
    """Maps labels of the header to regions; None leaves labels unread."""


def prepare_file(found: FoundFile, options: PreparationOptions) -> PreparedFile:
    """Read a file and its label, and clean its frames.

    A file that cannot become a picture comes back with the reason.
    """
    cv2.setNumThreads(1)  # one process a core is parallel enough
    digest = ""
    try:
        content = load_content(found, options)
        digest = content.blake3
        read = read_labels(_read(content, options), options.vocabulary)
    except RejectedFile as rejection:
        return PreparedFile(digest, None, reason=rejection.reason)
    pictures = tuple(clean(frame) for frame in read.frames)
    return PreparedFile(digest, read.facts, pictures, notes=read.notes)


def _read(content: FileContent, options: ReadingOptions) -> ReadFile:
    """Read a file in memory; raises `RejectedFile` ``out-of-memory`` where it may seem damaged for want of memory."""
    try:
        return read_content(content, options)
    except MemoryError as error:
        raise reject("out-of-memory") from error
    except Exception:
        try:
            check_memory(len(content.data))
        except MemoryError as error:
            raise reject("out-of-memory") from error
        raise
