"""Decisions of another index, or of this one at another time, read back from the table that `export --out` wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.labels.table import column_names, read_rows, wrong_table
from embedkit.review.decision import KEEP, LONGEST_NOTE, OUT_OF_DOMAIN, RELABEL, UNUSABLE, is_name
from embedkit.review.decisions import Decisions

_COLUMNS = ("image_id", "prior_region", "verdict", "reviewers", "readings", "notes")


@dataclass(frozen=True)
class Reading:
    """What one reviewer said of one image."""

    image_id: str
    reviewer: str
    outcome: str
    """A region, `out-of-domain` or `unusable`."""
    prior: str
    """The region that the image had then; "" for none."""
    note: str


@dataclass(frozen=True)
class AddedReadings:
    """What became of readings that were to be added."""

    added: int = 0
    standing: int = 0
    """A decision of the same reviewer stands on the image already; it stays."""
    unknown: int = 0
    """The index does not hold the image."""


def read_readings(path: Path) -> list[Reading]:
    """Read the readings of a CSV file that `export --out` wrote; none of any other label table.

    Raises `UsageError` ``labels-invalid`` where reviewers and readings do not fit, with the row and no value.
    """
    readings: list[Reading] = []
    with read_rows(path) as rows:
        columns = column_names(next(rows, []))
        if not set(_COLUMNS) <= set(columns):
            return []
        for number, row in enumerate(rows, start=2):
            cells = dict(zip(columns, row, strict=False))
            if any(cells.values()):
                readings += _split(cells, number, path)
    return readings


def _split(cells: dict[str, str], number: int, path: Path) -> list[Reading]:
    """The readings of one image; what was noted goes with the first, as the table does not say whose it is."""
    reviewers, outcomes = (cells.get(name, "").split("; ") for name in ("reviewers", "readings"))
    if len(reviewers) != len(outcomes) or not all((*map(is_name, reviewers), *outcomes)):
        raise wrong_table(path, f"row {number} does not tell which reviewer said what")
    notes = [cells.get("notes", "")[:LONGEST_NOTE]] + [""] * (len(reviewers) - 1)
    said = zip(reviewers, outcomes, notes, strict=True)
    return [Reading(cells["image_id"], *one[:2], cells.get("prior_region", ""), one[2]) for one in said]


def add_readings(decisions: Decisions, readings: Sequence[Reading], image_ids: Collection[str]) -> AddedReadings:
    """Record readings on the images `image_ids` of an index, but for those of a reviewer who has decided already."""
    standing = {(decision.image_id, decision.reviewer) for decision in decisions.latest()}
    held = [reading for reading in readings if reading.image_id in image_ids]
    new = [reading for reading in held if (reading.image_id, reading.reviewer) not in standing]
    for reading in new:
        none_fits = reading.outcome in (OUT_OF_DOMAIN, UNUSABLE)
        verdict = reading.outcome if none_fits else KEEP if reading.outcome == reading.prior else RELABEL
        decisions.record(
            reading.image_id,
            reading.reviewer,
            verdict,
            region=reading.outcome if verdict == RELABEL else "",
            prior=reading.prior,
            note=reading.note,
        )
    return AddedReadings(len(new), len(held) - len(new), len(readings) - len(held))
