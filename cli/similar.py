"""`embedkit similar`: the radiographs nearest to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import (
    DEFAULT_INDEX,
    AsJson,
    CodecsName,
    EncoderSource,
    ImageQuery,
    IndexPath,
    Modalities,
    Quiet,
    SpaceName,
)
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    from embedkit.indexes import Neighbour


def similar(
    query: ImageQuery,
    k: Annotated[int, typer.Option("-k", min=1, max=1_000_000, help="How many.")] = 10,
    sheet: Annotated[Path | None, typer.Option(help="Draw a contact sheet to this .png file.")] = None,
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    encoder: EncoderSource = None,
    modality: Modalities = None,
    codecs: CodecsName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the radiographs nearest to a file or to an image of the index."""
    console = Console(as_json, quiet)
    prepare_outputs([sheet], ".png")
    opened = console.open_index(index)
    row = opened.find(query)
    if row is None:
        from embedkit.cli.loading import reading_options
        from embedkit.indexes.encoders import encoder_of
        from embedkit.indexes.loose_images import find_image

        image = find_image(opened, query, reading_options(None, modality, codecs))
        vector = encoder_of(opened, space, encoder).encode(image.picture[None])[0]
        region, neighbours = image.region, opened.similar(vector, k, space)
    else:  # nothing is imported that takes long
        region, neighbours = opened.images["region"][row].as_py(), opened.similar(query, k, space)
    console.document(
        {"query": opened.shown(query), "region": region, "similar": [asdict(neighbour) for neighbour in neighbours]}
    )
    show_neighbours(console, neighbours)
    if sheet:
        from embedkit.report import write_contact_sheet

        picture = image.picture if row is None else opened.pictures([row])[0]
        write_contact_sheet(sheet, opened, picture, region, neighbours)
        console.line(f"written: {sheet}")


def show_neighbours(console: Console, neighbours: Sequence[Neighbour]) -> None:
    """The neighbours, nearest first."""
    rows = [(neighbour.distance, neighbour.region, neighbour.image_id, neighbour.path) for neighbour in neighbours]
    console.table(("distance", "region", "image", "path"), rows)
