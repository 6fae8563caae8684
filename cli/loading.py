"""What several commands load before their work: reading options, decisions, names that a person wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.dicom.codecs.choice import Codecs, codecs_of_environment
from embedkit.errors import UsageError
from embedkit.image import PreparationOptions
from embedkit.labels import Label, Vocabulary, read_annotations

if TYPE_CHECKING:
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
    from embedkit.indexes.manifest_files import read_newest_manifest

    try:
        held = read_newest_manifest(path).vocabulary
    except IndexFolderError:  # none yet, or `embed` says what is wrong with it
        return True
    return not held or vocabulary is None or held == vocabulary.digest


def explainer_of(index: Index, space: str | None, source: str | None) -> Explainer:
    """An explainer of a head fitted to a space of the index; `source` and errors as of `encoder_of`."""
    from embedkit.heads.attribution import Explainer
    from embedkit.indexes.encoders import encoder_source
    from embedkit.quality import fit_index_classifier

    name = index.space_name(space)
    found = encoder_source(index, name, [source] if source else [])
    (member,) = fit_index_classifier(index, space=name).members
    return Explainer.load(found, member.head)


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
