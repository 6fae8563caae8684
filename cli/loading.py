"""What several commands load before their work: reading options, the encoder of a space, files as vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.dicom.codecs.choice import Codecs, codecs_of_environment
from embedkit.errors import EncoderError, RejectedFile, UsageError
from embedkit.image import PreparationOptions, prepare_file
from embedkit.labels import Label, Vocabulary, read_annotations
from embedkit.reasons import INCOMPLETE
from embedkit.sources import find_files
from embedkit.workers import WorkerPool

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.encoder.weights import EncoderWeights
    from embedkit.heads.attribution import Explainer
    from embedkit.indexes import Index
    from embedkit.review import Decision


def reading_options(
    vocabulary: Path | None, modalities: Sequence[str] | None, codecs: Codecs | None
) -> PreparationOptions:
    """What `--vocabulary`, `--modality` and `--codecs` say."""
    more = frozenset(name.upper() for name in modalities or ())
    return PreparationOptions(
        modalities=PreparationOptions.modalities | more,
        vocabulary=Vocabulary.load(vocabulary),
        codecs=codecs or codecs_of_environment(),
    )


def is_mapped_by(path: Path, vocabulary: Vocabulary | None) -> bool:
    """Whether no other vocabulary is known to have mapped the labels of the index at `path`."""
    from embedkit.errors import IndexFolderError
    from embedkit.indexes.manifest import read_newest_manifest

    try:
        held = read_newest_manifest(path).vocabulary
    except IndexFolderError:  # none yet, or `embed` says what is wrong with it
        return True
    return not held or vocabulary is None or held == vocabulary.digest


def encoders_for(
    path: Path, sources: Sequence[str], precision: str, runtime: str, note: Callable[[str], None]
) -> Sequence[Encoder]:
    """The encoders to embed with: those of `sources`, and of the spaces that the index at `path` has already.

    So new images get vectors in every space. The precision `auto` is what a space was made with. A new index has the
    starter encoder where none is named. Raises EncoderError where a space was made by an encoder that is not shipped
    and not named; where others are named, `note` is told instead, and the space lacks the new images.
    """
    from embedkit.encoder import STARTER, load_encoder
    from embedkit.encoder.weights import read_encoder
    from embedkit.errors import IndexFolderError
    from embedkit.indexes.manifest import read_newest_manifest

    try:
        spaces = dict(read_newest_manifest(path).spaces)
    except IndexFolderError:  # none yet, or `embed` says what is wrong with it
        spaces = {}
    weights = [read_encoder(source) for source in sources or ([] if spaces else [STARTER])]
    named = {found.config.name for found in weights}
    for name, made in spaces.items():
        if name in named:
            continue
        try:
            weights.append(_find_weights(name, made.encoder, ())[1])
        except EncoderError as error:
            if not sources:
                raise
            note(f"{error}; new images get no vectors in it")
    encoders = []
    for found in weights:
        space = spaces.get(found.config.name)
        kept = (space.precision, space.runtime) if space else (precision, runtime)
        asked = (kept[0] if precision == "auto" else precision, kept[1] if runtime == "auto" else runtime)
        encoders.append(load_encoder(found, *asked))
    return encoders


def encoder_of(index: Index, space: str | None, source: str | None) -> Encoder:
    """The encoder that made a space of the index; `source` where it is no shipped one. Raises EncoderError."""
    name = index.space_name(space)
    made = index.spaces[name]
    return find_encoder(name, made.encoder, [source] if source else [], made.precision, made.runtime)


def find_encoder(
    space: str, sha256: str, sources: Sequence[str], precision: str = "auto", runtime: str = "auto"
) -> Encoder:
    """The encoder with these weights; where it is looked for and errors as of `encoder_source`."""
    from embedkit.encoder import load_encoder

    _, weights = _find_weights(space, sha256, sources)
    return load_encoder(weights, precision, runtime)


def explainer_of(index: Index, space: str | None, source: str | None) -> Explainer:
    """An explainer of a head fitted to a space of the index; `source` and errors as of `encoder_of`."""
    from embedkit.heads.attribution import Explainer
    from embedkit.quality import fit_index_classifier

    name = index.space_name(space)
    found = encoder_source(index, name, [source] if source else [])
    (member,) = fit_index_classifier(index, space=name).members
    return Explainer.load(found, member.head)


def encoder_source(index: Index, space: str, sources: Sequence[str]) -> str:
    """Where the encoder of a space is: one of `sources`, or the shipped one of the space's name.

    Raises EncoderError `encoder-mismatch` where it is none of them.
    """
    name = index.space_name(space)
    return _find_weights(name, index.spaces[name].encoder, sources)[0]


def _find_weights(space: str, sha256: str, sources: Sequence[str]) -> tuple[str, EncoderWeights]:
    from embedkit.encoder import shipped_encoders
    from embedkit.encoder.weights import read_encoder

    for source in (*sources, *(name for name in shipped_encoders() if name == space)):
        weights = read_encoder(source)
        if weights.sha256 == sha256:
            return source, weights
    message = f"the space '{space}' was made by another encoder: name its .safetensors file with --encoder"
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
    complete: bool = True
    """Whether the file held all of its pixels."""


def read_images(
    sources: Sequence[Path], reading: PreparationOptions, workers: int | None = None
) -> Iterator[LooseImage | tuple[Path, str]]:
    """Read files as `embed` does, in worker processes; for a rejected file its path and reason."""
    with WorkerPool(partial(prepare_file, options=reading), workers=workers) as pool:
        for found, outcome in pool.map(find_files(sources)):
            if isinstance(outcome, RejectedFile) or outcome.facts is None:
                yield found.path, outcome.reason
                continue
            complete = INCOMPLETE.isdisjoint(outcome.notes)
            for frame, picture in enumerate(outcome.pictures, start=1):
                yield LooseImage(found.path, outcome.facts.image_id(frame), outcome.facts.region, picture, complete)


def find_image(index: Index, query: str, modalities: Sequence[str] | None, codecs: Codecs | None = None) -> LooseImage:
    """The image of the index with this UID or path, else the file, read as `embed` does; raises UsageError."""
    from embedkit.indexes import REASONS
    from embedkit.indexes.paths import text_path

    row = index.find(query)
    if row is not None:
        image_id, path, region = (index.images[name][row].as_py() for name in ("image_id", "path", "region"))
        return LooseImage(text_path(path), image_id, region, index.pictures([row])[0])
    path = Path(query)
    if not path.is_file():
        raise UsageError("unknown-image", f"{query}: neither a file nor the UID of an image in {index.path}")
    image = next(read_images([path], reading_options(None, modalities, codecs), workers=1))
    if not isinstance(image, LooseImage):
        raise UsageError(image[1], f"{query}: {REASONS[image[1]]}")
    return image


def check_regions(option: str, names: Sequence[str], known: Collection[str], vocabulary: Vocabulary) -> None:
    """Raise UsageError ``unknown-region`` for a name that is neither in `known` nor in the vocabulary."""
    from difflib import get_close_matches

    for name in names:
        if name in known or vocabulary.region(name):
            continue
        near = vocabulary.region_of_spelling(name)
        likely = [near] if near else get_close_matches(name.lower(), [*known, *vocabulary.names], n=1)
        meant = f"did you mean '{likely[0]}'? " if likely else ""
        raise UsageError("unknown-region", f"{option} {name}: no such region; {meant}`embedkit info` lists them")


def read_decisions(index: Path) -> list[Decision]:
    """The reviewers' decisions that stand on the images of an index; none where nobody has reviewed."""
    from embedkit.review.decisions import Decisions

    with Decisions.open(index, read_only=True) as decisions:
        return decisions.latest()


def read_names(table: Path, key: str, source: str, index: Path, vocabulary: Path | None) -> dict[str, Label]:
    """What a person wrote into a table by its column `key`; regions that the index has are good names too."""
    from embedkit.indexes import Index

    regions = set(Index.open(index).images["region"].to_pylist()) - {""}
    return read_annotations(table, key, Vocabulary.load(vocabulary), source=source, regions=regions)
