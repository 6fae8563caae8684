"""An evaluation as tables: long ones for programs (CSV), wide ones for people (Markdown and screen)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from embedkit.evaluation import Evaluation, Interval
from embedkit.heads import NEVER
from embedkit.report.table import Table, to_markdown


def long_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Every number in a cell of its own; accuracies and errors between 0 and 1."""
    accuracy = [
        (score.method, region, found.value, found.low, found.high, found.images, found.patients)
        for score in evaluation.scores
        for region, found in zip(("ALL", *evaluation.regions), (score.overall, *score.regions), strict=True)
    ]
    calibration = [
        (found.method, found.temperature, stage, error.value, error.low, error.high)
        for found in evaluation.calibration
        for stage, error in (("before", found.before), ("after", found.after))
    ]
    confusion = [
        (given, *counts) for given, counts in zip(evaluation.regions, evaluation.confusion.tolist(), strict=True)
    ]
    return (
        _table("accuracy", "Top-1 accuracy", "method region accuracy low high images patients", accuracy),
        _table("confusion", "Given region by row, named region by column", ("given", *evaluation.regions), confusion),
        _table("calibration", "Calibration error", "method temperature stage error low high", calibration),
        _table(
            "thresholds",
            "Confidence from which the region named is right in 99 of 100 cases",
            "region confidence patients errors lower",
            [(region, *found.facts().values()) for region, found in _thresholds(evaluation)],
        ),
        _table(
            "label-fractions",
            "Accuracy by fraction of the training labels",
            "method fraction labels accuracy low high draws",
            [tuple(asdict(score).values()) for score in evaluation.fractions],
        ),
    )


def wide_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """The same for people: percent, each with its 95% interval."""
    methods = tuple(score.method for score in evaluation.scores)
    rows = [("ALL", *(_percent(score.overall) for score in evaluation.scores))]
    for number, region in enumerate(evaluation.regions):
        rows.append((region, *(_percent(score.regions[number]) for score in evaluation.scores)))
    calibration = [
        (found.method, f"{found.temperature:.2f}", _percent(found.before), _percent(found.after))
        for found in evaluation.calibration
    ]
    return (
        _table("accuracy", "Top-1 accuracy, % (95% interval)", ("region", *methods), rows),
        _table(
            "calibration",
            "Expected calibration error, % (95% interval)",
            ("method", "temperature", "before", "after"),
            calibration,
        ),
        _table(
            "thresholds",
            "Confidence from which the region named is right in 99 of 100 cases",
            ("region", "confidence", "held-out patients", "with an error", "right at least, %"),
            [
                (
                    region,
                    "not shown" if found.confidence == NEVER else f"{found.confidence:.3f}",
                    found.patients,
                    found.errors,
                    f"{100 * found.lower:.1f}",
                )
                for region, found in _thresholds(evaluation)
            ],
        ),
        _fraction_table(evaluation),
    )


def evaluation_markdown(evaluation: Evaluation) -> str:
    """All wide tables as one Markdown page."""
    parts = [
        "# Evaluation",
        f"{evaluation.images:,} labelled images of {evaluation.patients:,} patients: {evaluation.protocol}.",
        *evaluation.notes,
    ]
    return "\n\n".join([*parts, to_markdown(table for table in wide_tables(evaluation) if table.rows)])


def to_summary(evaluation: Evaluation) -> dict[str, Any]:
    """The whole evaluation as one JSON document, without the head's weights."""
    named = {"regions": list(evaluation.regions), "images": evaluation.images, "patients": evaluation.patients}
    return named | {
        "protocol": evaluation.protocol,
        "notes": list(evaluation.notes),
        "accuracy": {
            score.method: {
                "overall": _facts(score.overall),
                "regions": {
                    region: _facts(found) for region, found in zip(evaluation.regions, score.regions, strict=True)
                },
            }
            for score in evaluation.scores
        },
        "confusion": evaluation.confusion.tolist(),
        "calibration": {
            found.method: {
                "temperature": found.temperature,
                "error_before": _facts(found.before),
                "error_after": _facts(found.after),
            }
            for found in evaluation.calibration
        },
        "thresholds": {region: found.facts() for region, found in _thresholds(evaluation)},
        "label_fractions": [asdict(score) for score in evaluation.fractions],
        "encoders": evaluation.head.spaces,
    }


def _fraction_table(evaluation: Evaluation) -> Table:
    methods = list(dict.fromkeys(score.method for score in evaluation.fractions))
    cells = {(score.method, score.fraction): score for score in evaluation.fractions}
    rows = []
    for fraction in dict.fromkeys(score.fraction for score in evaluation.fractions):
        scores = [cells[method, fraction] for method in methods]
        values = (f"{100 * s.mean:.1f} ({100 * s.low:.1f} to {100 * s.high:.1f})" for s in scores)
        rows.append((f"{100 * fraction:g}%", scores[0].labels, *values))
    title = "Accuracy by fraction of the training labels, % (95% of draws)"
    return _table("label-fractions", title, ("fraction", "labels", *methods), rows)


def _thresholds(evaluation: Evaluation) -> Iterable[tuple[str, Any]]:
    return zip(evaluation.regions, evaluation.head.thresholds, strict=True)


def _table(name: str, title: str, columns: str | Sequence[str], rows: Iterable[tuple[object, ...]]) -> Table:
    return Table(name, title, tuple(columns.split() if isinstance(columns, str) else columns), tuple(rows))


def _percent(found: Interval) -> str:
    if not found.images:
        return "-"
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _facts(found: Interval) -> dict[str, float | int | None]:
    return {name: value if found.images else None for name, value in asdict(found).items()}
