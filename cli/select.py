"""`embedkit select`: which images to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet, SpaceName


def select(
    budget: Annotated[int, typer.Option(min=1, max=1_000_000, help="Images to choose.")] = 300,
    out: Annotated[Path, typer.Option(help="The new folder for the table to fill in and its contact sheets.")] = Path(
        "selected"
    ),
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Of the draw, in an archive of more than 20,000 images.")
    ] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Choose the images to label: those that stand for most others, and those that the labels so far leave in doubt.

    Fill in the column region of selected.csv, then `embedkit label` reads it.
    """
    from embedkit.annotate import select_images
    from embedkit.cli.loading import read_decisions
    from embedkit.export import write_selection
    from embedkit.review import find_consensus, settle_rows

    console = Console(as_json, quiet)
    opened = console.open_index(index)
    reviewed = settle_rows(opened, find_consensus(read_decisions(index)))
    console.note("looking at the pictures")
    chosen = select_images(opened, budget, space=space, reviewed=reviewed, seed=seed)
    sheets = write_selection(out, opened, chosen.rows)
    ids = opened.images["image_id"].take(chosen.rows).to_pylist()
    counts = {"candidates": chosen.candidates, "unusable": chosen.unusable, "labelled": chosen.labelled}
    console.document({"folder": str(out), "sheets": sheets, "selected": ids} | counts)
    console.line(f"{len(ids):,} of {chosen.candidates:,} images chosen; {chosen.labelled:,} have a label already")
    if chosen.unusable:
        console.line(f"{chosen.unusable:,} images left out: their picture shows nothing")
    console.line(f"written: {out}: selected.csv and {sheets:,} sheets")
