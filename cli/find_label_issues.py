"""`embedkit find-label-issues`: the ranked suspects."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    from embedkit.indexes import Index
    from embedkit.quality import IssueTable


def find_label_issues(
    index: IndexPath = DEFAULT_INDEX,
    out: Annotated[
        list[Path] | None, typer.Option(help="Write all suspects to a .csv, .parquet or .html file. Repeatable.")
    ] = None,
    all_images: Annotated[bool, typer.Option("--all", help="Rank every image, also those without an issue.")] = False,
    top: Annotated[int, typer.Option(min=0, max=1_000_000, help="Suspects to show on screen.")] = 20,
    space: Annotated[
        list[str] | None,
        typer.Option(help="Rank by this vector space. Repeatable; without, by all whose encoders saw no labels."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the folds.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the suspects: wrong labels, out-of-domain, unusable and repeated images, missing labels.

    Heeds what reviewers decided: images that they settled are left out, and the others are ranked by that too.
    """
    from embedkit.cli.loading import read_decisions
    from embedkit.review import find_open_issues

    console = Console(as_json, quiet)
    outputs = out or []
    prepare_outputs(outputs, ".csv", ".parquet", ".html")
    opened = console.open_index(index)
    decisions = read_decisions(index)
    with console.stages() as tell:
        issues = find_open_issues(opened, decisions, space=space, all_images=all_images, seed=seed, on_progress=tell)
    for path in outputs:
        write_issues(path, opened, issues)
    console.document(document_of(issues))
    show_issues(console, issues, top)
    for path in outputs:
        console.line(f"written: {path}")


def document_of(issues: IssueTable) -> dict[str, Any]:
    """What `--json` says."""
    return {
        "images": issues.images,
        "counts": issues.counts,
        "notes": issues.notes,
        "estimate": asdict(issues.estimate) if issues.estimate else None,
        "patterns": [asdict(pattern) for pattern in issues.patterns],
        "issues": issues.table.to_pylist(),
        "ranked": issues.made or None,
    }


def write_issues(path: Path, index: Index, issues: IssueTable) -> None:
    """Write the table in the format that the name asks for."""
    if path.suffix == ".csv":
        issues.write_csv(path)
    elif path.suffix == ".parquet":
        issues.write_parquet(path)
    else:
        from embedkit.report import write_issues_page

        write_issues_page(path, index, issues)


def show_issues(console: Console, issues: IssueTable, top: int) -> None:
    """The first suspects, and how many there are of each kind."""
    for note in filter(None, (issues.say_when(), *issues.notes)):
        console.note(note)
    columns = ["rank", "issue", "given_region", "suggested_region", "score", "confidence", "path"]
    console.table(columns, (tuple(row.values()) for row in issues.table.select(columns).slice(0, top).to_pylist()))
    counts = ", ".join(f"{count:,} {issue}" for issue, count in issues.counts.items())
    console.line(f"{issues.images:,} images: {counts}")
    for pattern in issues.patterns:
        console.line(str(pattern))
    if issues.estimate:
        console.line(str(issues.estimate))
