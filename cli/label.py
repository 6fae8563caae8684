"""`embedkit label`: labels of a table, or those that a person gave to images that `select` chose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import (
    DEFAULT_INDEX,
    AsJson,
    DropLabels,
    IndexPath,
    PathMap,
    Quiet,
    ReplaceEarlierLabels,
    ReplaceLabels,
    VocabularyFile,
)

if TYPE_CHECKING:
    from embedkit.indexes import AddedLabels


def label(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE", help="A label table, or the selected.csv of `select`, its column region filled in."
        ),
    ] = None,
    map_path: PathMap = None,
    replace_labels: ReplaceEarlierLabels = False,
    drop_labels: DropLabels = False,
    replace: ReplaceLabels = False,
    vocabulary: VocabularyFile = None,
    index: IndexPath = DEFAULT_INDEX,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Give images of the index the labels of a table; the original files need not be there.

    A table of a site's own is taken as `embed --labels` takes it. In a selected.csv a name that is no region is an
    error, and images keep labels that they have.
    """
    from embedkit.cli.labels import TableLabels, labels_document, show_labels
    from embedkit.cli.loading import read_names
    from embedkit.errors import UsageError
    from embedkit.indexes import ANNOTATOR, add_labels, label_images
    from embedkit.labels import Vocabulary, is_selection

    if (table is None) != drop_labels:
        raise UsageError("nothing-to-do", "name a table of labels, or give --drop-labels alone")
    console = Console(as_json, quiet)
    if table and is_selection(table):
        if map_path or replace_labels:
            raise UsageError("selected-table", f"{table}: `select` wrote it: give --replace, or nothing")
        labels = read_names(table, "image_id", ANNOTATOR, index, vocabulary)
        show_added(console, add_labels(index, labels, replace_labels=replace))
        return
    if replace:
        raise UsageError(
            "label-table", "a label table always goes before other labels; --replace-labels takes those away"
        )
    words = Vocabulary.load(vocabulary)
    read = TableLabels.read(table, words, map_path or ()) if table else None
    report = label_images(index, read.labels if read else None, words, replace_labels=replace_labels or drop_labels)
    readings = read.add_readings(index) if read else None
    console.document(labels_document(report, readings) or {})
    show_labels(console, report, readings, str(table or ""), words)


def show_added(console: Console, done: AddedLabels) -> None:
    """What became of the labels."""
    console.document(vars(done))
    console.line(f"{done.added:,} images labelled, {done.replaced:,} labels replaced")
    if done.kept:
        console.line(f"{done.kept:,} images have a label of their own, which stays; --replace puts the new one there")
    if done.unknown:
        console.line(f"{done.unknown:,} images are not in the index")
