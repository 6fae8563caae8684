"""`embedkit report`: the archive as a page, in tables, and as a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    from embedkit.indexes import Index
    from embedkit.quality import IssueTable
    from embedkit.report import RegionMap, Report


def report(
    out: Annotated[Path | None, typer.Option(help="Write the report to this .html file.")] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Write its tables (CSV, Markdown) and figures (SVG) into this folder.")
    ] = None,
    with_pictures: Annotated[
        bool, typer.Option("--with-pictures", help="Show corrected and suspected radiographs in the report.")
    ] = False,
    map_to: Annotated[
        list[Path] | None,
        typer.Option("--map", help="Draw a map of the radiographs to a .svg, .png or .html file. Repeatable."),
    ] = None,
    projection: Annotated[Literal["umap", "tsne"], typer.Option(help="How the map is made.")] = "umap",
    issues: Annotated[
        Path | None, typer.Option(help="Star the suspects in this .csv or .parquet file of find-label-issues.")
    ] = None,
    above: Annotated[float, typer.Option(min=0, max=1, help="Star suspects with a score above this.")] = 0.5,
    pictures: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Pictures in an .html map, about 2 kB each.")
    ] = 2000,
    index: IndexPath = DEFAULT_INDEX,
    space: Annotated[
        str | None,
        typer.Option(help="Rank and draw by this vector space; a map needs it where there are several."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of folds and map.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Report on the archive: what is in it, what is suspected, what the review changed; and draw a map of it."""
    from embedkit.cli.loading import read_decisions
    from embedkit.quality import find_label_issues
    from embedkit.report import make_map, make_report, write_report, write_report_tables
    from embedkit.review import correct_labels, find_consensus

    console = Console(as_json, quiet)
    outputs = map_to or []
    _check(out, tables, outputs)
    opened = console.open_index(index)
    decisions = read_decisions(index)
    made: Report | None = None
    ranked: Path | IssueTable | None = issues
    if out or tables:
        with console.stages() as tell:
            found = find_label_issues(opened, space=space, all_images=True, seed=seed, on_progress=tell)
        if found.made:
            console.note(found.say_when())
        made, ranked = make_report(opened, found, decisions, seed=seed), issues or found
    consensus = find_consensus(decisions)
    corrected = correct_labels(opened, consensus)
    with console.progress("Mapping") as advance:
        drawn = make_map(
            corrected,
            space=space,
            projection=projection,
            seed=seed,
            issues=ranked,
            above=above,
            settled=[image_id for image_id, found in consensus.items() if not found.disputed],
            on_progress=advance,
        )
    if made and out:
        write_report(out, made, drawn, pictures_of=opened if with_pictures else None)
    if made and tables:
        write_report_tables(tables, made, drawn)
    for path in outputs:
        _write_map(path, corrected, drawn, pictures)
    _tell(console, made, drawn, [path for path in (out, tables, *outputs) if path])


def _check(out: Path | None, tables: Path | None, maps: list[Path]) -> None:
    from embedkit.errors import UsageError

    if not (out or tables or maps):
        raise UsageError("nothing-to-do", "name a file to write with --out, --tables or --map")
    prepare_outputs([out], ".html")
    prepare_outputs(maps, ".svg", ".png", ".html")


def _write_map(path: Path, index: Index, drawn: RegionMap, pictures: int) -> None:
    from embedkit.report import write_map_figure, write_map_page

    if path.suffix == ".html":
        write_map_page(path, index, drawn, pictured=pictures)
    else:
        write_map_figure(path, drawn)


def _tell(console: Console, made: Report | None, drawn: RegionMap, written: list[Path]) -> None:
    stars = sum(found.starred for found in drawn.findings.values())
    tables = {table.name: table.records() for table in made.tables} if made else {}
    places = [str(path) for path in written]
    console.document({"images": len(drawn.regions), "stars": stars, "written": places, "tables": tables})
    console.note(f"{drawn.title}: {len(drawn.regions):,} images, {stars:,} with a star")
    for path in written:
        console.line(f"written: {path}")
