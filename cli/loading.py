"""What several commands load before their work: reading options, the encoder of a space, files as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom import ReadingOptions, Vocabulary, WorkerPool, find_files
from embedkit.errors import EncoderError, RejectedFile
from embedkit.image import prepare_file

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.indexes import Index


def reading_options(vocabulary: Path | None, modalities: Sequence[str] | None) -> ReadingOptions:
    """What `--vocabulary` and `--modality` say."""
    options = ReadingOptions(vocabulary=Vocabulary.load(vocabulary))
    more = frozenset(name.upper() for name in modalities or ())
    return ReadingOptions(modalities=options.modalities | more, vocabulary=options.vocabulary)


def encoder_of(index: Index, space: str | None, source: str | None) -> Encoder:
    """The encoder that made a space of the index; `source` where it is no shipped one. Raises EncoderError."""
    from embedkit.encoder import load_encoder, shipped_encoders

    name = index.space_name(space)
    made = index.spaces[name]
    if source or name in shipped_encoders():
        encoder = load_encoder(source or name, made.precision)
        if encoder.sha256 == made.encoder:
            return encoder
    message = f"the space '{name}' was made by another encoder: name its .safetensors file with --encoder"
    raise EncoderError("encoder-mismatch", message)


@dataclass(frozen=True)
class LooseImage:
    """One image of a file that need not be in an index."""

    path: Path
    image_id: str
    region: str
    """As its label says; "" for none."""
    picture: NDArray[np.uint8]
    """uint8 (256, 256)."""


def read_images(
    sources: Sequence[Path], reading: ReadingOptions, workers: int | None = None
) -> Iterator[LooseImage | tuple[Path, str]]:
    """Read files as `embed` does, in worker processes; for a rejected file its path and reason."""
    with WorkerPool(partial(prepare_file, options=reading), workers=workers) as pool:
        for found, outcome in pool.map(find_files(sources)):
            if isinstance(outcome, RejectedFile) or outcome.facts is None:
                yield found.path, outcome.reason
                continue
            for frame, picture in enumerate(outcome.pictures, start=1):
                yield LooseImage(found.path, outcome.facts.image_id(frame), outcome.facts.region, picture)
