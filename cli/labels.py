"""What `embed` and `label` share: reading a label table, and telling what became of each of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.cli.console import Console

if TYPE_CHECKING:
    from embedkit.indexes import LabelReport
    from embedkit.indexes.labelling import LabelChange
    from embedkit.labels import LabelTable, Vocabulary
    from embedkit.review.readings import AddedReadings, Reading

_SHOWN = 5
_WHY = {
    "not-in-the-index": "no image of the index",
    "several-images": "several images: more of the path, or --map-path",
    "rejected-file": "a file that was rejected",
    "contradicts-another-row": "another row gives the same image another label",
}


@dataclass(frozen=True)
class TableLabels:
    """A label table, and the decisions in it where `export --out` wrote it."""

    path: Path
    labels: LabelTable
    readings: Sequence[Reading]

    @classmethod
    def read(cls, path: Path, vocabulary: Vocabulary, path_map: Sequence[str]) -> TableLabels:
        """Read a table; raises UsageError."""
        from embedkit.labels import labels_from_csv
        from embedkit.review.readings import read_readings

        pairs = [_read_pair(text) for text in path_map]
        return cls(path, labels_from_csv(path, vocabulary, pairs), read_readings(path))

    def add_readings(self, index: Path) -> AddedReadings | None:
        """Record its decisions in an index; None where the table has none."""
        from embedkit.indexes import Index
        from embedkit.review import Decisions
        from embedkit.review.readings import add_readings

        if not self.readings:
            return None
        image_ids = set(Index.open(index).images["image_id"].to_pylist())
        with Decisions.open(index) as decisions:
            return add_readings(decisions, self.readings, image_ids)


def labels_document(report: LabelReport | None, readings: AddedReadings | None) -> dict[str, Any] | None:
    """What `--json` says of labels."""
    if report is None:
        return None
    return asdict(report) | {"readings": asdict(readings) if readings else None}


def show_labels(
    console: Console,
    report: LabelReport,
    readings: AddedReadings | None,
    source: str,
    vocabulary: Vocabulary,
    unit: str = "rows",
) -> None:
    """Tell what became of the labels of `source`, which has one a `unit`; "" where earlier ones were only taken away.

    Raises UsageError ``labels-unmatched`` where they name no image.
    """
    from embedkit.errors import UsageError

    if report.removed or not source:
        console.line(f"{report.removed:,} labels of earlier tables and folders taken away")
    if not source:
        return
    _show_images(console, report, vocabulary, unit)
    if readings:
        console.line(f"decisions: {readings.added:,} added, {readings.standing:,} stand already")
    _show_unmatched(console, report)
    if not report.images and not (readings and readings.added + readings.standing):
        message = f"{source}: {report.rows:,} labels, none of them for an image of the index; no label was changed"
        advice = {
            "rows": "Name images by image_id, or see --map-path",
            "images": "Name their folders like regions, or add the names to a vocabulary (--vocabulary)",
        }
        raise UsageError("labels-unmatched", f"{message}. {advice[unit]}")


def show_mapped(console: Console, changes: Sequence[LabelChange]) -> None:
    """What mapping the labels of headers again has changed."""
    console.line(f"labels mapped again: {sum(change.images for change in changes):,} images have another region")
    if changes:
        rows = [(one.before or "(none)", one.after or "(none)", one.images) for one in changes]
        console.table(("was", "is", "images"), rows)


def _show_images(console: Console, report: LabelReport, vocabulary: Vocabulary, unit: str) -> None:
    console.line(
        f"labels: {report.matched:,} of {report.rows:,} name {report.images:,} images; "
        f"{report.added:,} had no region, {sum(change.images for change in report.changed):,} had another"
    )
    if report.missing:
        console.line(f"{report.missing:,} {unit} have no label")
    if report.changed:
        console.table(("was", "is", "images"), [(one.before, one.after, one.images) for one in report.changed])
    if report.new_regions:
        rows = [(name, count, vocabulary.nearest_spelling(name)) for name, count in report.new_regions.items()]
        console.table(("new region", "images", "resembles"), rows)


def _show_unmatched(console: Console, report: LabelReport) -> None:
    if report.folders:
        console.note(f"the table's paths begin with {report.folders}, which is called otherwise here: it was left out")
    for one in report.unmatched[:_SHOWN]:
        console.note(f"row {one.row}: {one.name}: {_WHY[one.why]}")
    if len(report.unmatched) > _SHOWN:
        console.note(f"and {len(report.unmatched) - _SHOWN:,} more rows that name no image; --json lists all")


def _read_pair(text: str) -> tuple[str, str]:
    from embedkit.errors import UsageError
    from embedkit.indexes.paths import path_text

    old, equals, new = text.partition("=")
    if not (old and equals):
        raise UsageError("bad-path-map", "--map-path takes OLD=NEW: how paths begin in the table, and how here")
    return old, path_text(Path(new))
