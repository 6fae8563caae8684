"""`embedkit report`: the index as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet, SpaceName

if TYPE_CHECKING:
    from embedkit.indexes import Index
    from embedkit.report import RegionMap

_MAP_FORMATS = (".svg", ".png", ".html")


def report(
    map_to: Annotated[
        list[Path] | None,
        typer.Option("--map", help="Draw a map of the radiographs to a .svg, .png or .html file. Repeatable."),
    ] = None,
    projection: Annotated[str, typer.Option(help="How the map is made: umap or tsne.")] = "umap",
    issues: Annotated[
        Path | None, typer.Option(help="Star the suspects in this .csv or .parquet file of find-label-issues.")
    ] = None,
    above: Annotated[float, typer.Option(min=0, max=1, help="Star suspects with a score above this.")] = 0.5,
    pictures: Annotated[int, typer.Option(min=0, help="Pictures in an .html map, about 2 kB each.")] = 2000,
    index: IndexPath = DEFAULT_INDEX,
    space: SpaceName = None,
    seed: Annotated[int, typer.Option(help="Of the map.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw a map of the index: radiographs that look alike side by side, doubtful labels as stars."""
    from embedkit.errors import UsageError
    from embedkit.indexes import Index
    from embedkit.report import make_map

    console = Console(as_json, quiet)
    outputs = map_to or []
    if not outputs:
        raise UsageError("nothing-to-do", "name a file to draw to with --map")
    for path in outputs:
        if path.suffix not in _MAP_FORMATS:
            raise UsageError("output-format", f"{path}: end the name in .svg, .png or .html")
    opened = Index.open(index)
    with console.progress("Mapping") as advance:
        drawn = make_map(
            opened, space=space, projection=projection, seed=seed, issues=issues, above=above, on_progress=advance
        )
    for path in outputs:
        _write_map(path, opened, drawn, pictures)
    stars = sum(found.starred for found in drawn.findings.values())
    console.document({"images": len(opened), "stars": stars, "written": [str(path) for path in outputs]})
    console.note(f"{drawn.title}: {len(opened):,} images, {stars:,} with a star")
    for path in outputs:
        console.line(f"written: {path}")


def _write_map(path: Path, index: Index, drawn: RegionMap, pictures: int) -> None:
    from embedkit.report import write_map_figure, write_map_page

    if path.suffix == ".html":
        write_map_page(path, index, drawn, pictured=pictures)
    else:
        write_map_figure(path, drawn)
