"""From pictures to the vectors of a space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.encoder.names import SPACE_NAME
from embedkit.errors import EncoderError
from embedkit.image import PREPROCESSING_VERSION, decode_picture
from embedkit.indexes.manifest import Space, images_name
from embedkit.indexes.shards import read_pictures
from embedkit.indexes.writer import IndexWriter
from embedkit.progress import Advance, ignore_progress

if TYPE_CHECKING:
    from embedkit.encoder import Encoder


def space_of(encoder: Encoder) -> Space:
    """Return what the vectors of `encoder` have in common; raises `EncoderError` ``encoder-name`` for a wrong name."""
    if not SPACE_NAME.fullmatch(encoder.name):
        message = (
            f"{encoder.name!r} cannot name a vector space: use a to z, 0 to 9, - and _, at most 64, and not `images`"
        )
        raise EncoderError("encoder-name", message)
    return Space(
        encoder.digest,
        str(PREPROCESSING_VERSION),
        encoder.precision,
        encoder.runtime,
        encoder.input_size,
        encoder.dimension,
        encoder.method,
        encoder.labels_seen,
    )


def encode(encoder: Encoder, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Vectors float32 (n, dimension) of pictures uint8 (n, 256, 256).

    Raises
    ------
    EncoderError
        ``encoder-output`` where it gives anything else.
    """
    vectors = np.asarray(encoder.encode(pictures))
    if vectors.shape != (len(pictures), encoder.dimension) or vectors.dtype != np.float32:
        message = (
            f"{encoder.name} gave {vectors.dtype} {vectors.shape} for {len(pictures)} pictures: "
            f"it must be float32 ({len(pictures)}, {encoder.dimension})"
        )
        raise EncoderError("encoder-output", message)
    return vectors


def spread_rows(
    vectors: Sequence[NDArray[np.float32]], pictured: Sequence[bool] | NDArray[np.bool_], dimension: int
) -> NDArray[np.float32]:
    """Vectors (rows, dimension) with `vectors`, one after the other, at the `pictured` rows, and zero at the others."""
    rows = np.zeros((len(pictured), dimension), np.float32)
    if vectors:
        rows[np.asarray(pictured, bool)] = np.concatenate(vectors)
    return rows


def fill_space(writer: IndexWriter, encoder: Encoder, on_progress: Advance = ignore_progress) -> None:
    """Give every earlier shard the vectors of `encoder`, from its stored pictures."""
    lacking = {place: shard for place, shard in enumerate(writer.manifest.shards) if encoder.name not in shard.vectors}
    done, total = 0, sum(shard.rows for shard in lacking.values())
    for place, shard in lacking.items():
        stored = read_pictures(writer.folder / images_name(shard.number), shard.rows)
        pictured = np.array([bool(data) for data in stored])
        pictures = [decode_picture(data) for data in stored if data]
        vectors = [encode(encoder, np.array(pictures))] if pictures else []
        writer.add_vectors(place, encoder.name, spread_rows(vectors, pictured, encoder.dimension), pictured)
        done += shard.rows
        on_progress(done, total)
