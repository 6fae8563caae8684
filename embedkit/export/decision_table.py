"""The decisions as a table, an image a row: what counts, and who said what."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from embedkit.indexes import Index
from embedkit.review import Decision, find_consensus, outcome_of

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("prior_region", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("reviewers", pa.list_(pa.string()), nullable=False),
        pa.field("readings", pa.list_(pa.string()), nullable=False),
        pa.field("time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
    ]
)
DISPUTED = "disputed"
"""The verdict where no outcome has more than half of the readers."""


def tabulate_decisions(index: Index | None, latest: Sequence[Decision]) -> pa.Table:
    """Tabulate the decisions that stand (`Decisions.latest`), by `SCHEMA`, an image a row; skips are no readings.

    `verdict` and `region` are the consensus (`find_consensus`); `readings` are the outcomes in the order of
    `reviewers`; `time` is that of the last decision. As a label table (`embed --labels`) it gives each image the
    region that counts. Without an index, `path` is empty.
    """
    readings = group_readings(latest)
    paths = dict.fromkeys(readings, "")
    if index is not None:
        rows = index.rows_of(list(readings)).tolist()
        paths |= {name: index.images["path"][row].as_py() for name, row in zip(readings, rows, strict=True) if row >= 0}
    return pa.Table.from_pylist(
        [
            {
                "image_id": image_id,
                "path": paths[image_id],
                "prior_region": counts.prior,
                "verdict": counts.verdict or DISPUTED,
                "region": counts.region,
                "reviewers": list(counts.readers),
                "readings": [outcome_of(decision) for decision in readings[image_id]],
                "time": max(decision.time for decision in readings[image_id]),
                "notes": [decision.note for decision in readings[image_id] if decision.note],
            }
            for image_id, counts in find_consensus(latest).items()
        ],
        schema=SCHEMA,
    )


def group_readings(latest: Sequence[Decision]) -> dict[str, list[Decision]]:
    """The decisions on each image but skips, in the order made."""
    readings: dict[str, list[Decision]] = {}
    for decision in latest:
        if outcome_of(decision):
            readings.setdefault(decision.image_id, []).append(decision)
    return readings
