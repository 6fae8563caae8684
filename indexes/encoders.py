"""The encoders of an index: those that made its spaces, and those to embed with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.errors import EncoderError, IndexFolderError, UsageError
from embedkit.indexes.manifest_files import read_newest_manifest

if TYPE_CHECKING:
    from embedkit.encoder import Encoder
    from embedkit.encoder.weights import EncoderWeights
    from embedkit.indexes.index import Index


def load_encoders(path: Path, encoders: Sequence[str | Encoder] | None) -> Sequence[Encoder]:
    """Load what `embed` is to embed with into the index at `path`; raises UsageError ``no-encoder``, and EncoderError.

    Warns where new images will lack the embeddings of a space whose encoder is neither shipped nor named.
    """
    if encoders is not None and not encoders:
        raise UsageError("no-encoder", "name at least one encoder")
    names = [encoder for encoder in encoders or () if isinstance(encoder, str)]
    given = [encoder for encoder in encoders or () if not isinstance(encoder, str)]
    if given and not names:
        return given
    held = encoders_for(path, names, "auto", "auto", partial(warnings.warn, stacklevel=4))
    return [*given, *(encoder for encoder in held if encoder.name not in {one.name for one in given})]


def encoders_for(
    path: Path, sources: Sequence[str], precision: str, runtime: str, note: Callable[[str], None]
) -> Sequence[Encoder]:
    """The encoders to embed with: those of `sources`, and of the spaces that the index at `path` has already.

    So new images get vectors in every space. The precision `auto` is what a space was made with. A new index has the
    starter encoder where none is named. Raises EncoderError where a space was made by an encoder that is not shipped
    and not named; where others are named, `note` is told instead, and the space lacks the new images.
    """
    from embedkit.encoder import STARTER, load_encoder  # noqa: PLC0415 (torch takes 1.5 s)
    from embedkit.encoder.weights import read_encoder  # noqa: PLC0415

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


def encoder_of(index: Index, space: str | None, source: str | Path | Encoder | None = None) -> Encoder:
    """The encoder that made a space of the index; `source`, a file or itself, where it is no shipped one.

    Raises EncoderError ``encoder-mismatch`` where it is another one.
    """
    name = index.space_name(space)
    made = index.spaces[name]
    sources = [] if source is None else [str(source) if isinstance(source, Path) else source]
    return find_encoder(name, made.encoder, sources, made.precision, made.runtime)


def find_encoder(
    space: str, digest: str, sources: Sequence[str | Encoder], precision: str = "auto", runtime: str = "auto"
) -> Encoder:
    """The encoder of this digest: one of `sources`, the file of one, or the shipped one of the space's name.

    Raises EncoderError ``encoder-mismatch`` where it is none of them.
    """
    from embedkit.encoder import load_encoder  # noqa: PLC0415 (torch takes 1.5 s)

    given = next((one for one in sources if not isinstance(one, str) and one.digest == digest), None)
    if given is not None:
        return given
    _, weights = _find_weights(space, digest, [one for one in sources if isinstance(one, str)])
    return load_encoder(weights, precision, runtime)


def encoder_source(index: Index, space: str, sources: Sequence[str]) -> str:
    """Where the encoder of a space is: one of `sources`, or the shipped one of the space's name.

    Raises EncoderError `encoder-mismatch` where it is none of them.
    """
    name = index.space_name(space)
    return _find_weights(name, index.spaces[name].encoder, sources)[0]


def _find_weights(space: str, sha256: str, sources: Sequence[str]) -> tuple[str, EncoderWeights]:
    from embedkit.encoder import shipped_encoders  # noqa: PLC0415
    from embedkit.encoder.weights import read_encoder  # noqa: PLC0415

    for source in (*sources, *(name for name in shipped_encoders() if name == space)):
        weights = read_encoder(source)
        if weights.sha256 == sha256:
            return source, weights
    message = f"the space '{space}' was made by another encoder: name its .safetensors file with --encoder"
    raise EncoderError("encoder-mismatch", message)
