"""The ranking of an index, kept beside it: what took minutes is read in seconds as long as nothing has changed.

A ranking is called by all that it depends on: pictures, vectors and labels, what reviewers settled, spaces, seed, and
the version of this program. So a current one is found by its name, and an outdated one is not found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedkit.indexes import Index
from embedkit.indexes.columns import numbers, to_numbers
from embedkit.indexes.sealed_files import RANKINGS, SUFFIX, read_sealed, touch, write_sealed
from embedkit.quality.estimate import ErrorEstimate
from embedkit.quality.patterns import ConfusionPattern
from embedkit.quality.table import SCHEMA, IssueTable

_RANKING = 1
"""Raised where the ranking of the same index becomes another one within a version of the program."""
_ROW, _FACTS = "row", b"embedkit"


def place_ranking(
    index: Index, columns: Sequence[str], spaces: Sequence[str], reviewed: Mapping[int, str], seed: int
) -> Path:
    """The file of a ranking of this index by these spaces, with these verdicts by row."""
    said = json.dumps([sorted(reviewed.items()), list(spaces), seed, version("embedkit"), _RANKING, index.attribute])
    key = hashlib.sha256(f"{index.digest(columns, spaces)}{said}".encode()).hexdigest()
    return index.path / RANKINGS / f"{key[:32]}{SUFFIX}"


def read_ranking(path: Path) -> IssueTable | None:
    """Read a ranking of all images; None where there is none, or it is not what was written."""
    body = read_sealed(path)
    if body is None:
        return None
    touch(path)
    table = pq.read_table(pa.BufferReader(body))
    facts = json.loads(table.schema.metadata[_FACTS])
    estimate = facts["estimate"]
    if estimate:
        estimate["among_first"] = {int(count): found for count, found in estimate["among_first"].items()}
    return IssueTable(
        table.select(SCHEMA.names).cast(SCHEMA),
        tuple(to_numbers(table[_ROW], np.int64).tolist()),
        facts["images"],
        tuple(facts["notes"]),
        tuple(ConfusionPattern(**pattern) for pattern in facts["patterns"]),
        ErrorEstimate(**estimate) if estimate else None,
        facts["made"],
    )


def store_ranking(path: Path, issues: IssueTable) -> None:
    """Keep a ranking of all images for the next reader; where nothing can be written, nothing is."""
    facts = {
        "images": issues.images,
        "notes": issues.notes,
        "patterns": [asdict(pattern) for pattern in issues.patterns],
        "estimate": asdict(issues.estimate) if issues.estimate else None,
        "made": issues.made,
    }
    table = issues.table.append_column(
        pa.field(_ROW, pa.int64(), nullable=False), numbers(np.array(issues.rows, np.int64))
    )
    table = table.replace_schema_metadata({_FACTS: json.dumps(facts)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_sealed(path, sink.getvalue().to_pybytes())


def with_time(issues: IssueTable) -> IssueTable:
    """The same, made now."""
    return replace(issues, made=datetime.now(UTC).isoformat(timespec="seconds"))
