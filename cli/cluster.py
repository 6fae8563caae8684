"""`embedkit cluster`: clusters of images, to be named in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet, SpaceName


def cluster(
    clusters: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 100,
    out: Annotated[
        Path, typer.Option(help="The new folder for a sheet of each cluster and the table to fill in.")
    ] = Path("clusters"),
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the clusters.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sort the images into clusters and draw a sheet of each, so that a person can name them in one go.

    Fill in the column region of names.csv (leave mixed clusters empty), then `embedkit label-clusters` reads it.
    """
    from embedkit.annotate import find_clusters
    from embedkit.export import write_clusters

    console = Console(as_json, quiet)
    opened = console.open_index(index)
    console.note("looking for clusters")
    found = find_clusters(opened.vectors(space), clusters, seed=seed)
    write_clusters(out, opened, found)
    sizes = found.sizes.tolist()
    console.document({"folder": str(out), "images": len(opened), "sizes": sizes})
    console.line(f"{len(opened):,} images in {len(sizes):,} clusters of {sizes[-1]:,} to {sizes[0]:,}")
    console.line(f"written: {out}: names.csv, members.csv and a sheet each")
