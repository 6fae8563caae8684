"""`embedkit label`: labels that a person gave to images that `select` chose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet, ReplaceLabels, VocabularyFile

if TYPE_CHECKING:
    from embedkit.indexes import AddedLabels


def label(
    table: Annotated[Path, typer.Argument(help="The selected.csv of `select`, its column region filled in.")],
    vocabulary: VocabularyFile = None,
    replace: ReplaceLabels = False,
    index: IndexPath = DEFAULT_INDEX,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Give images the labels that a person wrote into a table; rows without one are passed over."""
    from embedkit.cli.loading import read_names
    from embedkit.indexes import ANNOTATOR, add_labels

    labels = read_names(table, "image_id", ANNOTATOR, index, vocabulary)
    show_added(Console(as_json, quiet), add_labels(index, labels, replace_labels=replace))


def show_added(console: Console, done: AddedLabels) -> None:
    """What became of the labels."""
    console.document(vars(done))
    console.line(f"{done.added:,} images labelled, {done.replaced:,} labels replaced")
    if done.kept:
        console.line(f"{done.kept:,} images have a label of their own, which stays; --replace puts the new one there")
    if done.unknown:
        console.line(f"{done.unknown:,} images are not in the index")
