"""`embedkit classify`: the region of images, and whether a person must look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import (
    DEFAULT_INDEX,
    AsJson,
    CodecsName,
    IndexPath,
    Modalities,
    Quiet,
    Workers,
)
from embedkit.cli.outputs import prepare_outputs
from embedkit.dicom.codecs.choice import Codecs

if TYPE_CHECKING:
    from embedkit.heads import Ensemble
    from embedkit.indexes import Index
    from embedkit.quality import Classification

_AT_ONCE = 512
COLUMNS = ("image_id", "path", "given_region", "region", "probability", "in_domain", "confident")
T = TypeVar("T")
Rows = list[tuple[object, ...]]


def classify(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SOURCES", help="Files and folders; without, the images of the index with no label."),
    ] = None,
    head: Annotated[
        Path | None, typer.Option(help="A head file of `evaluate --head-out`; with SOURCES no index is needed.")
    ] = None,
    all_images: Annotated[bool, typer.Option("--all", help="Without SOURCES: every image of the index.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the table to this .csv file.")] = None,
    index: IndexPath = DEFAULT_INDEX,
    space: Annotated[str | None, typer.Option(help="One vector space; without, the ensemble of all.")] = None,
    encoder: Annotated[
        list[str] | None, typer.Option(help="The .safetensors file of an encoder that is not shipped. Repeatable.")
    ] = None,
    modality: Modalities = None,
    codecs: CodecsName = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Name the region of images by a head fitted to the index's labels, or by a head file.

    Exit code 0 only where every file is an image, in the domain, and its region sure in 99 of 100 cases; 1 where one is
    not, or cannot be read; 2 where there is nothing to classify.
    """
    from embedkit.errors import UsageError
    from embedkit.heads import load_head
    from embedkit.indexes.paths import path_text
    from embedkit.quality import fit_index_classifier

    console = Console(as_json, quiet)
    prepare_outputs([out], ".csv")
    if head and space:
        raise UsageError("two-heads", "a head file names its own spaces: leave --space out")
    open_index = cache(lambda: console.open_index(index))  # a head file and SOURCES need none
    fitted = load_head(head) if head else fit_index_classifier(open_index(), space=space)
    rejected: list[tuple[str, str]] = []
    if sources:
        spell = path_text if head else open_index().paths.text
        rows = _classify_files(fitted, sources, spell, encoder or [], modality, codecs, workers, rejected)
        if not rows and not rejected:  # an empty folder must not pass for a sure one
            raise UsageError("no-image", f"{', '.join(map(str, sources))}: there is no file to classify")
    else:
        rows = _classify_index(open_index(), fitted, all_images)
    _show(console, fitted, rows, rejected, out)


def _show(console: Console, head: Ensemble, rows: Rows, rejected: list[tuple[str, str]], out: Path | None) -> None:
    """Give the verdicts in the form asked for; exit with 1 where a person must look, at an unreadable file too."""
    document = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    files = [{"path": path, "reason": reason} for path, reason in rejected]
    thresholds = {name: found.facts() for name, found in zip(head.regions, head.thresholds, strict=True)}
    console.document({"images": document, "rejected": files, "thresholds": thresholds})
    if out:
        from embedkit.report import write_csv

        write_csv(out, COLUMNS, rows)
        console.line(f"written: {out}")
    else:
        console.table(COLUMNS, rows)
    for path, reason in rejected:
        console.note(f"{path}: {reason}")
    doubtful = sum(not (image["in_domain"] and image["confident"]) for image in document)
    console.note(f"{len(rows):,} images classified, {doubtful:,} need a look; {len(rejected):,} files rejected")
    if doubtful or rejected:
        raise typer.Exit(1)


def _classify_index(index: Index, head: Ensemble, all_images: bool) -> Rows:
    import numpy as np

    from embedkit.quality import classify_index
    from embedkit.reasons import INCOMPLETE

    given = index.images["region"].to_pylist()
    rows = np.array([row for row, region in enumerate(given) if all_images or not region], np.int64)
    facts = index.images.select(["image_id", "path", "region"]).take(rows).to_pylist()
    complete = [INCOMPLETE.isdisjoint(notes) for notes in index.images["notes"].take(rows).to_pylist()]
    verdicts = _verdicts(facts, classify_index(index, rows, head), complete)
    return [(*fact.values(), *verdict) for fact, verdict in verdicts]


def _classify_files(
    head: Ensemble,
    sources: list[Path],
    spell: Callable[[Path], str],
    encoders: list[str],
    modality: list[str] | None,
    codecs: Codecs | None,
    workers: int | None,
    rejected: list[tuple[str, str]],
) -> Rows:
    import numpy as np

    from embedkit.cli.loading import LooseImage, find_encoder, read_images, reading_options
    from embedkit.image import PREPROCESSING_VERSION
    from embedkit.quality import classify as classify_vectors

    head.check_encoders(head.spaces, str(PREPROCESSING_VERSION))
    loaded = {name: find_encoder(name, sha256, encoders) for name, sha256 in head.spaces.items()}
    rows: Rows = []
    files = read_images(sources, reading_options(None, modality, codecs), workers)
    while part := list(islice(files, _AT_ONCE)):
        rejected += [(spell(item[0]), item[1]) for item in part if not isinstance(item, LooseImage)]
        images = [item for item in part if isinstance(item, LooseImage)]
        if images:
            pictures = np.stack([image.picture for image in images])
            vectors = {name: maker.encode(pictures) for name, maker in loaded.items()}
            found = classify_vectors(head, vectors, pictures)
            verdicts = _verdicts(images, found, [image.complete for image in images])
            rows += [(image.image_id, spell(image.path), image.region, *verdict) for image, verdict in verdicts]
    return rows


def _verdicts(images: list[T], found: Classification, complete: list[bool]) -> Iterator[tuple[T, tuple[object, ...]]]:
    """Each image with its region, probability, and whether it is in the domain and confident (if complete)."""
    confident = (found.confident & complete).tolist()
    columns = (found.probability.round(4).tolist(), found.in_domain.tolist(), confident)
    return zip(images, zip(found.regions, *columns, strict=True), strict=True)
