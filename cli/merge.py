"""`embedkit merge`: one index of several."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import AsJson, Quiet


def merge(
    indexes: Annotated[list[Path], typer.Argument(help="Index folders, two or more.", metavar="INDEX...")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the new index.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make one index of several, with their labels and decisions; no original file is opened."""
    from embedkit.indexes import merge as merge_indexes
    from embedkit.review import merge_decisions

    console = Console(as_json, quiet)
    with console.stages() as on_progress:
        report = merge_indexes(indexes, out, on_progress=on_progress, add=partial(merge_decisions, indexes))
    for note in report.notes:
        console.note(note)
    of_each = {str(index): images for index, images in zip(indexes, report.of_each, strict=True)}
    told = {"images": report.images, "of_each": of_each, "met_again": report.met_again, "rejected": report.rejected}
    console.document({"index": str(out)} | told | {"notes": list(report.notes)})
    console.line(f"{report.images:,} images in {out}: " + ", ".join(f"{n:,} of {name}" for name, n in of_each.items()))
    if report.met_again:
        console.line(f"{report.met_again:,} of them stand in several of these, and count once")
