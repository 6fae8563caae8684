"""`embedkit remove`: take images out of the index, and keep them out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet

_SHOWN = 10


def remove(
    images: Annotated[
        list[str] | None, typer.Argument(help="SOP Instance UIDs, image ids or paths.", metavar="IMAGE...")
    ] = None,
    index: IndexPath = DEFAULT_INDEX,
    table: Annotated[
        Path | None, typer.Option(help="A CSV file that names images: image_id, sop_instance_uid or path.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take images out of the index, with their repeats and labels, so that no later embed brings them back."""
    from embedkit.errors import UsageError
    from embedkit.indexes import read_names
    from embedkit.indexes import remove as remove_images

    console = Console(as_json, quiet)
    names = [*(images or ()), *(read_names(table) if table else ())]
    if not names:
        raise UsageError("nothing-to-do", "name images, or a table of them by --table")
    with console.stages() as on_progress:
        report = remove_images(index, names, on_progress=on_progress)
    console.document({"index": str(index)} | asdict(report))
    console.line(f"{report.images:,} images of {report.files:,} files taken out of {index}")
    console.line("what is left of them in its files, decisions too, goes with `embedkit compact`")
    if report.unknown:
        more = " ..." if len(report.unknown) > _SHOWN else ""
        console.line(f"{len(report.unknown):,} not in it: {', '.join(report.unknown[:_SHOWN])}{more}")
