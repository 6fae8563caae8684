"""`embedkit explain`: what in a radiograph speaks for a region."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def explain(
    query: ImageQuery,
    region: Annotated[str | None, typer.Option(help="Explain this region, not the likeliest.")] = None,
    out: Annotated[Path, typer.Option(help="The .png or .svg file to draw.")] = Path("explained.png"),
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    encoder: EncoderSource = None,
    modality: Modalities = None,
    codecs: CodecsName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw what in a radiograph speaks for a region, by Guided Grad-CAM."""
    from embedkit.cli.loading import explainer_of, reading_options
    from embedkit.indexes.loose_images import find_image
    from embedkit.report import write_explanation

    console = Console(as_json, quiet)
    prepare_outputs([out], ".png", ".svg")
    opened = console.open_index(index)
    image = find_image(opened, query, reading_options(None, modality, codecs))
    found = explainer_of(opened, space, encoder).explain(image.picture[None], region)
    write_explanation(out, image.picture, found)
    explained, probability = found.regions[0], round(float(found.probability[0]), 4)
    console.document(
        {"query": opened.shown(query), "given_region": image.region, "region": explained, "probability": probability}
        | {"written": str(out)}
    )
    console.line(f"{explained}: {probability:.1%}" + (f" (given: {image.region})" if image.region else ""))
    console.line(f"written: {out}")
