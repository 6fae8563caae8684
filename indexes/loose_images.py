"""Images of files that need not be in an index, read as `embed` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import RejectedFile, UsageError
from embedkit.image import PICTURE_SIDE, PreparationOptions, clean, prepare_file
from embedkit.indexes.paths import text_path
from embedkit.indexes.reasons import REASONS
from embedkit.labels import Vocabulary
from embedkit.reasons import INCOMPLETE
from embedkit.sources import find_files
from embedkit.workers import WorkerPool

if TYPE_CHECKING:
    from embedkit.indexes.index import Index


@dataclass(frozen=True)
class LooseImage:
    """One image of a file that need not be in an index."""

    path: Path
    image_id: str
    region: str
    """As its label says; "" for none."""
    picture: NDArray[np.uint8]
    """uint8 (256, 256)."""
    complete: bool = True
    """Whether the file held all of its pixels."""


def read_images(
    sources: Sequence[Path], reading: PreparationOptions | None = None, workers: int | None = None
) -> Iterator[LooseImage | tuple[Path, str]]:
    """Read files as `embed` does, in worker processes; for a rejected file its path and reason."""
    reading = reading or PreparationOptions(vocabulary=Vocabulary.load())
    with WorkerPool(partial(prepare_file, options=reading), workers=workers) as pool:
        for found, outcome in pool.map(find_files(sources)):
            if isinstance(outcome, RejectedFile) or outcome.facts is None:
                yield found.path, outcome.reason
                continue
            complete = INCOMPLETE.isdisjoint(outcome.notes)
            for frame, picture in enumerate(outcome.pictures, start=1):
                yield LooseImage(found.path, outcome.facts.image_id(frame), outcome.facts.region, picture, complete)


def read_image(path: Path, reading: PreparationOptions | None = None) -> LooseImage:
    """Read the first image of a file; raises UsageError with the reason where it has none."""
    image = next(read_images([path], reading, workers=1))
    if not isinstance(image, LooseImage):
        raise UsageError(image[1], f"{path}: {REASONS[image[1]]}")
    return image


def clean_array(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return the preprocessed image, uint8 (256, 256), of a radiograph, uint8 (H, W) with bright bone.

    What is 256 by 256 is taken for preprocessed already, as `Index.pictures` gives it. Raises UsageError ``bad-image``.
    """
    if image.ndim != 2 or image.dtype != np.uint8 or not image.size:
        message = f"a radiograph must be uint8 (H, W) with bright bone, not {image.dtype} {image.shape}"
        raise UsageError("bad-image", message)
    grey = np.asarray(image, np.uint8)
    return grey if grey.shape == (PICTURE_SIDE, PICTURE_SIDE) else clean(grey)


def find_image(index: Index, query: str, reading: PreparationOptions | None = None) -> LooseImage:
    """Return the image of the index with this UID or path, else the file's first; raises UsageError."""
    row = index.find(query)
    if row is not None:
        image_id, path, region = (index.images[name][row].as_py() for name in ("image_id", "path", "region"))
        return LooseImage(text_path(path), image_id, region, index.pictures([row])[0])
    if not Path(query).is_file():
        raise UsageError("unknown-image", f"{query}: neither a file nor the UID of an image in {index.path}")
    return read_image(Path(query), reading)
