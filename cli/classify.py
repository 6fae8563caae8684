"""`embedkit classify`: the region of images, and whether they belong here at all."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import (
    DEFAULT_INDEX,
    AsJson,
    EncoderSource,
    IndexPath,
    Modalities,
    Quiet,
    SpaceName,
    Workers,
)

if TYPE_CHECKING:
    from embedkit.indexes import Index

_AT_ONCE = 512
COLUMNS = ("image_id", "path", "given_region", "region", "probability", "in_domain")


def classify(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; without, the images of the index with no label.")
    ] = None,
    all_images: Annotated[bool, typer.Option("--all", help="Without SOURCES: every image of the index.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the table to this .csv file.")] = None,
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    encoder: EncoderSource = None,
    modality: Modalities = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Name the region of images by a head fitted to the index's labels."""
    from embedkit.errors import UsageError
    from embedkit.indexes import Index

    console = Console(as_json, quiet)
    if out and out.suffix != ".csv":
        raise UsageError("output-format", f"{out}: end the name in .csv")
    opened = Index.open(index)
    if sources:
        rows, rejected = _classify_files(opened, sources, space, encoder, modality, workers)
    else:
        rows, rejected = _classify_index(opened, space, all_images), []
    document = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    console.document({"images": document, "rejected": [{"path": path, "reason": reason} for path, reason in rejected]})
    if out:
        from embedkit.report import write_csv

        write_csv(out, COLUMNS, rows)
        console.line(f"written: {out}")
    else:
        console.table(COLUMNS, rows)
    for path, reason in rejected:
        console.note(f"{path}: {reason}")
    console.note(f"{len(rows):,} images classified, {len(rejected):,} files rejected")


def _classify_index(index: Index, space: str | None, all_images: bool) -> list[tuple[object, ...]]:
    import numpy as np

    from embedkit.quality import classify_index

    given = index.images["region"].to_pylist()
    rows = np.array([row for row, region in enumerate(given) if all_images or not region], np.int64)
    found = classify_index(index, rows, space=space)
    facts = index.images.select(["image_id", "path", "region"]).take(rows).to_pylist()
    verdicts = zip(facts, found.regions, found.probability.tolist(), found.in_domain.tolist(), strict=True)
    return [(*fact.values(), region, round(probability, 4), inside) for fact, region, probability, inside in verdicts]


def _classify_files(
    index: Index,
    sources: list[Path],
    space: str | None,
    encoder: str | None,
    modality: list[str] | None,
    workers: int | None,
) -> tuple[list[tuple[object, ...]], list[tuple[str, str]]]:
    import numpy as np

    from embedkit.cli.loading import LooseImage, encoder_of, read_images, reading_options
    from embedkit.quality import fit_index_classifier

    loaded, classifier = encoder_of(index, space, encoder), fit_index_classifier(index, space=space)
    rows: list[tuple[object, ...]] = []
    rejected: list[tuple[str, str]] = []
    files = read_images(sources, reading_options(None, modality), workers)
    while part := list(islice(files, _AT_ONCE)):
        rejected += [(str(item[0]), item[1]) for item in part if not isinstance(item, LooseImage)]
        images = [item for item in part if isinstance(item, LooseImage)]
        if images:
            pictures = np.stack([image.picture for image in images])
            found = classifier.classify(loaded.encode(pictures), pictures)
            verdicts = zip(images, found.regions, found.probability.tolist(), found.in_domain.tolist(), strict=True)
            rows += [
                (image.image_id, str(image.path), image.region, region, round(probability, 4), in_domain)
                for image, region, probability, in_domain in verdicts
            ]
    return rows, rejected
