"""`embedkit classify`: the region of images, and whether a person must look at them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from embedkit.heads import Ensemble
    from embedkit.quality import Verdicts

COLUMNS = ("image_id", "path", "given_region", "region", "probability", "in_domain", "confident")


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
    import numpy as np

    from embedkit.cli.loading import reading_options
    from embedkit.errors import UsageError
    from embedkit.heads import load_head
    from embedkit.indexes.paths import path_text
    from embedkit.quality import classify_files, classify_rows, fit_index_classifier

    console = Console(as_json, quiet)
    prepare_outputs([out], ".csv")
    if head and space:
        raise UsageError("two-heads", "a head file names its own spaces: leave --space out")
    open_index = cache(lambda: console.open_index(index))  # a head file and SOURCES need none
    fitted = load_head(head) if head else fit_index_classifier(open_index(), space=space)
    if sources:
        reading = reading_options(None, modality, codecs)
        spell = path_text if head else open_index().paths.text
        verdicts = classify_files(
            fitted, sources, encoders=encoder or [], reading=reading, workers=workers, spell=spell
        )
    else:
        given = open_index().images["region"].to_pylist()
        rows = np.array([row for row, region in enumerate(given) if all_images or not region], np.int64)
        verdicts = classify_rows(fitted, open_index(), rows)
    _show(console, fitted, verdicts, out)


def _show(console: Console, head: Ensemble, verdicts: Verdicts, out: Path | None) -> None:
    """Give the verdicts in the form asked for; exit with 1 where a person must look, at an unreadable file too."""
    images = [verdict for verdict in verdicts if not verdict.reason]
    rejected = [verdict for verdict in verdicts if verdict.reason]
    rows = [tuple(getattr(verdict, column) for column in COLUMNS) for verdict in images]
    document = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    files = [{"path": verdict.path, "reason": verdict.reason} for verdict in rejected]
    thresholds = {name: found.facts() for name, found in zip(head.regions, head.thresholds, strict=True)}
    console.document({"images": document, "rejected": files, "thresholds": thresholds})
    if out:
        from embedkit.report import write_csv

        write_csv(out, COLUMNS, rows)
        console.line(f"written: {out}")
    else:
        console.table(COLUMNS, rows)
    for verdict in rejected:
        console.note(f"{verdict.path}: {verdict.reason}")
    doubtful = sum(not verdict.trusted for verdict in images)
    console.note(f"{len(images):,} images classified, {doubtful:,} need a look; {len(rejected):,} files rejected")
    if doubtful or rejected:
        raise typer.Exit(1)
