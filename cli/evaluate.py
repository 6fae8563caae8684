"""`embedkit evaluate`: how right the heads are, in tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet
from embedkit.cli.outputs import prepare_outputs
from embedkit.progress import Advance

if TYPE_CHECKING:
    from embedkit.evaluation import Evaluation, Learner
    from embedkit.pretraining import PretrainingStep


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
        int,
        typer.Option(
            min=0, max=100, help="Judge every image once, in this many folds; 0 for one split of 64, 16 and 20%."
        ),
    ] = 0,
    fraction: Annotated[
        list[float] | None,
        typer.Option(min=0, max=1, help="Learn from this fraction of the labels. Repeatable; 0.001 to 1 without."),
    ] = None,
    draws: Annotated[int, typer.Option(min=0, max=1_000, help="Draws of each fraction; 0 for none.")] = 10,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Compare with a ResNet18 trained from scratch on each draw. Slow.")
    ] = False,
    baseline_steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="Training steps of the baseline.")] = 300,
    baseline_size: Annotated[
        int, typer.Option(min=32, max=1_024, help="Side of the baseline's pictures in pixels.")
    ] = 96,
    attention: Annotated[
        bool, typer.Option("--attention", help="Measure too how much each encoder looks at planted gauges and borders.")
    ] = False,
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="For --attention: the .safetensors file of an encoder that is not shipped. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of splits and draws.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how right the heads are: accuracy, label fractions, calibration, thresholds.

    Every image is judged by heads that saw no image of its patient; every figure has its 95% interval. A run with
    --baseline that was interrupted goes on where it was.
    """
    from embedkit.errors import UsageError
    from embedkit.evaluation import (
        FRACTIONS,
        SUPERVISED,
        BaselineSettings,
        EvaluationSettings,
        SupervisedBaseline,
        evaluate_index,
    )
    from embedkit.evaluation.attention import measure_attention
    from embedkit.heads import save_head
    from embedkit.indexes.encoders import encoder_source
    from embedkit.report import to_summary, write_attention, write_evaluation

    console = Console(as_json, quiet)
    prepare_outputs([head_out], ".safetensors")
    if (baseline or attention) and not out:
        raise UsageError("no-folder", "--baseline and --attention write into the folder of --out: name one")
    if folds == 1:
        raise UsageError("one-fold", "--folds needs 2 or more, or 0 for one split")
    fractions = tuple(sorted(fraction)) if fraction else FRACTIONS
    settings = EvaluationSettings(folds, fractions if draws else (), draws, seed)
    opened = console.open_index(index)
    looked_by = (
        {name: encoder_source(opened, name, encoder or ()) for name in space or opened.spaces} if attention else {}
    )
    with console.progress("Evaluating") as advance:
        progress = _Progress(advance)
        learners: dict[str, Learner] = {}
        if baseline and out:
            trained = BaselineSettings(baseline_steps, picture_size=baseline_size, seed=seed)
            learners[SUPERVISED] = SupervisedBaseline(opened, out / "baseline", trained, progress.show_step)
        found = evaluate_index(
            opened,
            spaces=space or (),
            without=without or (),
            learners=learners,
            settings=settings,
            on_progress=progress.show,
        )
    if head_out:
        save_head(head_out, found.head)
    if out:
        write_evaluation(out, found)
    if out and attention:
        write_attention(out, measure_attention(opened, looked_by, seed=seed))
    console.document(to_summary(found))
    show_evaluation(console, found)
    for path in filter(None, (head_out, out)):
        console.line(f"written: {path}")


class _Progress:
    """Draws done and, within a draw of the baseline, steps."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._last: tuple[int, int | None, str] = (0, 0, "")

    def show(self, done: int, total: int | None, detail: str = "", /) -> None:
        self._last = (done, total, detail)
        self._advance(done, total, detail)

    def show_step(self, step: PretrainingStep) -> None:
        done, total, detail = self._last
        self._advance(done, total, f"{detail}, step {step.done:,} of {step.total:,}")


def show_evaluation(console: Console, found: Evaluation) -> None:
    """The tables, and what could not be judged."""
    from embedkit.report import wide_tables

    for note in found.notes:
        console.note(note)
    console.line(f"{found.images:,} labelled images of {found.patients:,} patients; {found.protocol}\n")
    for table in wide_tables(found):
        if table.rows:
            console.table(table.columns, table.rows, table.title)
