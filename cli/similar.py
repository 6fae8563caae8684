"""`embedkit similar`: the radiographs nearest to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, EncoderSource, IndexPath, Modalities, Quiet, SpaceName

if TYPE_CHECKING:
    from embedkit.indexes import Index, Neighbour
    from embedkit.quality.pictures import Pictures


def similar(
    query: Annotated[str, typer.Argument(help="A file, or the UID of an image in the index.", metavar="FILE|UID")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    sheet: Annotated[Path | None, typer.Option(help="Draw a contact sheet to this .png file.")] = None,
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    encoder: EncoderSource = None,
    modality: Modalities = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the radiographs nearest to a file or to an image of the index."""
    from embedkit.errors import UsageError
    from embedkit.indexes import Index

    console = Console(as_json, quiet)
    if sheet and sheet.suffix != ".png":
        raise UsageError("output-format", f"{sheet}: end the name in .png")
    opened = Index.open(index)
    row = opened.find(query)
    if row is not None:
        region, picture = opened.images["region"][row].as_py(), opened.pictures([row])[0]
        neighbours = opened.similar(query, k, space)
    else:
        region, picture, neighbours = _ask_about_file(opened, query, k, space, encoder, modality)
    console.document({"query": query, "region": region, "similar": [asdict(neighbour) for neighbour in neighbours]})
    show_neighbours(console, neighbours)
    if sheet:
        from embedkit.report import write_contact_sheet

        write_contact_sheet(sheet, opened, picture, region, neighbours)
        console.line(f"written: {sheet}")


def show_neighbours(console: Console, neighbours: Sequence[Neighbour]) -> None:
    """The neighbours, nearest first."""
    rows = [(neighbour.distance, neighbour.region, neighbour.image_id, neighbour.path) for neighbour in neighbours]
    console.table(("distance", "region", "image", "path"), rows)


def _ask_about_file(
    index: Index, query: str, k: int, space: str | None, encoder: str | None, modality: list[str] | None
) -> tuple[str, Pictures, list[Neighbour]]:
    """Read, clean and encode a file that is not in the index, as `embed` would."""
    from embedkit.cli.loading import LooseImage, encoder_of, read_images, reading_options
    from embedkit.errors import UsageError
    from embedkit.indexes import REASONS

    path = Path(query)
    if not path.is_file():
        raise UsageError("unknown-image", f"{query}: neither a file nor the UID of an image in {index.path}")
    image = next(read_images([path], reading_options(None, modality), workers=1))
    if not isinstance(image, LooseImage):
        raise UsageError(image[1], f"{query}: {REASONS[image[1]]}")
    vector = encoder_of(index, space, encoder).encode(image.picture[None])[0]
    return image.region, image.picture, index.similar(vector, k, space)
