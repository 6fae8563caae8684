"""From a file that was found to the rows of a shard; runs in the worker processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom import InstanceFacts
from embedkit.image import PreparationOptions, PreparedFile, encode_picture, prepare_file
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.removed_images import NONE_REMOVED, RemovedImages
from embedkit.indexes.stored_paths import StoredPaths
from embedkit.sources import FoundFile

Pictures = NDArray[np.uint8]
Prepared = tuple[list[ImageRow], Pictures]
REMOVED = "removed"
NO_PICTURES: Pictures = np.empty((0, 256, 256), np.uint8)


def prepare_rows(
    found: FoundFile, options: PreparationOptions, paths: StoredPaths, removed: RemovedImages = NONE_REMOVED
) -> Prepared:
    """Read one file; return its rows, and the pictures (n, 256, 256) of those that have one, in the same order.

    The rows keep its path as `paths` says, and nothing else of a file that was removed.
    """
    if found.reason:
        return [rejected_row(found, found.reason, paths)], NO_PICTURES
    prepared = prepare_file(found, options)
    if removed.hold(prepared.facts.sop_instance_uid if prepared.facts else "", prepared.content_blake3):
        return [rejected_row(found, REMOVED, paths)], NO_PICTURES
    if prepared.reason or prepared.facts is None:
        return [rejected_row(found, prepared.reason, paths, prepared)], NO_PICTURES
    rows = [
        ImageRow(
            paths.text(found.path),
            found.size,
            found.mtime_ns,
            prepared.content_blake3,
            prepared.facts,
            frame,
            notes=tuple(prepared.notes),
            picture=encode_picture(picture),
        )
        for frame, picture in enumerate(prepared.pictures, start=1)
    ]
    return rows, np.stack(prepared.pictures)


def rejected_row(found: FoundFile, reason: str, paths: StoredPaths, prepared: PreparedFile | None = None) -> ImageRow:
    """Return the row of a file that is no image, with what is known of it."""
    return ImageRow(
        paths.text(found.path),
        found.size,
        found.mtime_ns,
        prepared.content_blake3 if prepared else "",
        (prepared.facts if prepared else None) or InstanceFacts(""),
        reason=reason,
        notes=tuple(prepared.notes) if prepared else (),
    )
