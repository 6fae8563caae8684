"""`embedkit evaluate`: how right the heads are, in tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet

if TYPE_CHECKING:
    from embedkit.evaluation import Evaluation


def evaluate(
    out: Annotated[Path | None, typer.Option(help="Write tables and figures into this folder.")] = None,
    head_out: Annotated[
        Path | None, typer.Option(help="Write the head, for `classify --head`, to this .safetensors file.")
    ] = None,
    index: IndexPath = DEFAULT_INDEX,
    space: Annotated[
        list[str] | None, typer.Option(help="Only this vector space. Repeatable; several make an ensemble.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave out this region. Repeatable.")] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Judge every image once, in this many folds; 0 for one split of 64, 16 and 20%.")
    ] = 0,
    fraction: Annotated[
        list[float] | None,
        typer.Option(min=0, max=1, help="Learn from this fraction of the labels. Repeatable; 0.001 to 1 without."),
    ] = None,
    draws: Annotated[int, typer.Option(min=0, help="Draws of each fraction; 0 for none.")] = 10,
    seed: Annotated[int, typer.Option(help="Of splits and draws.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how right the heads are: accuracy, label fractions, calibration, thresholds.

    Every image is judged by heads that saw no image of its patient; every figure has its 95% interval.
    """
    from embedkit.errors import UsageError
    from embedkit.evaluation import FRACTIONS, EvaluationSettings, evaluate_index
    from embedkit.heads import save_head
    from embedkit.indexes import Index
    from embedkit.report import to_summary, write_evaluation

    console = Console(as_json, quiet)
    if head_out and head_out.suffix != ".safetensors":
        raise UsageError("output-format", f"{head_out}: end the name in .safetensors")
    if folds == 1:
        raise UsageError("one-fold", "--folds needs 2 or more, or 0 for one split")
    fractions = tuple(sorted(fraction)) if fraction else FRACTIONS
    settings = EvaluationSettings(folds, fractions if draws else (), draws, seed)
    opened = Index.open(index)
    with console.progress("Evaluating") as advance:
        found = evaluate_index(
            opened, spaces=space or (), without=without or (), settings=settings, on_progress=advance
        )
    console.document(to_summary(found))
    show_evaluation(console, found)
    if head_out:
        save_head(head_out, found.head)
        console.line(f"written: {head_out}")
    if out:
        write_evaluation(out, found)
        console.line(f"written: {out}")


def show_evaluation(console: Console, found: Evaluation) -> None:
    """The tables, and what could not be judged."""
    from embedkit.report import wide_tables

    for note in found.notes:
        console.note(note)
    console.line(f"{found.images:,} labelled images of {found.patients:,} patients; {found.protocol}\n")
    for table in wide_tables(found):
        if table.rows:
            console.table(table.columns, table.rows, table.title)
