"""`embedkit verify`: every byte of the index against its checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet


def verify(
    index: IndexPath = DEFAULT_INDEX,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="First rebuild a damaged newest manifest from the files that stand, and all derived files."
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every file of the index against its checksum, and the decisions; exit code 1 where something is wrong."""
    from embedkit.indexes import repair as repair_index
    from embedkit.indexes import verify as verify_index

    console = Console(as_json, quiet)
    repaired = repair_index(index) if repair else []
    problems = [*verify_index(index), *_check_decisions(index)]
    console.document({"index": str(index), "problems": problems, "repaired": repaired})
    for line in repaired:
        console.line(line)
    for problem in problems:
        console.line(problem)
    console.line("every file is as it was written" if not problems else f"{len(problems):,} problems")
    if problems:
        raise typer.Exit(1)


def _check_decisions(index: Path) -> list[str]:
    from embedkit.errors import IndexFolderError
    from embedkit.review import Decisions

    try:
        with Decisions.open(index, read_only=True) as decisions:
            decisions.check()
    except IndexFolderError as error:
        return [str(error)]
    return []
