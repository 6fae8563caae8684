"""`embedkit verify`: every byte of the index against its checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet, VocabularyFile

_SHOWN = 10


def verify(
    index: IndexPath = DEFAULT_INDEX,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="First rebuild a damaged newest manifest from the files that stand, and all derived files."
        ),
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also look for anything that is left of removed images, in every file.")
    ] = False,
    vocabulary: VocabularyFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every file of the index against its checksum, and the decisions; exit code 1 where something is wrong."""
    from embedkit.indexes import repair as repair_index
    from embedkit.indexes import verify as verify_index

    console = Console(as_json, quiet)
    repaired = repair_index(index) if repair else []
    problems = [*verify_index(index, deep=deep), *_check_decisions(index, vocabulary)]
    if deep and not problems:
        problems = _find_decisions_on_removed(index)
    console.document({"index": str(index), "problems": problems, "repaired": repaired})
    for line in repaired:
        console.line(line)
    for problem in problems:
        console.line(problem)
    console.line("every file is as it was written" if not problems else f"{len(problems):,} problems")
    if problems:
        raise typer.Exit(1)


def _check_decisions(index: Path, vocabulary: Path | None) -> list[str]:
    from embedkit.review.database import list_attributes

    return [problem for name in list_attributes(index) for problem in _check_decisions_on(index, name, vocabulary)]


def _check_decisions_on(index: Path, attribute: str, vocabulary: Path | None) -> list[str]:
    from embedkit.errors import IndexFolderError
    from embedkit.labels import Vocabulary
    from embedkit.labels.attribute import REGION
    from embedkit.review import Decisions

    try:
        with Decisions.open(index, attribute, read_only=True) as decisions:
            decisions.check()
            latest = decisions.latest()
    except IndexFolderError as error:
        return [str(error)]
    regions = _regions_of(index) if attribute == REGION else None
    if regions is None:
        return []
    known = {*Vocabulary.load(vocabulary).names, *regions}
    unknown = [decision.number for decision in latest if decision.region and decision.region not in known]
    if not unknown:
        return []
    told = ", ".join(map(str, unknown[:_SHOWN])) + (" ..." if len(unknown) > _SHOWN else "")
    what = f"{len(unknown):,} decisions for a region that is neither in the vocabulary nor in the index"
    return [f"{decisions.path}: {what} (number {told}); name the vocabulary they were made with by --vocabulary"]


def _find_decisions_on_removed(index: Path) -> list[str]:
    from embedkit.indexes import read_newest_removed
    from embedkit.review import Decisions
    from embedkit.review.database import list_attributes

    removed, found = read_newest_removed(index), []
    for name in list_attributes(index):
        with Decisions.open(index, name, read_only=True) as decisions:
            if left := sum(removed.hold_image(decision.image_id) for decision in decisions.history()):
                found.append(f"{decisions.path}: {left:,} rows on removed images; `embedkit compact` erases them")
    return found


def _regions_of(index: Path) -> list[str] | None:
    """The regions of the images; None where the index cannot be read, which is told by itself."""
    from embedkit.errors import IndexFolderError
    from embedkit.indexes import Index

    try:
        regions: list[str] = Index.open(index).images["region"].unique().to_pylist()
    except IndexFolderError:
        return None
    return regions
