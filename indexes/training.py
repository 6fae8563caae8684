"""An index as a training set: its pictures decoded once into a file without a name, whatever their number."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UsageError
from embedkit.image import PICTURE_SIDE
from embedkit.indexes.index import Index
from embedkit.indexes.storage import plain_errors
from embedkit.labels.table import column_names, find_column, read_rows
from embedkit.pretraining.training_set import TrainingSet
from embedkit.progress import Advance, ignore_progress


def training_set(
    index: Index,
    scratch: Path,
    *,
    labelled: bool = False,
    without: Collection[str] = (),
    on_progress: Advance = ignore_progress,
) -> TrainingSet:
    """Make a training set of the images of an index.

    Pictures are decoded into an unnamed file in the folder `scratch`, 64 kB each, and mapped into memory: memory does
    not grow with their number, and nothing of a patient is left when the process ends, however it ends.

    Parameters
    ----------
    labelled
        Take only images with a region.
    without
        Image ids, or SOP Instance UIDs with all their frames, that are left out.
    on_progress
        Is told how many pictures of how many are decoded.

    Raises
    ------
    UsageError
        ``no-pictures`` where no image is left.
    IndexFolderError
        ``index-full`` where `scratch` has no room; else as `Index.pictures` does.
    """
    given = np.array(index.images["region"].to_pylist(), dtype=object)
    ids, instances = (index.images[name].to_pylist() for name in ("image_id", "sop_instance_uid"))
    left_out = set(without)
    wanted = np.array([left_out.isdisjoint(names) for names in zip(ids, instances, strict=True)], bool)
    rows = np.flatnonzero(wanted & (given != "")) if labelled else np.flatnonzero(wanted)
    if len(rows) == 0:
        raise UsageError("no-pictures", f"{index.path}: no image to train on{' has a region' if labelled else ''}")
    regions, codes = np.unique(np.append(given[rows].astype(str), ""), return_inverse=True)  # "" comes first
    patients = [patient or ids[row] for row, patient in enumerate(index.images["patient"].to_pylist())]
    groups = np.unique(np.array(patients, dtype=str)[rows], return_inverse=True)[1]
    identity = "\n".join(f"{ids[row]}\t{given[row]}" for row in rows)
    return TrainingSet(
        _decode(index, rows, scratch, on_progress),
        codes[:-1].astype(np.int64) - 1,
        groups.astype(np.int64),
        tuple(str(region) for region in regions[1:]),
        hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest(),
    )


def read_image_ids(path: Path) -> set[str]:
    """Read the `sop_instance_uid` column of a CSV file, an issues.csv for one; raises UsageError ``labels-invalid``."""
    with read_rows(path) as rows:
        place = find_column(column_names(next(rows, [])), ("sop_instance_uid",), path)
        return {row[place] for row in rows if place < len(row)}


def _decode(index: Index, rows: NDArray[np.int64], scratch: Path, on_progress: Advance) -> NDArray[np.uint8]:
    shape = (len(rows), PICTURE_SIDE, PICTURE_SIDE)
    with plain_errors(scratch), tempfile.TemporaryFile(dir=scratch) as file:
        for done, (position, picture) in enumerate(index.walk_pictures(rows), 1):
            file.seek(position * picture.nbytes)
            file.write(picture.data)
            on_progress(done, len(rows))
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=shape)
