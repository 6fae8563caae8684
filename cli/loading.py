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
from embedkit.errors import EncoderError, RejectedFile, UsageError
from embedkit.image import prepare_file

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.heads.attribution import Explainer
    from embedkit.indexes import Index


def reading_options(vocabulary: Path | None, modalities: Sequence[str] | None) -> ReadingOptions:
    """What `--vocabulary` and `--modality` say."""
    options = ReadingOptions(vocabulary=Vocabulary.load(vocabulary))
    more = frozenset(name.upper() for name in modalities or ())
    return ReadingOptions(modalities=options.modalities | more, vocabulary=options.vocabulary)


def encoder_for(path: Path, source: str, precision: str, runtime: str) -> Encoder:
    """An encoder for the index at `path`; `auto` is what its space was made with, where it has one of that name."""
    from embedkit.encoder import load_encoder
    from embedkit.errors import IndexFolderError
    from embedkit.indexes import Index

    encoder = load_encoder(source, precision, runtime)
    try:
        made = Index.open(path).spaces.get(encoder.name)
    except IndexFolderError:  # none yet, or `embed` says what is wrong with it
        made = None
    if made is None:
        return encoder
    return load_encoder(
        source,
        made.precision if precision == "auto" else precision,
        made.runtime if runtime == "auto" else runtime,
    )


def encoder_of(index: Index, space: str | None, source: str | None) -> Encoder:
    """The encoder that made a space of the index; `source` where it is no shipped one. Raises EncoderError."""
    name = index.space_name(space)
    made = index.spaces[name]
    return find_encoder(name, made.encoder, [source] if source else [], made.precision, made.runtime)


def find_encoder(
    space: str, sha256: str, sources: Sequence[str], precision: str = "auto", runtime: str = "auto"
) -> Encoder:
    """The encoder with these weights, among `sources` and the shipped one of the space's name.

    Raises EncoderError `encoder-mismatch` where it is none of them.
    """
    from embedkit.encoder import load_encoder, shipped_encoders

    for source in (*sources, *(name for name in shipped_encoders() if name == space)):
        encoder = load_encoder(source, precision, runtime)
        if encoder.sha256 == sha256:
            return encoder
    raise _mismatch(space)


def explainer_of(index: Index, space: str | None, source: str | None) -> Explainer:
    """An explainer of a head fitted to a space of the index; `source` and errors as of `encoder_of`."""
    from embedkit.heads.attribution import Explainer
    from embedkit.quality import fit_index_classifier

    found = encoder_source(index, space, source)
    (member,) = fit_index_classifier(index, space=index.space_name(space)).members
    return Explainer.load(found, member.head)


def encoder_source(index: Index, space: str | None, source: str | None) -> str:
    """Where to load the encoder of a space from: `source`, or the shipped one of this name. Raises EncoderError."""
    from embedkit.encoder import shipped_encoders

    name = index.space_name(space)
    if not source and name not in shipped_encoders():
        raise _mismatch(name)
    return source or name


def encoder_sources(index: Index, spaces: Sequence[str], sources: Sequence[str]) -> dict[str, str]:
    """Where each space's encoder is, among `sources` and the shipped ones. Raises EncoderError `encoder-mismatch`."""
    from embedkit.encoder import shipped_encoders
    from embedkit.encoder.weights import read_encoder

    known = {read_encoder(source).sha256: source for source in (*sources, *shipped_encoders())}
    for space in spaces:
        if index.spaces[index.space_name(space)].encoder not in known:
            raise _mismatch(space)
    return {space: known[index.spaces[space].encoder] for space in spaces}


def _mismatch(space: str) -> EncoderError:
    message = f"the space '{space}' was made by another encoder: name its .safetensors file with --encoder"
    return EncoderError("encoder-mismatch", message)


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


def find_image(index: Index, query: str, modalities: Sequence[str] | None) -> LooseImage:
    """The image of the index with this UID or path, else the file, read as `embed` does; raises UsageError."""
    from embedkit.indexes import REASONS

    row = index.find(query)
    if row is not None:
        image_id, path, region = (index.images[name][row].as_py() for name in ("image_id", "path", "region"))
        return LooseImage(Path(path), image_id, region, index.pictures([row])[0])
    path = Path(query)
    if not path.is_file():
        raise UsageError("unknown-image", f"{query}: neither a file nor the UID of an image in {index.path}")
    image = next(read_images([path], reading_options(None, modalities), workers=1))
    if not isinstance(image, LooseImage):
        raise UsageError(image[1], f"{query}: {REASONS[image[1]]}")
    return image
